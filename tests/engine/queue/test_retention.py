"""What is over goes, in pieces; what is pinned, needed or young stays, and a kill in the middle leaves nothing behind."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, text

from jobs.engine.db import postgres
from jobs.engine.db.models import File, Item, Job, LogLine, new_id
from jobs.engine.errors import NotFound
from jobs.engine.files import uploads
from jobs.engine.files.storage import blob_storage
from jobs.engine.queue import commands, ledger, retention
from jobs.engine.queue.ledger import Batch, Outcome
from jobs.engine.queue.schedules import SchedulePlan


@pytest.fixture(autouse=True)
def keeping(environment: Callable[..., None]) -> None:
    environment(EXTRA_KINDS="tests.sample_kinds", KEEP_SUCCEEDED_DAYS="30", KEEP_FAILED_DAYS="90", KEEP_FILES_DAYS="7")


def ended(state: str = "succeeded", days: float = 0, output: bool = False) -> UUID:
    """A job that ended so many days ago, with an item, a line and perhaps an output."""
    job = commands.submit("nap", {}, owner="local")
    with postgres.session() as session:
        connection = session.connection()
        claim = ledger.claim(connection, job.id, "a worker")
        assert claim is not None
        ledger.record(connection, job.id, claim.lease, Batch([Outcome("1", 1, "done")], [("info", "begun")]))
        if output:
            blob = blob_storage().put(io.BytesIO(b"result"), None)
            ledger.add_file(connection, claim, "result.txt", "text/plain", blob)
        ledger.settle(connection, job.id, claim.lease, state)
        aged = "update jobs set finished_at = now() - make_interval(secs => :seconds) where id = :id"
        _run(aged, session, seconds=days * 86400, id=job.id)
        for file in session.scalars(select(File).where(File.job_id == job.id)):
            _run("update files set id = :new where id = :id", session, id=file.id, new=_aged(days))
    return job.id


def upload(days: float) -> UUID:
    file = uploads.upload(io.BytesIO(b"name\nAda\n"), "people.csv", owner="local")
    new = _aged(days)
    with postgres.session() as session:
        _run("update files set id = :new where id = :id", session, id=file.id, new=new)
    return new


def _aged(days: float) -> UUID:
    """An id as it was made so many days ago."""
    then = int((datetime.now(UTC) - timedelta(days=days)).timestamp() * 1000)
    return UUID(int=new_id().int & ((1 << 80) - 1) | then << 80)


def _run(statement: str, session: object, **values: object) -> None:
    session.execute(text(statement), values)  # type: ignore[attr-defined]


def there(model: type) -> int:
    with postgres.session() as session:
        return len(list(session.scalars(select(model))))


def kept() -> set[UUID]:
    with postgres.session() as session:
        return set(session.scalars(select(Job.id)))


def files() -> set[UUID]:
    with postgres.session() as session:
        return set(session.scalars(select(File.id)))


def test_jobs_go_by_their_state_with_all_that_hangs_on_them() -> None:
    old, young = ended(days=31, output=True), ended(days=29)
    failed, long_failed, stopped = ended("failed", 31), ended("failed", 91), ended("cancelled", 400)
    with postgres.session() as session:
        blob = session.scalars(select(File.blob).where(File.job_id == old)).one()
    assert retention.tidy() == 2
    assert kept() == {young, failed, stopped}
    assert {old, long_failed} & kept() == set()
    assert (there(Item), there(LogLine), there(File)) == (3, 3, 0)
    with pytest.raises(NotFound):
        blob_storage().open(blob)


def test_pinned_jobs_stay_with_their_files() -> None:
    job = ended(days=400, output=True)
    with postgres.session() as session:
        _run("update jobs set pinned = true where id = :id", session, id=job)
    assert retention.tidy() == 0
    assert kept() == {job}
    assert there(File) == 1


def test_many_go_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "JOBS_AT_ONCE", 2)
    monkeypatch.setattr(retention, "MOST_JOBS", 4)
    for _ in range(7):
        ended(days=31)
    assert [retention.tidy(), retention.tidy(), retention.tidy()] == [4, 3, 0]


def test_files_go_before_their_jobs() -> None:
    job, young = ended(days=8, output=True), ended(days=6, output=True)
    old_upload, young_upload = upload(8), upload(6)
    assert retention.tidy() == 2
    assert kept() == {job, young}
    assert old_upload not in files()
    assert young_upload in files()
    assert there(File) == 2


def test_an_upload_stays_as_long_as_something_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting, repeated, of_pinned, of_ended = (upload(100) for _ in range(4))
    for file in (waiting, of_pinned, of_ended):
        commands.submit("word_count", {"source": str(file), "column": "name"}, owner="local")
    with postgres.session() as session:
        done = "update jobs set state = 'succeeded', finished_at = now(), pinned = :pin where params::text like :id"
        _run(done, session, pin=True, id=f"%{of_pinned}%")
        _run(done, session, pin=False, id=f"%{of_ended}%")
    commands.create_schedule(
        SchedulePlan("word_count", {"source": str(repeated), "column": "name"}, "0 6 * * 1", "UTC"), owner="local"
    )
    monkeypatch.setattr(retention, "FILES_AT_ONCE", 1)  # those that stay must not stop the others
    for _ in range(6):
        retention.tidy()
    assert files() == {waiting, repeated, of_pinned}


def test_killed_between_the_bytes_and_the_row_it_is_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    job = ended(days=31, output=True)

    def die(*_: object) -> None:
        raise OSError("killed here")

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "delete", die)
        assert retention.tidy() == 0
    assert kept() == {job}
    assert retention.tidy() == 1
    assert (kept(), there(File)) == (set(), 0)


def test_without_settings_nothing_goes(environment: Callable[..., None]) -> None:
    environment(KEEP_SUCCEEDED_DAYS=None, KEEP_FAILED_DAYS=None, KEEP_FILES_DAYS=None)
    job, file = ended(days=10_000), upload(10_000)
    assert retention.tidy() == 0
    assert (kept(), files()) == ({job}, {file})

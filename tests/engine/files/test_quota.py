"""The room that one owner's files may take: uploads, what jobs make, what comes out of archives."""

from __future__ import annotations

import io
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, select

from jobs.engine.db import postgres
from jobs.engine.db.models import File
from jobs.engine.errors import QuotaExceeded, TooLarge
from jobs.engine.files import uploads
from jobs.engine.mail import outbox
from jobs.engine.queue import commands, ledger, limits, queries
from jobs.engine.worker.context import Context
from jobs.engine.worker.outcome_writer import OutcomeWriter
from tests.kinds import job_runs


@pytest.fixture(autouse=True)
def _one_megabyte(environment: Callable[..., None]) -> None:
    environment(EXTRA_KINDS="tests.sample_kinds", MAX_STORAGE_MB="1")


def test_more_files_than_there_is_room_for_are_refused(tmp_path: Path) -> None:
    uploads.upload(io.BytesIO(b"x" * 700_000), "a.txt", owner="a")
    for size in (400_000, 300_001):
        with pytest.raises(TooLarge, match=r"Your files take 0\.7 MB of your 1 MB"):
            uploads.upload(io.BytesIO(b"x" * size), "b.txt", owner="a")
    uploads.upload(io.BytesIO(b"x" * 300_000), "c.txt", owner="a")
    with pytest.raises(TooLarge):
        uploads.upload(io.BytesIO(b"x"), "d.txt", owner="a")
    uploads.upload(io.BytesIO(b"x"), "e.txt", owner="b")
    used = limits.usage("a")
    assert (used.bytes, used.most_bytes, used.waiting) == (1_000_000, 1_000_000, 0)
    assert len(_blobs(tmp_path)) == 3


def test_what_jobs_make_counts_too_and_a_full_room_ends_a_job(tmp_path: Path) -> None:
    kept = job_runs.done("keepsake", bytes=600_000)
    assert kept.state == "succeeded"
    full = job_runs.done("keepsake", bytes=600_000)
    said = (
        "Your files take 0.6 MB of your 1 MB; 0.6 MB more do not fit. Delete jobs that have ended, or empty the outbox."
    )
    assert (full.state, full.reason, full.message) == ("failed", "storage_full", said)
    assert (queries.output_files(full), len(queries.output_files(kept)), len(_blobs(tmp_path))) == ([], 1, 1)
    with pytest.raises(TooLarge):
        uploads.upload(io.BytesIO(b"x" * 600_000), "a.txt", owner="local")
    commands.delete(kept.id, owner="local")
    again = job_runs.run(commands.retry(full.id, owner="local"))
    assert (again.state, len(queries.output_files(again)), len(_blobs(tmp_path))) == ("succeeded", 1, 1)


@pytest.mark.slow
def test_items_before_the_room_was_full_are_kept_with_their_files() -> None:
    table = b"text\n" + b"x" * 100_000 + b"\n"
    files = [job_runs.upload(table, f"{place}.csv") for place in range(5)]
    job = job_runs.done("convert_files", files=files, to="json", concurrency=1)
    assert (job.state, job.reason, job.done, job.failed) == ("failed", "storage_full", 4, 0)
    assert "0.1 MB more do not fit" in str(job.message)
    assert [file.name for file in queries.output_files(job)] == ["0.json", "1.json", "2.json", "3.json"]
    assert limits.usage("local").bytes <= 1_000_000


def test_what_a_lost_attempt_left_does_not_take_its_own_jobs_room() -> None:
    job = commands.submit("keepsake", {"bytes": 700_000}, owner="local")
    with postgres.session() as session:
        lost = ledger.claim(session.connection(), job.id, "lost")
        assert lost
    Context(lost, OutcomeWriter(lost)).save("keepsake.bin", b"x" * 700_000)
    with postgres.session() as session:
        ledger.give_up(session.connection(), job.id, lost.lease)
    assert job_runs.run(job).state == "succeeded"


@pytest.mark.slow
def test_files_out_of_an_archive_count_too(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for place in range(3):
            archive.writestr(f"{place}.txt", f"{place} words and words\n" * 20_000)
    ref = job_runs.upload(packed.getvalue(), "texts.zip")
    job = job_runs.done("process_files", files=[ref])
    assert (job.state, job.reason) == ("failed", "storage_full")
    assert 1 <= job.done <= 2 and job.failed == 0
    assert len(_blobs(tmp_path)) == 1 + job.done
    assert limits.usage("local").bytes <= 1_000_000


def test_the_outbox_counts_and_a_mailing_ends_when_there_is_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[object] = []
    send = outbox.OutboxSender.send
    monkeypatch.setattr(outbox.OutboxSender, "send", lambda sender, mail: (tries.append(mail), send(sender, mail))[1])
    table = job_runs.upload(b"email\n" + b"".join(b"a%d@example.org\n" % place for place in range(6)), "people.csv")
    attached = job_runs.upload(b"x" * 200_000, "a.txt")
    mailing: dict[str, Any] = {"recipients": table, "from": "us@example.org", "subject": "x", "text": "y"}
    job = job_runs.done("send_emails", **mailing, attachments=[attached], per_second=None, connections=1)
    assert (job.state, job.reason, job.unknown) == ("failed", "storage_full", 0)
    assert "or empty the outbox" in str(job.message)
    kept = outbox.outbox_messages("local").rows
    assert len(kept) == job.done > 0
    assert len(tries) == job.done + 1  # what is refused is not tried again
    assert limits.usage("local").bytes == sum(path.stat().st_size for path in _blobs(tmp_path)) <= 1_000_000
    with pytest.raises(TooLarge):
        uploads.upload(io.BytesIO(b"x" * 900_000), "b.txt", owner="local")
    assert outbox.clear_outbox("local") == job.done
    uploads.upload(io.BytesIO(b"x" * 700_000), "b.txt", owner="local")


@pytest.mark.slow
def test_two_who_come_at_once_do_not_share_the_last_room(tmp_path: Path) -> None:
    came: list[type] = []

    def bring(name: str) -> None:
        try:
            came.append(type(uploads.upload(io.BytesIO(b"x" * 400_000), name, owner="a")))
        except TooLarge as error:
            came.append(type(error))

    together = [threading.Thread(target=bring, args=(f"{place}.txt",)) for place in range(6)]
    for one in together:
        one.start()
    for one in together:
        one.join()
    assert (came.count(File), came.count(QuotaExceeded), limits.usage("a").bytes) == (2, 4, 800_000)
    assert len(_blobs(tmp_path)) == 2


def _blobs(folder: Path) -> list[Path]:
    """The bytes that are really there."""
    return [path for path in (folder / "data" / "files").rglob("*") if path.is_file()]


def test_what_files_take_is_counted_as_they_come_and_go() -> None:
    def really(owner: str) -> int:
        with postgres.session() as session:
            return int(session.scalar(select(func.coalesce(func.sum(File.bytes), 0)).where(File.owner == owner)) or 0)

    for owner, size in (("a", 10), ("a", 500), ("b", 70)):
        uploads.upload(io.BytesIO(b"x" * size), "x.txt", owner=owner)
    assert (limits.usage("a").bytes, limits.usage("b").bytes) == (really("a"), really("b")) == (510, 70)
    with postgres.session() as session:
        session.execute(delete(File).where(File.bytes != 10))
    assert (limits.usage("a").bytes, limits.usage("b").bytes) == (really("a"), really("b")) == (10, 0)
    assert limits.usage("nobody").bytes == 0

"""One job in several workers: parts, helpers, and what becomes of them where a worker is lost. Real workers, a real database."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from jobs.engine.db import postgres, redis
from jobs.engine.db.models import Item, Job, JobHelper, Part
from jobs.engine.errors import BadInput, DatabaseUnavailable
from jobs.engine.queue import commands, ledger
from jobs.engine.worker import wide
from jobs.engine.worker.item_loop import WorkItem
from tests.conftest import House
from tests.engine.workers import Witness, Workers, children, running, until


@pytest.fixture(scope="module", autouse=True)
def site(house: House) -> Iterator[None]:
    with house(EXTRA_KINDS="tests.sample_kinds"):
        yield


@pytest.fixture(scope="module")
def witness() -> Witness:
    return Witness()


def submitted(witness: Witness | None = None, **params: Any) -> UUID:
    if witness is not None:
        params["witness"] = witness.url
    return commands.submit("wide_nap", params, owner="local").id


def row(job_id: UUID) -> Job:
    with postgres.session() as session:
        found = session.get(Job, job_id)
        assert found is not None
        return found


def helpers(job_id: UUID) -> list[JobHelper]:
    with postgres.session() as session:
        return list(session.query(JobHelper).filter_by(job_id=job_id).order_by(JobHelper.id))


def calls(witness: Witness, job_id: UUID) -> dict[str, int]:
    return {path: count for path, count in witness.calls.items() if f"/{job_id}/" in path}


@pytest.fixture(scope="module")
def workers(site: None) -> Iterator[Workers]:
    with running("--processes", "3") as program:
        yield program


def counts(job: Job) -> tuple[int, int, int, int]:
    return job.done, job.failed, job.skipped, job.unknown


def begun(job_id: UUID, many: int = 2) -> list[JobHelper]:
    """Wait until so many helpers are at the job."""
    until(lambda: len([one for one in helpers(job_id) if one.ended_at is None]) >= many)
    return [one for one in helpers(job_id) if one.ended_at is None]


def pid_of(worker: str) -> int:
    return int(worker.rsplit("-", 2)[1])


def test_idle_workers_help(workers: Workers, witness: Witness) -> None:
    job_id = submitted(witness, naps=300, seconds=0.02, fail=[7, 290], skip=[150])
    until(lambda: row(job_id).ended)
    job = row(job_id)
    assert (job.state, job.total, *counts(job)) == ("partial", 300, 297, 2, 1, 0)
    helped = helpers(job_id)
    assert len({one.worker for one in helped}) == 2, "both idle workers helped"
    assert {one.how for one in helped} == {"done"}
    assert sum(one.finished for one in helped) > 100
    assert sorted(calls(witness, job_id).values()) == [1] * 300, "each nap was taken once"
    with postgres.session() as session:
        assert {state for (state,) in session.query(Part.state).filter_by(job_id=job_id)} == {"done"}
        positions = [one for (one,) in session.query(Item.position).filter_by(job_id=job_id).order_by(Item.position)]
    assert positions == list(range(1, 301))


def test_a_short_job_is_not_shared(workers: Workers) -> None:
    job_id = submitted(naps=10)
    until(lambda: row(job_id).ended)
    assert not helpers(job_id)


def test_a_job_that_arrives_comes_before_parts(workers: Workers) -> None:
    """All workers are at one job; another starts as soon as one of them has done its part, not when the job ends."""
    wide = submitted(naps=3_000, seconds=0.02)
    begun(wide)
    other = commands.submit("nap", {"naps": 1}, owner="local").id
    until(lambda: row(other).ended)
    assert not row(wide).ended
    begun(wide)  # and they come back
    commands.cancel(wide, owner="local")
    until(lambda: row(wide).ended)
    job = row(wide)
    assert job.state == "cancelled"
    with postgres.session() as session:
        assert job.done == session.query(Item).filter_by(job_id=wide, state="done").count()
    until(lambda: all(one.ended_at is not None for one in helpers(wide)))


def test_a_helper_that_is_killed_loses_nothing(workers: Workers, witness: Witness) -> None:
    job_id = submitted(witness, naps=400, seconds=0.02)
    lost = begun(job_id)[0]
    os.kill(children(pid_of(lost.worker))[0], signal.SIGKILL)
    until(lambda: row(job_id).ended)
    job = row(job_id)
    assert (job.state, *counts(job)) == ("succeeded", 400, 0, 0, 0)
    again = [count for count in calls(witness, job_id).values() if count > 1]
    assert len(calls(witness, job_id)) == 400
    assert len(again) <= 3, "at most those in flight, or done and not recorded, are repeated"
    assert "lost" in {one.how for one in helpers(job_id)}


def test_where_the_leader_is_killed_helpers_finish(workers: Workers, witness: Witness) -> None:
    job_id = submitted(witness, naps=500, seconds=0.02)
    begun(job_id)
    os.kill(pid_of(str(row(job_id).worker)), signal.SIGKILL)
    until(lambda: row(job_id).ended)
    job = row(job_id)
    assert (job.state, *counts(job)) == ("succeeded", 500, 0, 0, 0)
    assert job.lease == 2
    assert len(calls(witness, job_id)) == 500
    assert len([count for count in calls(witness, job_id).values() if count > 1]) <= 3


def test_what_may_happen_once_happens_once(workers: Workers, witness: Witness) -> None:
    """Of a killed helper the item in flight is unknown; all others are done, each once."""
    job_id = submitted(witness, naps=300, seconds=0.02, once=True)
    lost = begun(job_id)[0]
    os.kill(children(pid_of(lost.worker))[0], signal.SIGKILL)
    until(lambda: row(job_id).ended)
    job = row(job_id)
    assert sum(counts(job)) == 300
    assert job.unknown <= 1 and job.failed == 0
    assert set(calls(witness, job_id).values()) == {1}


def test_without_messages_the_job_still_ends(workers: Workers) -> None:
    job_id = submitted(naps=300, seconds=0.02)
    begun(job_id)
    redis.broker().flushall()
    until(lambda: row(job_id).ended)
    assert (row(job_id).state, *counts(row(job_id))) == ("succeeded", 300, 0, 0, 0)


class Broken:
    """Statements of parts that fail now and then: before they are carried out, or after, so that only the answer is lost."""

    def __init__(self, statement: Any, after: bool):
        self.statement, self.after, self.calls = statement, after, 0

    def __call__(self, *given: Any) -> Any:
        self.calls += 1
        if self.calls % 2 and not self.after:
            raise DatabaseUnavailable("away")
        answer = self.statement(*given)
        if self.calls % 2:
            raise DatabaseUnavailable("away")
        return answer


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_database_that_comes_and_goes_loses_no_item(monkeypatch: pytest.MonkeyPatch, after: bool) -> None:
    feed = feed_of(items_to(50), monkeypatch)
    for name in ("publish", "take_own"):
        monkeypatch.setattr(wide.parts, name, Broken(getattr(wide.parts, name), after))
    assert sorted(item.position for item in feed if item is not None) == list(range(1, 51))


def test_what_was_read_before_a_broken_line_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    def source() -> Iterator[WorkItem]:
        yield from items_to(20)
        raise BadInput("Line 21 cannot be read.")

    seen: list[int] = []
    with pytest.raises(BadInput, match="Line 21"):
        seen.extend(item.position for item in feed_of(source(), monkeypatch) if item is not None)
    assert seen == list(range(1, 21))


def items_to(last: int) -> Iterator[WorkItem]:
    return (WorkItem(place, str(place), place, None) for place in range(1, last + 1))


def feed_of(source: Iterator[WorkItem], monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkItem | None]:
    """What the leader of a new job hands out: parts of a few items from the first one on."""
    monkeypatch.setattr(wide, "ALONE_SECONDS", 0.0)
    monkeypatch.setattr(wide, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(wide, "MOST_ITEMS", 3)
    with postgres.session() as session:
        new = Job(kind="wide_nap", params={}, owner="local", queue="none", time_limit=60)
        claim = ledger.claim(session.connection(), ledger.create(session.connection(), new).id, "leader")
    assert claim is not None
    return iter(wide.LeaderFeed(source, lambda items: items, claim, "none"))

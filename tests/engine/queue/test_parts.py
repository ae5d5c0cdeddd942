"""Parts of a job: who may take one, and what frees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Connection, text

from jobs.engine.db import postgres
from jobs.engine.db.models import Job
from jobs.engine.errors import LeaseLost
from jobs.engine.queue import capacity, ledger
from jobs.engine.queue.ledger import Batch, Claim, Outcome, PartRange, parts

New = Callable[..., Claim]
KINDS, QUEUES = ["wide_nap"], ["cpu"]


@pytest.fixture
def new(environment: object, db: Connection) -> New:
    """A running job with parts of ten items."""

    def make(many: int = 3, **fields: object) -> Claim:
        given = {"kind": "wide_nap", "params": {}, "owner": "ada", "queue": "cpu", "time_limit": 60} | fields
        with postgres.session() as session:
            job = ledger.create(session.connection(), Job(**given))
        claim = ledger.claim(db, job.id, "leader")
        assert claim is not None
        parts.publish(
            db,
            claim.job_id,
            claim.lease,
            [PartRange(n, n + 9, str(n), str(n + 9)) for n in range(1, 10 * many, 10)],
        )
        return claim

    return make


@pytest.fixture
def db(environment: object) -> Iterator[Connection]:
    with postgres.engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield connection


def help_out(db: Connection, worker: str = "w", queues: list[str] = QUEUES) -> Claim | None:
    return ledger.help_out(db, KINDS, queues, worker)


def helping(db: Connection, worker: str = "w") -> tuple[Claim, ledger.Help]:
    claim = help_out(db, worker)
    assert claim is not None
    assert claim.help is not None
    return claim, claim.help


def standing(db: Connection, claim: Claim) -> list[tuple[int, str, int | None]]:
    return [tuple(one) for one in parts.look(db, claim.job_id, claim.lease, range(1, 100))]


def record(db: Connection, claim: Claim, *places: int, state: str = "done") -> None:
    batch = Batch([Outcome(str(place), place, state) for place in places])
    ledger.record(db, claim.job_id, claim.lease, batch, claim.help.helper if claim.help else None)


def counts(db: Connection, claim: Claim) -> tuple[int, ...]:
    return tuple(db.execute(text("select done, failed, unknown from jobs where id = :id"), {"id": claim.job_id}).one())


def test_leader_and_helpers_take_each_part_once(db: Connection, new: New) -> None:
    job = new(3)
    claim, given = helping(db)
    assert (claim.job_id, claim.lease, given.part.first, given.part.last) == (job.job_id, job.lease, 1, 10)
    assert parts.take_own(db, job.job_id, job.lease) == (11, False)
    assert parts.next_part(db, given, 10) == PartRange(21, 30, "21", "30")
    assert parts.next_part(db, given, 30) is None
    assert help_out(db, "another") is None
    assert parts.take_own(db, job.job_id, job.lease, [11]) is None
    parts.finish_part(db, given.helper, 1)
    assert standing(db, job) == [(1, "done", given.helper), (11, "done", None), (21, "taken", given.helper)]


def test_a_part_is_not_taken_while_a_job_waits(db: Connection, new: New) -> None:
    new(3)
    _, given = helping(db)
    with postgres.session() as session:
        due = ledger.create(session.connection(), Job(kind="nap", params={}, owner="bob", queue="cpu", time_limit=60))
    db.execute(text("update jobs set delivered_at = now() where id = :id"), {"id": due.id})
    assert help_out(db, "another") is None
    assert parts.next_part(db, given, 10) is None
    ledger.claim(db, due.id, "w")
    assert parts.next_part(db, given, 10) is not None


@pytest.mark.parametrize(
    "change",
    [
        "update jobs set state = 'stopping', cancel_requested_at = now()",
        "update jobs set lease = lease + 1",
        "insert into paused_queues (queue, paused_by) values ('cpu', 'ada')",
        "insert into workers (name, host, pid, queues, asked) values ('w', '', 1, '{cpu}', 'finish')",
    ],
)
def test_a_helper_ends_after_its_part(db: Connection, new: New, change: str) -> None:
    new(3)
    _, given = helping(db)
    db.execute(text(change))
    assert parts.next_part(db, given, 10) is None


def test_helpers_are_shared_among_owners(db: Connection, new: New) -> None:
    ada = new(9, owner="ada")
    taken = [helping(db, f"w{n}")[1] for n in range(4)]
    bob = new(9, owner="bob")
    assert helping(db, "w4")[0].job_id == bob.job_id, "his job has none yet"
    assert parts.next_part(db, taken[0], 10) is None, "four against one: one of hers goes over"
    parts.end_helper(db, taken[0].helper, "done")
    assert helping(db, "w0")[0].job_id == bob.job_id
    assert parts.next_part(db, taken[1], 20) is not None, "three against two: she keeps hers"
    assert helping(db, "w5")[0].job_id == bob.job_id
    assert {owner for (owner,) in db.execute(text("select owner from jobs"))} == {"ada", "bob"}
    assert ada.job_id != bob.job_id


def test_what_a_helper_records_counts(db: Connection, new: New) -> None:
    job = new(2)
    claim, _ = helping(db)
    record(db, claim, 1, 2)
    record(db, claim, 3, state="failed")
    record(db, job, 11)
    assert counts(db, job) == (3, 1, 0)
    finished = db.execute(text("select finished from helpers")).scalar_one()
    assert finished == 3


def test_a_lost_helper_gives_its_parts_back(db: Connection, new: New) -> None:
    """And writes nothing any more. Of what it had started nobody knows whether it happened."""
    job = new(2)
    claim, given = helping(db)
    record(db, claim, 1)
    record(db, claim, 2, state="started")
    record(db, job, 15, state="started")
    db.execute(text("update helpers set lease_until = now() - interval '1 s'"))
    assert ledger.recover_helpers(db) == [job.job_id]
    assert "a helping worker was lost" in db.execute(text("select text from job_log")).scalar_one()
    assert standing(db, job) == [(1, "free", None), (11, "free", None)]
    assert counts(db, job) == (1, 0, 1), "the leader's own item is at work"
    with pytest.raises(LeaseLost):
        record(db, claim, 3)
    assert parts.beat(db, given.helper) is None
    again, _ = helping(db, "another")
    assert again.help is not None
    assert again.help.part.first == 1


def test_a_part_that_comes_back_twice_is_left_to_the_leader(db: Connection, new: New) -> None:
    job = new(1)
    for _ in range(parts.MOST_RETURNED):
        parts.end_helper(db, helping(db)[1].helper, "shutdown")
    assert help_out(db) is None
    assert parts.take_own(db, job.job_id, job.lease) == (1, True)


def test_after_failures_nobody_helps(db: Connection, new: New) -> None:
    new(9)
    for _ in range(parts.MOST_FAILED):
        parts.end_helper(db, helping(db)[1].helper, "failed")
    assert help_out(db) is None


def test_helpers_go_on_while_their_leader_is_lost(db: Connection, new: New) -> None:
    job = new(3)
    claim, given = helping(db)
    record(db, claim, 1, state="started")
    record(db, job, 11, state="started")
    ledger.give_up(db, job.job_id, job.lease)
    assert counts(db, job) == (0, 0, 1), "only what the leader had started is unknown"
    assert parts.beat(db, given.helper) is not None
    record(db, claim, 1)
    assert ledger.living_helpers(db, job.job_id) == 1
    assert parts.next_part(db, given, 10) is None, "the next leader cuts parts of its own"
    again = ledger.claim(db, job.job_id, "leader")
    assert again is not None
    record(db, claim, 2)
    assert counts(db, job) == (2, 0, 1)


def test_a_settled_job_takes_nothing_from_its_helpers(db: Connection, new: New) -> None:
    job = new(2)
    claim, _ = helping(db)
    ledger.end_helpers_of(db, job.job_id)
    ledger.settle(db, job.job_id, job.lease, "cancelled")
    with pytest.raises(LeaseLost):
        record(db, claim, 1)
    assert counts(db, job) == (0, 0, 0)


def test_free_parts_need_workers(db: Connection, new: New) -> None:
    new(12)
    helping(db)
    with postgres.session() as session:
        loads = capacity.loads(session, ["cpu"])
    assert [(one.waiting, one.running) for one in loads] == [(0, 1), (11, 1)]
    assert capacity.needed(loads).workers == 4

"""The ledger: one function an arrow, and the fence on each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from sqlalchemy import Connection, text

from jobs.engine.billing import Bill, CallUsage
from jobs.engine.db import postgres
from jobs.engine.db.models import Job
from jobs.engine.errors import LeaseLost, LegworkError
from jobs.engine.queue import ledger
from jobs.engine.queue.ledger import Batch, Claim, Outcome

New = Callable[..., Job]


@pytest.fixture
def new(environment: object) -> New:
    def make(**fields: object) -> Job:
        fields = {"kind": "nap", "params": {}, "owner": "local", "queue": "cpu", "time_limit": 60} | fields
        with postgres.session() as session:
            return ledger.create(session.connection(), Job(**fields))

    return make


@pytest.fixture
def db(environment: object) -> Iterator[Connection]:
    with postgres.engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield connection


def row(db: Connection, job: Job) -> dict[str, object]:
    return dict(db.execute(text("select * from jobs where id = :id"), {"id": job.id}).mappings().one())


def take(db: Connection, job: Job, worker: str = "w") -> Claim:
    claim = ledger.claim(db, job.id, worker)
    assert claim is not None
    return claim


def silence(db: Connection, job: Job) -> None:
    db.execute(text("update jobs set lease_until = now() - interval '1 s' where id = :id"), {"id": job.id})


def done(number: int, state: str = "done", **more: object) -> Outcome:
    return Outcome(str(number), number, state, output={"n": number}, **more)


def test_a_claim_takes_a_queued_job_once(db: Connection, new: New) -> None:
    job = new()
    claim = take(db, job, "first")
    assert (claim.lease, claim.attempt, claim.resumed) == (1, 1, False)
    assert ledger.claim(db, job.id, "second") is None
    assert row(db, job)["worker"] == "first"


def test_of_many_workers_one_gets_the_job(db: Connection, new: New) -> None:
    job = new()

    def try_to(number: int) -> Claim | None:
        with postgres.engine().begin() as connection:
            return ledger.claim(connection, job.id, f"w{number}")

    with ThreadPoolExecutor(16) as pool:
        claims = [claim for claim in pool.map(try_to, range(16)) if claim]
    assert len(claims) == 1
    assert row(db, job)["lease"] == 1


def test_a_job_for_later_is_not_claimed_before_its_time(db: Connection, new: New) -> None:
    job = new()
    db.execute(text("update jobs set run_at = now() + interval '1 hour'"))
    assert ledger.claim(db, job.id, "w") is None
    db.execute(text("update jobs set run_at = now() - interval '1 second'"))
    assert ledger.claim(db, job.id, "w") is not None


def test_a_beat_holds_the_job_and_brings_a_stop_back(db: Connection, new: New) -> None:
    job = new()
    claim = take(db, job)
    beat = ledger.beat(db, job.id, claim.lease)
    assert beat is not None
    assert beat.stop_asked_seconds is None
    ledger.ask_stop(db, job.id)
    beat = ledger.beat(db, job.id, claim.lease)
    assert beat is not None
    assert beat.stop_asked_seconds is not None
    assert ledger.beat(db, job.id, claim.lease + 1) is None


def test_a_batch_writes_items_log_counts_and_tokens_at_once(db: Connection, new: New) -> None:
    job = new()
    claim = take(db, job)
    outcomes = [done(1), done(2, "failed"), done(3, "skipped"), done(4)]
    outcomes[0].charge(Bill(CallUsage(5, 7, cached=2, reasoning=3), Decimal("0.0000123")))
    batch = Batch(outcomes, [("info", "hello")], {"total": 9, "note": "n"})
    ledger.record(db, job.id, claim.lease, batch)
    found = row(db, job)
    assert [found[name] for name in ("done", "failed", "skipped", "unknown", "total")] == [2, 1, 1, 0, 9]
    assert (found["prompt_tokens"], found["completion_tokens"], found["note"]) == (5, 7, "n")
    assert (found["cached_tokens"], found["reasoning_tokens"], found["cost"]) == (2, 3, Decimal("0.0000123"))
    assert db.execute(text("select count(*) from items")).scalar() == 4
    assert db.execute(text("select level, text from job_log")).one() == ("info", "hello")


def test_an_item_counts_once_however_often_it_is_written(db: Connection, new: New) -> None:
    job = new()
    claim = take(db, job)
    ledger.record(db, job.id, claim.lease, Batch([done(1)]))
    ledger.record(db, job.id, claim.lease, Batch([done(1, "failed"), done(2)]))
    assert (row(db, job)["done"], row(db, job)["failed"]) == (2, 0)


def test_another_lease_can_write_nothing(db: Connection, new: New) -> None:
    job = new()
    old = take(db, job)
    silence(db, job)
    assert ledger.recover_expired(db) == [job.id]
    take(db, job, "other")
    before = row(db, job)
    with pytest.raises(LeaseLost):
        ledger.record(db, job.id, old.lease, Batch([done(1)], [("info", "late")], {"total": 3}))
    with pytest.raises(LeaseLost):
        ledger.settle(db, job.id, old.lease, "succeeded")
    with pytest.raises(LeaseLost):
        ledger.lock(db, job.id, old.lease)
    assert ledger.release(db, job.id, old.lease) is None
    assert ledger.give_up(db, job.id, old.lease) is None
    assert ledger.postpone(db, job.id, old.lease, 1, "r", "m", None) is False
    assert row(db, job) == before
    assert db.execute(text("select count(*) from items")).scalar() == 0
    assert db.execute(text("select count(*) from job_log where text = 'late'")).scalar() == 0


@pytest.mark.parametrize("state", ["succeeded", "partial", "failed", "cancelled"])
def test_settling_ends_the_job_and_its_attempt(db: Connection, new: New, state: str) -> None:
    job = new()
    claim = take(db, job)
    assert ledger.settle(db, job.id, claim.lease, state, reason="r", message="m", result={"a": 1}) == state
    found = row(db, job)
    assert (found["state"], found["result"], found["lease_until"]) == (state, {"a": 1}, None)
    assert found["finished_at"] is not None
    how = db.execute(text("select how from attempts where ended_at is not null")).scalar_one()
    assert how == {"cancelled": "stopped"}.get(state, state)


def test_a_job_that_was_asked_to_stop_never_succeeds(db: Connection, new: New) -> None:
    job = new()
    claim = take(db, job)
    assert ledger.ask_stop(db, job.id) == "stopping"
    assert ledger.settle(db, job.id, claim.lease, "succeeded") == "cancelled"
    found = row(db, job)
    assert found["cancel_requested_at"] <= found["finished_at"]  # type: ignore[operator]


def test_the_total_of_a_whole_run_is_what_it_finished(db: Connection, new: New) -> None:
    job = new()
    claim = take(db, job)
    ledger.record(db, job.id, claim.lease, Batch([done(1), done(2)], progress={"total": 5}))
    ledger.settle(db, job.id, claim.lease, "succeeded", whole=True)
    assert row(db, job)["total"] == 2


def test_a_result_over_the_limit_is_refused(db: Connection, new: New) -> None:
    job = new()
    claim = take(db, job)
    with pytest.raises(LegworkError, match="over 1 MB"):
        ledger.settle(db, job.id, claim.lease, "succeeded", result={"text": "x" * 1_000_001})


def test_what_postgres_cannot_keep_is_made_to_fit(db: Connection, new: New) -> None:
    job = new()
    claim = take(db, job)
    output = {"nan": float("nan"), "nul": "a\x00b", "half": "\ud800", "deep": [float("inf")]}
    ledger.record(db, job.id, claim.lease, Batch([Outcome("1", 1, "done", output=output)], [("info", "a\x00\ud800")]))
    kept = db.execute(text("select output from items")).scalar_one()
    assert kept["nan"] is None
    assert kept["nul"] == "ab"
    assert kept["deep"] == [None]
    assert "\ud800" not in kept["half"]


def test_a_shutdown_does_not_count_the_attempt(db: Connection, new: New) -> None:
    job = new()
    claim = take(db, job)
    assert ledger.release(db, job.id, claim.lease) == "cpu"
    assert (row(db, job)["state"], row(db, job)["attempt"]) == ("queued", 0)
    again = take(db, job)
    assert (again.attempt, again.lease, again.resumed) == (1, 2, True)


def test_a_worker_lost_without_progress_three_times_fails_the_job(db: Connection, new: New) -> None:
    job = new(max_attempts=3)
    for state in ("queued", "queued", "failed"):
        claim = take(db, job)
        assert ledger.give_up(db, job.id, claim.lease) == state
    found = row(db, job)
    assert (found["reason"], found["attempt"]) == ("worker_lost", 3)
    assert "3 times" in str(found["message"])


def test_a_worker_lost_after_progress_is_not_held_against_the_job(db: Connection, new: New) -> None:
    job = new(max_attempts=1)
    for number in range(5):
        claim = take(db, job)
        ledger.record(db, job.id, claim.lease, Batch([done(number)]))
        assert ledger.give_up(db, job.id, claim.lease) == "queued"
    assert row(db, job)["done"] == 5


@pytest.mark.parametrize(("limit", "unsure"), [(1, "0.6"), (None, "1.3"), ("a word", "1.3"), (5.5, "1.3")])
def test_what_is_in_doubt_after_a_loss_stays_within_the_limit(
    db: Connection, new: New, limit: object, unsure: str
) -> None:
    """A call that has ended gives its room away before it is recorded: two are reserved, of which one fits."""
    job = new(params={"cost_limit": limit})
    claim = take(db, job)
    ended = done(1)
    ended.charge(Bill(CallUsage(4), Decimal("0.4")))
    ledger.record(db, job.id, claim.lease, Batch([ended]))
    for dollars in ("0.6", "0.7"):
        assert ledger.hold(db, claim, Decimal(dollars))
    ledger.give_up(db, job.id, claim.lease)
    found = row(db, job)
    assert (found["cost"], found["cost_unsure"], found["cost_held"]) == (Decimal("0.4"), Decimal(unsure), 0)


def test_a_step_that_ended_is_progress_too(db: Connection, new: New) -> None:
    """A step that an earlier attempt ended is not: the job that dies after it dies each time."""
    job = new(max_attempts=2)
    for number, state in enumerate(("queued", "queued", "failed")):
        claim = take(db, job)
        if number == 0:
            ledger.start_step(db, job.id, claim.lease, "one")
            ledger.end_step(db, job.id, claim.lease, "one", 1)
        assert ledger.give_up(db, job.id, claim.lease) == state


def test_only_losses_in_a_row_are_counted(db: Connection, new: New) -> None:
    job = new(max_attempts=3)
    for number, state in enumerate(("queued", "queued", "queued", "queued", "queued", "failed")):
        claim = take(db, job)
        if number == 2:
            ledger.record(db, job.id, claim.lease, Batch([done(number)]))
        assert ledger.give_up(db, job.id, claim.lease) == state


def test_a_worker_that_falls_silent_counts_half(db: Connection, new: New) -> None:
    job = new(max_attempts=3)
    for state in (*["queued"] * 5, "failed"):
        take(db, job)
        silence(db, job)
        ledger.recover_expired(db)
        assert row(db, job)["state"] == state


def test_a_worker_that_was_seen_to_die_counts_half(db: Connection, new: New) -> None:
    job = new(max_attempts=3)
    for number, state in enumerate((*["queued"] * 5, "failed")):
        assert ledger.claim(db, job.id, f"dead-{number}")
        assert ledger.recover_dead(db, [f"dead-{number}"]) == [job.id]
        assert row(db, job)["state"] == state


def test_only_the_jobs_of_the_dead_are_freed(db: Connection, new: New) -> None:
    theirs, others = new(), new()
    for job, worker in ((theirs, "dead-1"), (others, "alive-1")):
        assert ledger.claim(db, job.id, worker)
    assert ledger.recover_dead(db, ["dead-1", "dead-2"]) == [theirs.id]
    assert (row(db, theirs)["state"], row(db, theirs)["reason"]) == ("queued", "worker_lost")
    assert row(db, others)["state"] == "running"


def test_only_silent_jobs_are_freed(db: Connection, new: New) -> None:
    silent, well = new(), new()
    take(db, silent)
    take(db, well)
    silence(db, silent)
    assert ledger.recover_expired(db) == [silent.id]
    assert row(db, silent)["state"] == "queued"
    assert row(db, well)["state"] == "running"
    assert db.execute(text("select how from attempts where job_id = :id"), {"id": silent.id}).scalar() == "lost"


def test_a_stopping_job_whose_worker_dies_is_stopped(db: Connection, new: New) -> None:
    job = new()
    take(db, job)
    ledger.ask_stop(db, job.id)
    silence(db, job)
    ledger.recover_expired(db)
    assert (row(db, job)["state"], row(db, job)["reason"]) == ("cancelled", "stopped")


def test_a_started_item_is_unknown_to_a_later_attempt(db: Connection, new: New) -> None:
    job = new()
    claim = take(db, job)
    ledger.record(db, job.id, claim.lease, Batch([Outcome("a@b", 1, "started"), Outcome("c@d", 2, "started")]))
    ledger.record(db, job.id, claim.lease, Batch([done(1)]))
    ledger.record(db, job.id, claim.lease, Batch([Outcome("a@b", 1, "done")]))
    assert row(db, job)["done"] == 2
    ledger.give_up(db, job.id, claim.lease)
    take(db, job)
    assert row(db, job)["unknown"] == 1
    kept = db.execute(text("select state, error from items where key = 'c@d'")).one()
    assert kept.state == "unknown"
    assert "not repeated" in kept.error


def test_a_queued_job_is_stopped_at_once(db: Connection, new: New) -> None:
    job = new()
    assert ledger.ask_stop(db, job.id) == "cancelled"
    assert ledger.claim(db, job.id, "w") is None
    assert ledger.ask_stop(db, job.id) is None


def test_postponing_waits_and_ends_with_the_attempts(db: Connection, new: New) -> None:
    job = new(max_attempts=2)
    claim = take(db, job)
    assert ledger.postpone(db, job.id, claim.lease, 30, "rate_limit", "slow down", None)
    assert ledger.claim(db, job.id, "w") is None
    db.execute(text("update jobs set run_at = now()"))
    claim = take(db, job)
    assert claim.attempt == 2
    assert not ledger.postpone(db, job.id, claim.lease, 30, "rate_limit", "slow down", None)


def test_retrying_failed_items_keeps_the_others(db: Connection, new: New) -> None:
    job = new()
    claim = take(db, job)
    outcomes = [done(1), done(2, "failed"), done(3, "skipped"), done(4, "unknown")]
    ledger.record(db, job.id, claim.lease, Batch(outcomes, progress={"total": 4}))
    assert not ledger.retry(db, job.id, everything=False)
    ledger.settle(db, job.id, claim.lease, "partial")
    assert ledger.retry(db, job.id, everything=False)
    found = row(db, job)
    assert [found[name] for name in ("done", "failed", "skipped", "unknown", "total")] == [1, 0, 1, 1, 4]
    assert found["state"] == "queued"
    assert db.execute(text("select array_agg(key order by key) from items")).scalar() == ["1", "3", "4"]


def test_what_may_have_happened_is_repeated_alone(db: Connection, new: New) -> None:
    job = new()
    claim = take(db, job)
    outcomes = [done(1), done(2, "failed"), done(3, "unknown")]
    ledger.record(db, job.id, claim.lease, Batch(outcomes, progress={"total": 4}))
    ledger.settle(db, job.id, claim.lease, "partial")
    assert ledger.retry(db, job.id, everything=False, failed=False, doubtful=True)
    found = row(db, job)
    assert [found[name] for name in ("done", "failed", "skipped", "unknown", "total")] == [1, 1, 0, 0, 4]
    assert db.execute(text("select array_agg(key order by key) from items")).scalar() == ["1", "2"]


def test_retrying_everything_forgets_all_items(db: Connection, new: New) -> None:
    job = new()
    claim = take(db, job)
    ledger.record(db, job.id, claim.lease, Batch([done(1)], progress={"total": 1}))
    ledger.settle(db, job.id, claim.lease, "succeeded", result={})
    assert ledger.retry(db, job.id, everything=True)
    assert (row(db, job)["done"], row(db, job)["total"], row(db, job)["result"]) == (0, None, None)
    assert db.execute(text("select count(*) from items")).scalar() == 0


def test_deleting_leaves_nothing_behind(db: Connection, new: New) -> None:
    job = new()
    claim = take(db, job)
    ledger.record(db, job.id, claim.lease, Batch([done(1)], [("info", "x")]))
    ledger.settle(db, job.id, claim.lease, "succeeded")
    ledger.delete(db, job.id)
    for table in ("jobs", "items", "job_log", "attempts", "steps"):
        assert db.execute(text(f"select count(*) from {table}")).scalar() == 0

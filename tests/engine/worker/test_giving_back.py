"""Every way in which a job comes back to the queue: none begins for ever, and only a shutdown is not counted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest

from jobs.engine.db import postgres
from jobs.engine.db.models import Job
from jobs.engine.errors import (
    ApprovalNeeded,
    ApprovalQuestion,
    FileMissing,
    KindUnavailable,
    NotFound,
    ProviderWait,
    RunEnded,
    ShuttingDown,
    Transient,
)
from jobs.engine.files.storage import missing_blob
from jobs.engine.kinds import catalogue
from jobs.engine.queue import approvals, commands, ledger, queries
from jobs.engine.worker.lease import Lease
from jobs.engine.worker.run import GIVEN_BACK, Run

OWNER, TIMES = "local", 20
Cause = Callable[[ledger.Claim], None]


@pytest.fixture
def job(environment: Callable[..., None]) -> Job:
    environment(EXTRA_KINDS="tests.sample_kinds")
    return commands.submit("nap", {"naps": 0}, owner=OWNER)  # type: ignore[return-value]


def claimed(job_id: UUID) -> ledger.Claim | None:
    """The claim of the next attempt, at once, whenever it is due."""
    with postgres.autocommit() as connection:
        postgres.execute(connection, "update jobs set run_at = null where id = %(id)s", {"id": job_id})
        return ledger.claim(connection, job_id, "worker-1")


def raising(error: BaseException) -> Cause:
    """The kind raises this."""

    def cause(claim: ledger.Claim) -> None:
        run = Run(claim)
        run._call = lambda: (_ for _ in ()).throw(error)  # type: ignore[method-assign]
        run.work()
        if run.settle() == GIVEN_BACK:
            given_up(claim)

    return cause


def unknown_kind(claim: ledger.Claim) -> None:
    run = Run(claim)
    run.claim = ledger.Claim(**{**vars(claim), "kind": "unheard_of"})
    run.work()
    run.settle()


def approval_that_was_answered(claim: ledger.Claim) -> None:
    question = ApprovalQuestion("call-1", "send_mail", {})
    with postgres.session() as session:
        open_ = [one for one in approvals.approvals_of(queries.job(claim.job_id, OWNER)) if one.approved is None]  # type: ignore[arg-type]
        if not open_:
            postgres.execute(session.connection(), _ANSWERED, {"job": claim.job_id})
    raising(ApprovalNeeded([question], 1))(claim)


_ANSWERED = """
    insert into approvals (id, job_id, call, tool, arguments, expires_at, decided_at, approved)
    values (gen_random_uuid(), %(job)s, 'call-1', 'send_mail', '{}', now() + interval '1 h', now(), true)
    on conflict do nothing
"""


def given_up(claim: ledger.Claim) -> None:
    lease = Lease(claim, lambda: None)
    lease.given = True
    lease.close(leaving=False)


def never_given(claim: ledger.Claim) -> None:
    Lease(claim, lambda: None).close(leaving=False)


def silent(claim: ledger.Claim) -> None:
    with postgres.autocommit() as connection:
        postgres.execute(connection, "update jobs set lease_until = now() - interval '1 s'")
        ledger.recover_expired(connection)


def seen_dead(_: ledger.Claim) -> None:
    with postgres.autocommit() as connection:
        ledger.recover_dead(connection, ["worker-1"])


CAUSES: dict[str, Cause] = {
    "its file has no bytes": raising(missing_blob()),
    "a record is gone": raising(NotFound()),
    "what it needs is not there": raising(KindUnavailable("No model is connected.")),
    "its kind is not known": unknown_kind,
    "a passing error": raising(Transient("The service is busy.")),
    "SIGTERM to its process alone": raising(ShuttingDown()),
    "its process died": given_up,
    "no process could be started": never_given,
    "its lease ran out": silent,
    "its worker died": seen_dead,
    "it asks what was answered": approval_that_was_answered,
}


@pytest.mark.parametrize("name", CAUSES)
def test_no_cause_lets_a_job_begin_for_ever(name: str, job: Job) -> None:
    begun = 0
    while begun < TIMES and (claim := claimed(job.id)):
        begun += 1
        CAUSES[name](claim)
    ended = queries.job(job.id, OWNER)
    assert ended.state == "failed"
    assert begun <= 2 * ended.max_attempts  # twice: a worker dies of other things than of this job
    assert ended.message
    assert ended.message.endswith(".")
    assert len(queries.attempts(ended)) == begun


def test_a_shutdown_is_not_counted(job: Job) -> None:
    def at_its_grace(lease: Lease) -> None:
        lease.given, lease.killed = True, "shutdown"

    def by_its_child(lease: Lease) -> None:
        lease.given = lease.given_back = True

    for number in range(TIMES):
        claim = claimed(job.id)
        assert claim
        lease = Lease(claim, lambda: None)
        (at_its_grace, by_its_child, lambda _: None)[number % 3](lease)
        lease.close(leaving=True)
    left = queries.job(job.id, OWNER)
    assert (left.state, left.attempt, left.reason) == ("queued", 0, "shutdown")


def test_one_that_waits_for_a_provider_does_not_begin_at_once_again(job: Job) -> None:
    claim = claimed(job.id)
    assert claim
    raising(ProviderWait(1))(claim)
    waiting = queries.job(job.id, OWNER)
    assert (waiting.state, waiting.reason) == ("queued", "provider")
    assert waiting.run_at and waiting.run_at > waiting.created_at + timedelta(minutes=30)


def test_every_end_from_outside_is_tried() -> None:
    """A new way to end a run has to be added above, or to end the job. PartsOver ends a helper, which holds no job."""
    known = {
        "ApprovalNeeded",
        "LeaseLost",
        "PartsOver",
        "ProviderWait",
        "ShuttingDown",
        "StopRequested",
        "TimeLimitReached",
    }
    assert {one.__name__ for one in RunEnded.__subclasses__()} == known
    assert issubclass(FileMissing, NotFound)
    assert catalogue.unavailable_reason("unheard_of")

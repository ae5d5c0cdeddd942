"""Jobs in every state for the pages to show, made by the engine's own writer."""

from __future__ import annotations

from typing import Any

from jobs.engine.db import postgres
from jobs.engine.db.models import Job
from jobs.engine.kinds import catalogue
from jobs.engine.queue import commands, ledger, queries
from jobs.engine.queue.ledger import Batch, Claim, Outcome
from webapp.http.guards import LOCAL_OWNER


def waiting(kind: str = "nap", sample: int | None = None, **params: Any) -> Job:
    return commands.submit(kind, params, owner=LOCAL_OWNER, sample=sample)


def running(job: Job, total: int | None = None, **written: Any) -> tuple[Job, Claim]:
    """The job as a worker has it, with `outcomes`, `lines`, tokens as in a Batch."""
    with postgres.session() as session:
        claim = ledger.claim(session.connection(), job.id, "box-1")
        assert claim is not None
        batch = Batch(progress={"total": total} if total is not None else {}, **written)
        ledger.record(session.connection(), job.id, claim.lease, batch)
    return again(job), claim


def goes_on(job: Job, claim: Claim, state: str = "", **written: Any) -> None:
    """The worker that has the job writes more, and how it ended if `state` is given."""
    with postgres.session() as session:
        ledger.record(session.connection(), job.id, claim.lease, Batch(**written))
        if state:
            ledger.settle(session.connection(), job.id, claim.lease, state)


def ended(job: Job, state: str = "succeeded", total: int | None = None, **how: Any) -> Job:
    """The job as a worker left it; `how` goes to ledger.settle, what is left of it into its items."""
    written = {name: how.pop(name) for name in ("outcomes", "lines") if name in how}
    job, claim = running(job, total, **written)
    with postgres.session() as session:
        ledger.settle(session.connection(), job.id, claim.lease, state, **how)
    return again(job)


def outcomes(done: int = 0, failed: int = 0, skipped: int = 0, unknown: int = 0, text: str = "A text") -> list[Outcome]:
    states = ["done"] * done + ["failed"] * failed + ["skipped"] * skipped + ["unknown"] * unknown
    return [_outcome(place, state, text) for place, state in enumerate(states, 1)]


def again(job: Job) -> Job:
    return queries.job(job.id, LOCAL_OWNER)


def title(job: Job) -> str:
    return catalogue.kind(job.kind).title


def _outcome(place: int, state: str, text: str) -> Outcome:
    ours = Outcome(key=str(place), position=place, state=state, input={"place": place})
    if state == "done":
        ours.output, ours.tokens, ours.seconds = {"text": f"{text} {place}", "length": 7}, 251, 4.1
    else:
        ours.error = "The model gave no answer." if state == "failed" else "The row is empty."
    return ours

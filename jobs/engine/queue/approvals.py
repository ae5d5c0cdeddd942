"""Approvals: a job asks a person before it goes on.

An attempt that needs an answer ends, and its row waits in the queue: it holds no process, and a kill, a deploy or a week changes
nothing. After the answer, or when the time for it is over, the job runs again and reads the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, func, select, update
from sqlalchemy.dialects.postgresql import insert

from jobs.engine import accounts
from jobs.engine.db import postgres
from jobs.engine.db.job_view import JobView
from jobs.engine.db.models import Approval, Job, new_id
from jobs.engine.db.records import as_id, owned
from jobs.engine.errors import ApprovalNeeded, Conflict, NotFound
from jobs.engine.jsonsafe import clean, clean_text, dumps
from jobs.engine.queue import ledger
from jobs.engine.queue.ledger import Claim

REASON_CHARACTERS = 1_000
SHOWN = 300  # characters of arguments in the log


@dataclass(frozen=True)
class ApprovalAnswer:
    """The answer to an approval. `approved` is None while it is open; expired: nobody answered in time."""

    approved: bool | None
    reason: str
    expired: bool


def ask_approval(connection: Connection, claim: Claim, needed: ApprovalNeeded) -> bool:
    """Store the approvals and let the job wait for the answers.

    False if a stop was requested, or the attempts are used up by asking for what was answered. Raises LeaseLost."""
    ledger.lock(connection, claim.job_id, claim.lease)
    expires = func.now() + timedelta(hours=needed.hours)
    for question in needed.questions:
        row = {"id": new_id(), "job_id": claim.job_id, "call": question.call, "tool": question.tool}
        values = {**row, "arguments": clean(question.arguments), "expires_at": expires}
        asked = insert(Approval).values(values).on_conflict_do_nothing().returning(Approval.id)
        if connection.execute(asked).scalar_one_or_none() is not None:
            line = f"waits for a yes or no to {question.tool} {dumps(question.arguments)[:SHOWN]}"
            ledger.note(connection, claim.job_id, "info", line)
    ends = select(func.min(Approval.expires_at)).where(*_open(claim.job_id))
    until = connection.execute(ends).scalar_one()
    if until is None:  # answered meanwhile, or the kind asks what was answered: at once again, and the attempt counts
        return ledger.postpone(connection, claim.job_id, claim.lease, 0, "answered", needed.message, None)
    return ledger.wait(connection, claim.job_id, claim.lease, until, needed.message)


def answers(job_id: UUID) -> dict[str, ApprovalAnswer]:
    """The answers to the approvals of a job, by call."""
    expired = (Approval.expires_at <= func.now()).label("expired")
    query = select(Approval.call, Approval.approved, Approval.reason, expired).where(Approval.job_id == job_id)
    with postgres.session() as session:
        rows = session.execute(query).all()
    return {
        row.call: ApprovalAnswer(row.approved, row.reason or "", row.expired and row.approved is None) for row in rows
    }


def approvals_of(job: JobView) -> list[Approval]:
    """The approvals of a job, the oldest first."""
    with postgres.reading() as session:
        return list(session.scalars(select(Approval).where(Approval.job_id == job.id).order_by(Approval.id)))


def decide_approval(job_id: str | UUID, approval_id: str | UUID, approved: bool, reason: str, owner: str) -> JobView:
    """Answer an approval; after the last answer the job goes on. An answer is final: the same one again changes nothing.

    Raises NotFound, and Conflict where it is closed: answered otherwise, too old, or its job has ended.
    """
    with postgres.session() as session:
        job = owned(session, Job, job_id, owner, for_update=True)
        asked = session.get(Approval, as_id(approval_id))
        if asked is None or asked.job_id != job.id:
            raise NotFound
        if asked.approved is approved:
            return JobView.of(job)
        connection = session.connection()
        answered = None if job.state != "queued" else _answer(connection, asked.id, approved, reason, owner)
        if answered is None:
            raise Conflict(_closed(asked, job))
        said = f": {answered.reason}" if answered.reason else ""
        ledger.note(
            connection, job.id, "info", f"{answered.tool} {'approved' if approved else 'refused'} by a person{said}"
        )
        action = "approve" if approved else "refuse"
        accounts.record(session, owner, action, job.id, tool=answered.tool, reason=answered.reason or "")
        if connection.execute(select(func.count()).select_from(Approval).where(*_open(job.id))).scalar_one() == 0:
            ledger.resume(connection, job.id)
        session.refresh(job)
        return JobView.of(job)


def _answer(
    connection: Connection, approval_id: UUID, approved: bool, reason: str, owner: str
) -> Row[str, str | None] | None:
    said = clean_text(reason).strip()[:REASON_CHARACTERS] or None
    still = Approval.decided_at.is_(None), Approval.expires_at > func.now()
    decided = update(Approval).where(Approval.id == approval_id, *still)
    decided = decided.values(decided_at=func.now(), approved=approved, reason=said, decided_by=owner)
    return connection.execute(decided.returning(Approval.tool, Approval.reason)).one_or_none()


def _closed(asked: Approval, job: Job) -> str:
    if asked.approved is not None:
        return f"This call was {'approved' if asked.approved else 'refused'} already."
    if job.ended:
        return f"This job has ended ({job.state}); it asks nothing any more."
    return "The time for an answer is over; the job went on without this call."


def _open(job_id: UUID) -> tuple[Any, ...]:
    return Approval.job_id == job_id, Approval.decided_at.is_(None), Approval.expires_at > func.now()

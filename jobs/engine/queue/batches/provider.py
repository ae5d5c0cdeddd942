"""What jobs have with a provider in batches: which were begun, how they stand, and who stops them.

The clock looks at them (`watch`): at first each few seconds, later each few minutes. No worker is held meanwhile.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from jobs.engine.accounts import spending
from jobs.engine.db import postgres
from jobs.engine.db.models import ENDED_STATES, Job, ProviderBatch
from jobs.engine.errors import BudgetSpent, LegworkError
from jobs.engine.llm.budget import ALLOWANCE
from jobs.engine.llm.provider_batches import ProviderAccount, ProviderStatus
from jobs.engine.queue import ledger
from jobs.engine.queue.ledger import Claim

SETTLE_SECONDS = 30.0  # after which a request to create a batch has come, or never will
FIRST_SECONDS, LONGEST_SECONDS = 2.0, 300.0  # between two looks; a twentieth of the time so far
AT_ONCE = 20

log = logging.getLogger("legwork.batches")


def batches_of(job_id: UUID) -> list[ProviderBatch]:
    """Those of the job's present round, in the order of its items."""
    query = select(ProviderBatch).where(ProviderBatch.job_id == job_id, ProviderBatch.state != "over")
    with postgres.session() as session:
        return list(session.scalars(query.order_by(ProviderBatch.number)))


def rounds_over(job_id: UUID) -> int:
    """How many batches belong to what was before a retry."""
    query = select(func.count()).where(ProviderBatch.job_id == job_id, ProviderBatch.state == "over")
    with postgres.session() as session:
        return session.scalar(query) or 0


def labels(batch: ProviderBatch) -> dict[str, str]:
    """The metadata by which the provider's batch is found again."""
    return {"legwork_job": str(batch.job_id), "legwork_batch": str(batch.number)}


def money_left(job_id: UUID, owner: str, limit: Decimal | None) -> Decimal | None:
    """Dollars that further batches of a job may cost, by its own limit and its owner's allowance; None without either."""
    with postgres.session() as session:
        connection = session.connection()
        allowed = [] if (left := spending.left(connection, owner)) is None else [left]
        if limit is not None:
            allowed.append(max(limit - sum(ledger.spent(connection, job_id)), Decimal(0)))
    return min(allowed, default=None)


def intend(
    session: Session,
    claim: Claim,
    first: int,
    last: int,
    requests: int,
    input_file: str,
    endpoint: str,
    most_cost: Decimal = Decimal(0),
) -> ProviderBatch:
    """Record that a batch is about to be created. Raises LeaseLost, and BudgetSpent where the owner's allowance has no room."""
    ledger.lock(session.connection(), claim.job_id, claim.lease)
    number = (
        session.scalar(select(func.max(ProviderBatch.number)).where(ProviderBatch.job_id == claim.job_id)) or 0
    ) + 1
    made = ProviderBatch(
        job_id=claim.job_id,
        number=number,
        state="creating",
        first=first,
        last=last,
        requests=requests,
        input_file=input_file,
        endpoint=endpoint,
        most_cost=most_cost,
        cost_before=select(func.coalesce(Job.cost, 0)).where(Job.id == claim.job_id).scalar_subquery(),
    )
    session.add(made)
    session.flush()
    if most_cost and not spending.has_room(session.connection(), claim.owner):
        raise BudgetSpent(ALLOWANCE)
    session.refresh(made)
    return made


def made(claim: Claim, batch: ProviderBatch, standing: ProviderStatus) -> None:
    """Record the provider's id of a batch. Raises LeaseLost; the next attempt finds the batch then."""
    with postgres.session() as session:
        ledger.lock(session.connection(), claim.job_id, claim.lease)
        _note(session, batch, standing)


def unsettled_seconds(batch: ProviderBatch) -> float:
    """How long it may still take until the provider lists a batch that was asked for."""
    with postgres.session() as session:
        waited = (postgres.now(session) - batch.asked_at).total_seconds()
    return SETTLE_SECONDS - waited


def look_at(account: ProviderAccount, some: list[ProviderBatch]) -> None:
    """Look how these stand at the provider, and record it."""
    for batch in some:
        if batch.state == "created":
            standing = account.look(batch.batch_id or "")
            with postgres.session() as session:
                _note(session, batch, standing)


def _note(session: Session, batch: ProviderBatch, standing: ProviderStatus) -> None:
    waited = (postgres.now(session) - batch.asked_at).total_seconds()
    pause = min(max(waited / 20, FIRST_SECONDS), LONGEST_SECONDS)
    batch.state = "ended" if standing.ended else "created"
    batch.batch_id, batch.status = standing.id, standing.status
    batch.files, batch.trouble = list(standing.files), standing.trouble[:1_000]
    known = {name: getattr(batch, name) for name in ("state", "batch_id", "status", "files", "trouble")}
    where = ProviderBatch.job_id == batch.job_id, ProviderBatch.number == batch.number, ProviderBatch.state != "over"
    session.execute(update(ProviderBatch).where(*where).values(look_at=func.now() + timedelta(seconds=pause), **known))


def look_soon(batch_id: str) -> None:
    """Have the clock look at a batch of which its provider says that it has ended; nothing for one that is not ours."""
    ours = ProviderBatch.batch_id == batch_id, ProviderBatch.state == "created"
    with postgres.session() as session:
        session.execute(update(ProviderBatch).where(*ours).values(look_at=func.now()))


def is_due() -> bool:
    """Whether `watch` has something to do; without a call of the provider."""
    with postgres.session() as session:
        return bool(session.scalar(_DUE))


_DUE = text(f"""
    select exists (
        select from provider_batches join jobs on jobs.id = provider_batches.job_id
        where provider_batches.state in ('creating', 'created') and (
            jobs.state in ('stopping', {", ".join(f"'{state}'" for state in ENDED_STATES)})
            or provider_batches.state = 'created' and jobs.state = 'queued' and look_at <= now()))
""")  # noqa: S608 - names of our own


def watch() -> None:
    """Stop the batches of jobs that were stopped, look at those that are due, and let jobs go on whose batches have ended."""
    with ProviderAccount() as account:
        for batch in _of_stopped():
            _stop(account, batch)
        for batch in _to_look_at():
            try:
                look_at(account, [batch])
            except LegworkError as error:
                log.warning("job %s: %s", batch.job_id, error)
                _later(batch)
    with postgres.session() as session:
        for job_id in session.scalars(_WHOLE):
            ledger.resume(session.connection(), job_id, "provider")


_WHOLE = text("""
    select id from jobs where state = 'queued' and reason = 'provider' and run_at > now()
        and exists (select from provider_batches where job_id = jobs.id and state = 'ended')
        and not exists (select from provider_batches where job_id = jobs.id and state in ('creating', 'created'))
""")


def _of_stopped() -> list[ProviderBatch]:
    query = select(ProviderBatch).join(Job, Job.id == ProviderBatch.job_id)
    query = query.where(ProviderBatch.state.in_(("creating", "created")), Job.state.in_(("stopping", *ENDED_STATES)))
    with postgres.session() as session:
        return list(
            session.scalars(query.order_by(func.random()).limit(AT_ONCE))
        )  # one that cannot be stopped holds up none


def _to_look_at() -> list[ProviderBatch]:
    query = select(ProviderBatch).join(Job, Job.id == ProviderBatch.job_id).where(Job.state == "queued")
    query = query.where(ProviderBatch.state == "created", ProviderBatch.look_at <= func.now())
    with postgres.session() as session:
        return list(session.scalars(query.order_by(ProviderBatch.look_at).limit(AT_ONCE)))


def _stop(account: ProviderAccount, batch: ProviderBatch) -> None:
    """Stop one at the provider; one of which no id is known is looked for, until it can no longer come."""
    try:
        known = batch.batch_id
        if known is None:
            found = account.find(labels(batch), batch.asked_at)
            if found is None and unsettled_seconds(batch) > 0:
                return
            known = found.id if found else None
        if known is not None:
            account.cancel(known)
    except LegworkError as error:
        log.warning("job %s: %s", batch.job_id, error)
        return
    with postgres.session() as session:
        _end(session, batch)
        ledger.doubt(
            session.connection(), batch.job_id, batch.most_cost
        )  # what it has answered is billed, and not read
        ledger.note(session.connection(), batch.job_id, "info", "the batch at the provider was stopped")


def _end(session: Session, batch: ProviderBatch) -> None:
    where = ProviderBatch.job_id == batch.job_id, ProviderBatch.number == batch.number
    session.execute(update(ProviderBatch).where(*where).values(state="over"))


def _later(batch: ProviderBatch) -> None:
    where = ProviderBatch.job_id == batch.job_id, ProviderBatch.number == batch.number
    with postgres.session() as session:
        session.execute(update(ProviderBatch).where(*where).values(look_at=func.now() + timedelta(seconds=10)))

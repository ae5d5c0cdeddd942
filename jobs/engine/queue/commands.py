"""What the web calls: submit, cancel, retry, delete, upload. Commit first, then deliver."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from jobs.engine import accounts
from jobs.engine.db import postgres
from jobs.engine.db.job_view import JobView
from jobs.engine.db.models import Job, ProviderBatch, Schedule
from jobs.engine.db.records import as_id, owned
from jobs.engine.display import shortened
from jobs.engine.errors import BrokerUnavailable, Conflict, DatabaseUnavailable, FieldError, InvalidParams, NotFound
from jobs.engine.files.storage import blob_storage
from jobs.engine.jsonsafe import clean_text, dumps
from jobs.engine.kinds import catalogue, sealing
from jobs.engine.kinds.checks import ValidParams
from jobs.engine.kinds.form_process import validate
from jobs.engine.queue import approvals, delivery, ledger, limits, lists, notifications, schedules
from jobs.engine.queue.notifications import NotificationTarget
from jobs.engine.queue.schedules import SchedulePlan

STOPPABLE = ("scheduled", "waiting", "running")  # of lists.SHOWN_STATES
MOST_STOPPED = 10_000
STOP_BATCH = 500
WITHDRAWN = 200  # jobs whose messages are taken out of their queues; a worker drops the others, since they have ended
MOST_SAMPLE = 1_000
LONGEST_NAME = 200
MOST_AHEAD = timedelta(days=366)

Also = Callable[[Session, UUID], None]  # with the id of the new job


def submit(
    kind_name: str,
    params: dict[str, Any] | ValidParams,
    *,
    owner: str,
    sample: int | None = None,
    run_at: datetime | None = None,
    idempotency_key: str | None = None,
    parent: UUID | None = None,
    schedule_id: UUID | None = None,
    notify: Sequence[NotificationTarget | Mapping[str, str]] = (),
    name: str = "",
    estimated: Mapping[str, Any] | None = None,
    also: Also | None = None,
) -> JobView:
    """Create a job and deliver its message. The job is stored once this returns, whether or not the broker answers.

    params, notify: raw values are validated here; ValidParams (for this owner) and NotificationTargets are not.
    name: what its owner calls it; empty: what the kind does. estimated: what its form said that it would take.
    also: adds rows of its own in the transaction that creates the job.
    The same idempotency_key returns the same job; with another body it raises Conflict.
    Raises NotFound, KindUnavailable, InvalidParams, TooMany (nothing is created then), DatabaseUnavailable.
    """
    fingerprint = _fingerprint(kind_name, params.json if isinstance(params, ValidParams) else params, sample, run_at)
    if idempotency_key and (known := _known(owner, idempotency_key, fingerprint)):
        return known
    valid = params if isinstance(params, ValidParams) else validate(kind_name, params, owner=owner)
    _check_options(sample, run_at)
    if valid.kind.asks_model:
        accounts.check_allowance(owner)
    targets = notifications.checked_notifications(notify)
    shown, sealed = sealing.sealed(valid.kind, valid.json)
    new = Job(
        kind=valid.kind.name,
        label=job_name(name) or valid.label,
        params=shown,
        estimated=dict(estimated) if estimated else None,
        sealed=sealed,
        sample=sample,
        owner=owner,
        queue=valid.kind.queue,
        parent=parent,
        schedule_id=schedule_id,
        idempotency_key=idempotency_key,
        fingerprint=fingerprint if idempotency_key else None,
        max_attempts=valid.kind.max_attempts,
        time_limit=valid.kind.time_limit,
        run_at=run_at,
    )
    try:
        job = _created(new, targets, also)
    except ledger.TooManyWaiting:
        raise limits.too_many_waiting() from None
    except ledger.KeyTaken:  # a request with the same key was first
        known = _known(owner, idempotency_key or "", fingerprint)
        if known is None:
            raise
        return known
    _send(job)
    return job


def _created(job: Job, targets: Sequence[NotificationTarget], also: Also | None) -> JobView:
    """Commit the job's row, with the targets of its notifications and what else belongs to it."""
    how: Any = {"delivered": job.run_at is None, "most": limits.max_waiting_jobs()}
    if not targets and also is None:
        with postgres.autocommit() as connection:
            return ledger.create(connection, job, **how)
    with postgres.session() as session:
        made = ledger.create(session.connection(), job, **how)
        notifications.add(session, made.id, targets)
        if also is not None:
            also(session, made.id)
        return made


def cancel(job_id: str | UUID, *, owner: str) -> JobView:
    """Stop a job: at once if it waits, at its next check if it runs. Raises NotFound, Conflict if it has ended."""
    with postgres.session() as session:
        job = owned(session, Job, job_id, owner)
        asked = ledger.ask_stop(session.connection(), job.id)
        if asked is not None:
            accounts.record(session, owner, "job_stop", job.id, kind=job.kind)
        session.refresh(job)
        view = JobView.of(job)
    if asked is None and job.state not in ("stopping", "cancelled"):
        raise Conflict(f"This job has ended already ({job.state}); there is nothing to stop.")
    if asked == "cancelled":
        delivery.withdraw(view)
    return view


def stop_many(job_ids: Sequence[str | UUID], *, owner: str) -> int:
    """Stop these jobs where they can be stopped: at once if they wait, at their next check if they run. How many were."""
    stopped: list[tuple[UUID, str, str, str]] = []
    wanted = [as_id(one) for one in job_ids]
    for start in range(0, len(wanted), STOP_BATCH):
        some = wanted[start : start + STOP_BATCH]
        with postgres.session() as session:
            found = ledger.ask_stops(session.connection(), some, owner)
            for job_id, _, kind, _ in found:
                accounts.record(session, owner, "job_stop", job_id, kind=kind)
        stopped += found
    for job_id, state, _, queue in stopped[:WITHDRAWN]:
        if state == "cancelled":
            delivery.withdraw_message(queue, job_id)
    return len(stopped)


def stop_matching(
    *,
    owner: str,
    states: Sequence[str] = (),
    kind: str | None = None,
    q: str | None = None,
    since: datetime | None = None,
    by: str | None = None,
) -> int:
    """Stop all jobs that match these filters of `list_jobs`, MOST_STOPPED at most. How many were."""
    wanted = [state for state in states or STOPPABLE if state in STOPPABLE]
    found: list[UUID] = []
    after: str | None = None
    while wanted and len(found) < MOST_STOPPED:
        page = lists.list_jobs(owner, states=wanted, kind=kind, q=q, since=since, by=by, after=after, limit=STOP_BATCH)
        found += [job.id for job in page.rows]
        after = page.next
        if after is None:
            break
    return stop_many(found[:MOST_STOPPED], owner=owner)


def retry(job_id: str | UUID, *, owner: str, items: str = "all") -> JobView:
    """Run an ended job again: `all` from the start, `failed` keeping what is done, `unknown` only what may have happened.

    For a kind with AT_MOST_ONCE, `all` is what failed, what is unknown and what was never started.
    Raises NotFound, Conflict.
    """
    with postgres.session() as session:
        job = owned(session, Job, job_id, owner)
        if items == "failed" and job.ended and job.failed == 0 and not job.pending and job.total is not None:
            raise Conflict("No item of this job has failed; there is nothing to retry.")
        if items == "unknown" and job.ended and job.unknown == 0:
            raise Conflict("No item of this job is unknown; there is nothing to repeat.")
        careful = items == "all" and _at_most_once(job.kind)
        wanted = {
            "everything": items == "all" and not careful,
            "failed": items != "unknown",
            "doubtful": careful or items == "unknown",
        }
        if job.ended and job.sealed is None and has_lost_secret(job):
            raise Conflict(sealing.GONE)
        if not ledger.retry(session.connection(), job.id, **wanted):
            raise Conflict("This job has not ended yet; stop it first.")
        notifications.reopen(session.connection(), job.id)
        session.refresh(job)
        view = JobView.of(job)
    _send(view)
    return view


def retry_rows(job_id: str | UUID, positions: Sequence[int], *, owner: str) -> JobView:
    """Run an ended job again for these rows alone, keeping the others; rows never started are done as well.

    What is done is not repeated for a kind with AT_MOST_ONCE. Raises NotFound, Conflict.
    """
    with postgres.session() as session:
        job = owned(session, Job, job_id, owner, for_update=True)
        if not job.ended:
            raise Conflict("This job has not ended yet; stop it first.")
        if job.sealed is None and has_lost_secret(job):
            raise Conflict(sealing.GONE)
        if not ledger.retry_rows(session.connection(), job.id, positions, keep_done=_at_most_once(job.kind)):
            raise Conflict("None of these rows can be retried: what is done would happen twice.")
        notifications.reopen(session.connection(), job.id)
        session.refresh(job)
        view = JobView.of(job)
    _send(view)
    return view


def has_lost_secret(job: Job | JobView) -> bool:
    """Whether a secret param of this job was deleted, so that only its form can start it again."""
    with suppress(NotFound):
        return bool(sealing.lacking(catalogue.kind(job.kind), job.params))
    return False


def answer_approval(job_id: str, approval_id: str, approved: bool, reason: str, *, owner: str) -> JobView:
    """Answer an approval that a job waits for. Raises NotFound, Conflict if it is closed."""
    job = approvals.decide_approval(job_id, approval_id, approved, reason, owner)
    if job.run_at is None:
        _send(job)
    return job


def _at_most_once(kind_name: str) -> bool:
    with suppress(NotFound):
        return catalogue.kind(kind_name).at_most_once
    return True  # the kind is unknown now


def pin(job_id: str | UUID, pinned: bool, *, owner: str) -> None:
    """Protect a job from deletion until it is unpinned. Raises NotFound."""
    with postgres.session() as session:
        ledger.pin(session.connection(), owned(session, Job, job_id, owner).id, pinned)


def rename(job_id: str | UUID, name: str, *, owner: str) -> JobView:
    """Give a job another name. Raises NotFound, InvalidParams if it is empty."""
    with postgres.session() as session:
        job = owned(session, Job, job_id, owner)
        if not (wanted := job_name(name)):
            raise InvalidParams([FieldError("name", "Write a name.")])
        ledger.rename(session.connection(), job.id, wanted)
        session.refresh(job)
        return JobView.of(job)


def job_name(text: str) -> str:
    """A name as it is stored: in one line, without what cannot be stored, of at most LONGEST_NAME characters."""
    return shortened(" ".join(clean_text(text).split()), LONGEST_NAME)


def delete(job_id: str | UUID, *, owner: str) -> None:
    """Delete an ended job, its items, log and outputs. Uploads stay.

    Raises NotFound, Conflict if it has not ended or is pinned, or has batches at a provider.
    """
    with postgres.session() as session:
        job = owned(session, Job, job_id, owner, for_update=True)
        if not job.ended:
            raise Conflict("This job has not ended yet; stop it first.")
        if job.pinned:
            raise Conflict("This job is pinned; unpin it first.")
        at_provider = ProviderBatch.job_id == job.id, ProviderBatch.state.in_(("creating", "created"))
        if session.scalar(select(exists().where(*at_provider))):  # nobody could stop it there without its row
            raise Conflict("What the provider still does for this job is being stopped. Delete it in a moment.")
        blobs = ledger.delete(session.connection(), job.id)
        accounts.record(session, owner, "job_delete", job.id, kind=job.kind, label=job.label)
    for blob in blobs:
        blob_storage().delete(blob)


def _send(job: JobView) -> None:
    """Deliver a job that is committed. If the broker is away the clock does it later."""
    if job.run_at is not None and job.run_at > job.created_at:  # both are the database's time
        return
    mark = None if job.delivered_at else ledger.mark_delivered
    try:
        delivery.deliver([job])
    except BrokerUnavailable:
        mark = ledger.mark_undelivered if job.delivered_at else None
    if mark is not None:
        with suppress(DatabaseUnavailable), postgres.autocommit() as connection:
            mark(connection, [job.id])  # if that fails, the clock corrects it


def _known(owner: str, key: str, fingerprint: str) -> JobView | None:
    """The job that this owner submitted with this key. Raises Conflict if it was another one."""
    with postgres.reading() as session:
        job = session.scalar(select(Job).where(Job.owner == owner, Job.idempotency_key == key))
    if job is not None and job.fingerprint != fingerprint:
        raise Conflict("This Idempotency-Key was used for another job; take a new one.")
    return JobView.of(job) if job is not None else None


def _fingerprint(kind: str, params: dict[str, Any], sample: int | None, run_at: datetime | None) -> str:
    body = dumps([kind, sorted(sealing.digested(kind, params).items()), sample, run_at.isoformat() if run_at else None])
    return hashlib.sha256(body.encode()).hexdigest()


def _check_options(sample: int | None, run_at: datetime | None) -> None:
    if sample is not None and not 1 <= sample <= MOST_SAMPLE:
        raise InvalidParams([FieldError("sample", f"This must be from 1 to {MOST_SAMPLE:,}.")])
    if run_at is None:
        return
    if run_at.tzinfo is None:
        raise InvalidParams([FieldError("run_at", "Write the time with its zone, as in 2026-11-24T06:00:00Z.")])
    if run_at > datetime.now(UTC) + MOST_AHEAD:
        raise InvalidParams([FieldError("run_at", "This is more than a year ahead.")])


# Schedules.


def create_schedule(plan: SchedulePlan, *, owner: str) -> Schedule:
    """Create a schedule. Raises what validate raises, InvalidParams for the times, TooMany."""
    fit = validate(plan.kind, plan.params, owner=owner)
    shown, sealed = sealing.sealed(fit.kind, fit.json)
    return schedules.create(replace(plan, params=shown, sealed=sealed, label=plan.label or fit.label), owner)


def run_schedule(schedule_id: str | UUID, *, owner: str, key: str) -> JobView:
    """Submit the schedule's job now; the same key gives the same job again."""
    return schedules.run_now(schedule_id, owner=owner, key=key, submit=submit)


def run_due_schedules() -> int:
    """Submit the jobs of all schedules that are due; the clock calls it each second. Raises DatabaseUnavailable."""
    return schedules.run_due(submit)

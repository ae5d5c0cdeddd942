"""Schedules: a kind, its params and a cron expression; each time a schedule is due it makes one job.

How a due time makes exactly one job, however many clocks look and whenever one is killed:
1. The job's idempotency key is `schedule:<id>:<due time>`: submitting it again gives the same job.
2. Only after that job is committed does `next_at` move on, and only if it still is the due time that was submitted.
3. `next_at` moves to the first time after now. What was missed while nothing ran is made up for by one job.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any
from uuid import UUID

from psycopg import IntegrityError
from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from jobs.engine.db import postgres
from jobs.engine.db.job_view import JobView, columns, views
from jobs.engine.db.models import Job, Schedule
from jobs.engine.db.records import Page, as_id, owned
from jobs.engine.errors import LegworkError, TooMany
from jobs.engine.kinds import catalogue, sealing
from jobs.engine.queue import cron as queue_cron

MOST = 200  # schedules of one owner
AT_ONCE = 100

log = logging.getLogger("legwork.schedules")
Submit = Callable[..., JobView]


@dataclass(frozen=True)
class SchedulePlan:
    """What a schedule runs, and when."""

    kind: str
    params: dict[str, Any]
    cron: str
    zone: str
    label: str = ""
    sealed: dict[str, str] | None = None  # secret params, encrypted
    notify: list[dict[str, str]] = field(default_factory=list)


def create(plan: SchedulePlan, owner: str) -> Schedule:
    """Store a plan whose params are valid. Raises InvalidParams for its times, TooMany."""
    cron, zone = queue_cron.checked_cron(plan.cron, plan.zone)
    with postgres.session() as session:
        if (session.scalar(select(func.count()).where(Schedule.owner == owner)) or 0) >= MOST:
            raise TooMany(f"There are {MOST} schedules already. Delete one that is not needed any more.")
        schedule = Schedule(
            owner=owner,
            kind=plan.kind,
            label=plan.label,
            params=plan.params,
            sealed=plan.sealed,
            cron=cron,
            zone=zone,
            notify=plan.notify,
            next_at=queue_cron.next_run(cron, zone, postgres.now(session)),
        )
        session.add(schedule)
        session.flush()
        session.refresh(schedule)
    return schedule


def schedule(schedule_id: str | UUID, owner: str) -> Schedule:
    with postgres.session() as session:
        return owned(session, Schedule, schedule_id, owner)


def list_schedules(owner: str) -> list[Schedule]:
    """All of an owner's, the newest first."""
    with postgres.session() as session:
        return list(session.scalars(select(Schedule).where(Schedule.owner == owner).order_by(Schedule.id.desc())))


def scheduled_jobs(schedule: Schedule, *, after: str | None = None, limit: int = 20) -> Page[JobView]:
    """The jobs that a schedule made, the newest first."""
    query = select(*columns()).where(Job.schedule_id == schedule.id, Job.owner == schedule.owner)
    if after is not None:
        query = query.where(Job.id < as_id(after))
    with postgres.session() as session:
        rows = views(session, query.order_by(Job.id.desc()).limit(limit + 1))
    return Page(rows[:limit], str(rows[limit - 1].id) if len(rows) > limit else None)


def latest_jobs(ids: list[UUID]) -> dict[UUID, JobView]:
    """The last job of each of these schedules."""
    query = select(*columns()).where(Job.schedule_id.in_(ids)).ext(distinct_on(Job.schedule_id))
    with postgres.session() as session:
        found = views(session, query.order_by(Job.schedule_id, Job.id.desc()))
        return {job.schedule_id: job for job in found if job.schedule_id}


def change_schedule(
    schedule_id: str | UUID, *, owner: str, cron: str | None = None, zone: str | None = None, paused: bool | None = None
) -> Schedule:
    """Change the times, pause or resume. Times missed during a pause are not made up for."""
    with postgres.session() as session:
        found = owned(session, Schedule, schedule_id, owner, for_update=True)
        times = queue_cron.checked_cron(
            cron if cron is not None else found.cron, zone if zone is not None else found.zone
        )
        resumed = paused is False and found.paused_at is not None
        if paused is not None:
            found.paused_at = (found.paused_at or postgres.now(session)) if paused else None
        if times != (found.cron, found.zone) or resumed:
            found.cron, found.zone = times
            found.next_at = queue_cron.next_run(*times, postgres.now(session))
            found.trouble = None
    return found


def delete_schedule(schedule_id: str | UUID, *, owner: str) -> None:
    """Delete a schedule; its jobs stay."""
    with postgres.session() as session:
        session.delete(owned(session, Schedule, schedule_id, owner))


def run_now(schedule_id: str | UUID, *, owner: str, key: str, submit: Submit) -> JobView:
    """Submit the schedule's job now, outside its times; the same key gives the same job again."""
    return _job(schedule(schedule_id, owner), f"now:{key}", submit)


def run_due(submit: Submit) -> int:
    """Make the job of every schedule that is due. Returns how many were."""
    with postgres.session() as session:
        found = _due(session)
    for due in found:
        try:
            _move_on(due, _trouble(due, submit))
        except LegworkError as error:  # it may pass: the next tick tries again
            log.warning("schedule %s waits: %s", due.id, error)
    return len(found)


_PAUSE = text("""
    update schedules set paused_at = now(), trouble = 'Its account ' || case when accounts.suspended_at is null
        then 'may only view' else 'was suspended' end || ', so the schedule is paused.'
    from accounts where accounts.owner = schedules.owner and schedules.paused_at is null
        and (accounts.suspended_at is not null or accounts.role = 'viewer')
""")


def _due(session: Session) -> list[Schedule]:
    """The schedules that are due. First those are paused whose account may start nothing."""
    session.execute(_PAUSE)
    query = select(Schedule).where(Schedule.paused_at.is_(None), Schedule.next_at <= func.now())
    return list(session.scalars(query.order_by(Schedule.next_at).limit(AT_ONCE)))


def _trouble(due: Schedule, submit: Submit) -> str | None:
    """Submit; returns why that failed. Raises retryable errors."""
    assert due.next_at is not None
    try:
        _job(due, due.next_at.astimezone(UTC).isoformat(timespec="seconds"), submit)
    except LegworkError as error:
        if error.retryable:
            raise
        return error.message
    except IntegrityError:  # it was deleted meanwhile
        return None
    except Exception as error:  # a kind's own check may raise anything, and the clock must live on
        log.exception("schedule %s", due.id)
        return f"Its kind could not take it: {type(error).__name__}: {error}"[:500]
    return None


def _job(schedule: Schedule, when: str, submit: Submit) -> JobView:
    return submit(
        schedule.kind,
        sealing.opened(catalogue.kind(schedule.kind), schedule.params, schedule.sealed),
        owner=schedule.owner,
        idempotency_key=f"schedule:{schedule.id}:{when}",
        schedule_id=schedule.id,
        notify=schedule.notify,
        name=schedule.label,
    )


def _move_on(due: Schedule, trouble: str | None) -> None:
    still = update(Schedule).where(Schedule.id == due.id, Schedule.next_at == due.next_at)
    with postgres.session() as session:
        following = queue_cron.next_run(due.cron, due.zone, postgres.now(session))
        session.execute(still.values(next_at=following, ran_at=func.now(), trouble=trouble))

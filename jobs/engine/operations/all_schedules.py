"""The schedules of all owners, for operators: list, pause and resume them."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from jobs.engine.accounts import audit
from jobs.engine.db import postgres
from jobs.engine.db.models import Account, Schedule
from jobs.engine.db.records import Page, as_id
from jobs.engine.errors import NotFound
from jobs.engine.queue import schedules

PAGE = 100


def list_all_schedules(after: str | None = None) -> Page[tuple[Schedule, str]]:
    """Each schedule with its owner's name, newest first."""
    query = select(Schedule, Account.name).outerjoin(Account, Account.owner == Schedule.owner)
    if after is not None:
        query = query.where(Schedule.id < as_id(after))
    with postgres.session() as session:
        found = session.execute(query.order_by(Schedule.id.desc()).limit(PAGE + 1)).all()
    rows = [(one, name or one.owner) for one, name in found]
    return Page(rows[:PAGE], str(rows[PAGE - 1][0].id) if len(rows) > PAGE else None)


def pause_any_schedule(schedule_id: str | UUID, paused: bool, *, by: str, address: str | None = None) -> None:
    """Pause or resume any owner's schedule. Raises NotFound."""
    with postgres.session() as session:
        whose = session.scalar(select(Schedule.owner).where(Schedule.id == as_id(schedule_id)))
        if whose is None:
            raise NotFound("There is no such schedule.")
        audit.record(session, by, "schedule_pause" if paused else "schedule_resume", schedule_id, address=address)
    schedules.change_schedule(schedule_id, owner=whose, paused=paused)

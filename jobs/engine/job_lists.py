"""Lists of jobs: filtered, counted, a page at a time by key. Read through queries.py."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, or_, select

from jobs.engine import database
from jobs.engine.models import Job
from jobs.engine.records import Page, as_id, escaped

COUNT_CAP = 10_000
SHOWN_STATES = ("scheduled", "waiting", "running", "stopping", "succeeded", "partial", "failed", "cancelled")


def jobs(
    owner: str,
    *,
    states: Collection[str] = (),
    kind: str | None = None,
    q: str | None = None,
    since: datetime | None = None,
    by: str | None = None,
    after: str | None = None,
    before: str | None = None,
    limit: int = 50,
) -> Page[Job]:
    """The jobs of an owner, the newest first.

    states: of SHOWN_STATES. q: looks in label, note, message and kind. since: submitted then or later. by: "schedule" for
    those that a schedule started, "person" for the others.
    """
    query = _filtered(select(Job), owner, states, kind, q, since, by)
    with database.session() as session:
        if before is not None:
            rows = list(session.scalars(query.where(Job.id > as_id(before)).order_by(Job.id).limit(limit + 1)))
            more, rows = len(rows) > limit, rows[:limit][::-1]
            return Page(rows, str(rows[-1].id) if rows else None, str(rows[0].id) if more else None)
        older = query if after is None else query.where(Job.id < as_id(after))
        rows = list(session.scalars(older.order_by(Job.id.desc()).limit(limit + 1)))
        more, rows = len(rows) > limit, rows[:limit]
        first = str(rows[0].id) if rows and after is not None else None
        return Page(rows, str(rows[-1].id) if more else None, first)


def job_counts(
    owner: str,
    *,
    kind: str | None = None,
    q: str | None = None,
    since: datetime | None = None,
    by: str | None = None,
) -> dict[str, int]:
    """How many jobs are in each of SHOWN_STATES; no count goes beyond COUNT_CAP."""
    wanted = [_filtered(select(Job.id), owner, (state,), kind, q, since, by) for state in SHOWN_STATES]
    capped = [query.limit(COUNT_CAP).subquery() for query in wanted]
    counted = [select(func.count()).select_from(some).scalar_subquery() for some in capped]
    with database.session() as session:
        return dict(zip(SHOWN_STATES, session.execute(select(*counted)).one(), strict=True))


def _filtered(
    query: Select[Any],
    owner: str,
    states: Collection[str],
    kind: str | None,
    q: str | None,
    since: datetime | None,
    by: str | None,
) -> Select[Any]:
    query = query.where(Job.owner == owner)
    if states:
        query = query.where(or_(*(_in_state(state) for state in states)))
    if kind:
        query = query.where(Job.kind == kind)
    if q:
        words = f"%{escaped(q)}%"
        query = query.where(
            or_(Job.label.ilike(words), Job.note.ilike(words), Job.message.ilike(words), Job.kind.ilike(words))
        )
    if since:
        query = query.where(Job.id >= _first_id(since))
    if by:
        query = query.where(Job.schedule_id.is_not(None) if by == "schedule" else Job.schedule_id.is_(None))
    return query


def _first_id(moment: datetime) -> UUID:
    """The smallest id that a job of that moment can have: ids begin with their milliseconds."""
    return UUID(int=max(0, min(int(moment.timestamp() * 1000), 2**48 - 1)) << 80)


def _in_state(state: str) -> ColumnElement[bool]:
    scheduled = and_(Job.state == "queued", Job.run_at > func.now(), Job.lease == 0)
    if state == "scheduled":
        return scheduled
    if state == "waiting":
        return and_(Job.state == "queued", or_(Job.run_at.is_(None), Job.run_at <= func.now(), Job.lease > 0))
    return Job.state == state

"""Read a job's log: from a line on, or its end."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Select, func, select

from jobs.engine.db import postgres
from jobs.engine.db.job_view import JobView
from jobs.engine.db.models import LogLine
from jobs.engine.db.records import COUNT_CAP, Page, escaped
from jobs.engine.errors import NotFound


def read_log(
    job: JobView,
    *,
    after: str | int | None = None,
    limit: int = 500,
    levels: Collection[str] = (),
    q: str = "",
    latest: bool = False,
) -> Page[LogLine]:
    """Lines in order, of these levels or of all, with this text; `latest`: the last ones, and then no `next`."""
    query = _lines(job, _place(after), levels, q)
    with postgres.reading() as session:
        if latest:
            return Page(list(session.scalars(query.order_by(LogLine.id.desc()).limit(limit)))[::-1])
        rows = list(session.scalars(query.order_by(LogLine.id).limit(limit + 1)))
    return Page(rows[:limit], str(rows[limit - 1].id) if len(rows) > limit else None)


def log_count(job: JobView, levels: Collection[str] = (), q: str = "") -> int:
    """How many lines there are, up to COUNT_CAP."""
    with postgres.reading() as session:
        lines = _lines(job, 0, levels, q).with_only_columns(LogLine.id).limit(COUNT_CAP)
        return session.scalar(select(func.count()).select_from(lines.subquery())) or 0


def _lines(job: JobView, seen: int, levels: Collection[str], q: str) -> Select[Any]:
    query = select(LogLine).where(LogLine.job_id == job.id, LogLine.id > seen)
    if q:
        query = query.where(LogLine.text.ilike(f"%{escaped(q)}%"))
    return query.where(LogLine.level.in_(levels)) if levels else query


def _place(after: str | int | None) -> int:
    try:
        seen = int(after or 0)
    except ValueError:
        raise NotFound("There is no such place in the log.") from None
    if not 0 <= seen < 2**63:
        raise NotFound("There is no such place in the log.")
    return seen

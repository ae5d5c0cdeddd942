"""Lists of jobs: filtered, counted, paged by key."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, or_, select
from sqlalchemy.orm import Session, aliased

from jobs.engine.db import postgres
from jobs.engine.db.job_view import JobView, columns, views
from jobs.engine.db.models import Job
from jobs.engine.db.records import COUNT_CAP, Page, as_id, escaped

LOOKED_AT, MOST_RUNS = 200, 20  # jobs of a kind that are read for an estimate, and that it is made of
SEARCHED = 20_000  # jobs that one page of a search looks at
SHOWN_STATES = ("scheduled", "waiting", "running", "stopping", "succeeded", "partial", "failed", "cancelled")


def list_jobs(
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
) -> Page[JobView]:
    """The jobs of an owner, the newest first.

    states: of SHOWN_STATES. q: looks in label, note, message and kind of SEARCHED jobs a page, so that a page may be short
    though another follows. since: submitted then or later. by: "schedule" for those that a schedule started, "person" for
    the others.
    """
    query = _filtered(select(*columns()), owner, states, kind or None, _first_id(since), by)
    with postgres.reading() as session:
        if before is not None:
            newer = query.where(Job.id > as_id(before)).order_by(Job.id)
            rows = _found(session, newer, q, limit + 1, newest_first=False)
            more, rows = len(rows) > limit, rows[:limit][::-1]
            return Page(rows, str(rows[-1].id) if rows else None, str(rows[0].id) if more else None)
        older = (query if after is None else query.where(Job.id < as_id(after))).order_by(Job.id.desc())
        rows = _found(session, older, q, limit + 1)
        more, rows = len(rows) > limit, rows[:limit]
        last = rows[-1].id if more else _end_of_search(session, older) if q else None
        first = str(rows[0].id) if rows and after is not None else None
        return Page(rows, str(last) if last else None, first)


def _found(
    session: Session, query: Select[Any], q: str | None, limit: int, *, newest_first: bool = True
) -> list[JobView]:
    """The first rows of an ordered query; with `q`, those with this text among its first SEARCHED."""
    if not q:
        return views(session, query.limit(limit))
    looked_at = aliased(Job, query.limit(SEARCHED).subquery())
    order = looked_at.id.desc() if newest_first else looked_at.id
    return views(session, select(*columns(looked_at)).where(_says(looked_at, q)).order_by(order).limit(limit))


def _end_of_search(session: Session, query: Select[Any]) -> UUID | None:
    """The last job that the search looked at, if there are more after it."""
    ids = session.scalars(query.with_only_columns(Job.id).offset(SEARCHED - 1).limit(2)).all()
    return ids[0] if len(ids) > 1 else None


def job_counts(
    owner: str,
    *,
    kind: str | None = None,
    q: str | None = None,
    since: datetime | None = None,
    by: str | None = None,
) -> dict[str, int]:
    """How many jobs are in each of SHOWN_STATES; no count goes beyond COUNT_CAP. With `q`, among the newest SEARCHED."""
    with postgres.reading() as session:
        if q:
            all_of_them = _filtered(select(Job), owner, (), kind or None, _first_id(since), by)
            newest = all_of_them.order_by(Job.id.desc()).limit(SEARCHED)
            job = aliased(Job, newest.subquery())
            each = [func.count().filter(_in_state(state, job)) for state in SHOWN_STATES]
            counted = session.execute(select(*each).where(_says(job, q))).one()
            return {state: min(count, COUNT_CAP) for state, count in zip(SHOWN_STATES, counted, strict=True)}
        asked = {"owner": owner, "kind": kind, "first": _first_id(since), "cap": COUNT_CAP}
        found = session.execute(_counting(bool(kind), since is not None, by), asked).one()
        return dict(zip(SHOWN_STATES, found, strict=True))


@cache
def _counting(kind: bool, first: bool, by: str | None) -> Select[Any]:
    """The statement of the counts. Cached: building it takes longer than running it."""
    given: dict[str, Any] = {name: bindparam(name) for name in ("owner", "kind", "first")}
    given |= {} if kind else {"kind": None}
    given |= {} if first else {"first": None}
    wanted = [_filtered(select(Job.id), states=(state,), by=by, **given) for state in SHOWN_STATES]
    capped = [query.limit(bindparam("cap")).subquery() for query in wanted]
    return select(*(select(func.count()).select_from(some).scalar_subquery() for some in capped))


_AT_WORK = """
    select (select count(*) from (select from jobs where owner = %(owner)s and state = 'running' limit %(cap)s) as one)
        + (select count(*) from (select from jobs where owner = %(owner)s and state = 'stopping' limit %(cap)s) as other)
"""


def working_count(owner: str) -> int:
    """How many jobs of an owner are running or stopping: two of the counts above, for the menu of each page."""
    return int(postgres.fetch_all(_AT_WORK, {"owner": owner, "cap": COUNT_CAP})[0][0])


class EarlierRun(NamedTuple):
    """What an earlier job of a kind took."""

    finished: int  # items
    seconds: float
    tokens: int
    model: str
    cost: Decimal | None = None  # where all of it has a known price


_RUNS = """
    select done + failed + skipped, extract(epoch from finished_at - started_at), prompt_tokens + completion_tokens,
        coalesce(params ->> 'model', ''), case when unpriced = 0 then cost end
    from (
        select * from jobs where owner = %(owner)s and kind = %(kind)s order by id desc limit %(looked_at)s
    ) as latest
    where state in ('succeeded', 'partial') and attempt = 1 and finished_at > started_at
    order by id desc limit %(most)s
"""


def earlier_runs(owner: str, kind: str) -> list[EarlierRun]:
    """The last jobs of a kind that ended well in one attempt, the newest first."""
    asked = {"owner": owner, "kind": kind, "looked_at": LOOKED_AT, "most": MOST_RUNS}
    return [
        EarlierRun(int(row[0]), float(row[1]), int(row[2]), str(row[3]), row[4])
        for row in postgres.fetch_all(_RUNS, asked)
    ]


def _filtered(
    query: Select[Any],
    owner: Any,
    states: Collection[str],
    kind: Any,
    first: Any,
    by: str | None,
) -> Select[Any]:
    """The query with these filters. Values may be bind parameters."""
    query = query.where(Job.owner == owner)
    if states:
        query = query.where(or_(*(_in_state(state) for state in states)))
    if kind is not None:
        query = query.where(Job.kind == kind)
    if first is not None:
        query = query.where(Job.id >= first)
    if by:
        query = query.where(Job.schedule_id.is_not(None) if by == "schedule" else Job.schedule_id.is_(None))
    return query


def _first_id(moment: datetime | None) -> UUID | None:
    """The smallest id that a job of that moment can have: ids begin with their milliseconds."""
    if moment is None:
        return None
    return UUID(int=max(0, min(int(moment.timestamp() * 1000), 2**48 - 1)) << 80)


def _says(job: type[Job], q: str) -> ColumnElement[bool]:
    words = f"%{escaped(q)}%"
    return or_(job.label.ilike(words), job.note.ilike(words), job.message.ilike(words), job.kind.ilike(words))


def _in_state(state: str, job: type[Job] = Job) -> ColumnElement[bool]:
    if state == "scheduled":
        return and_(job.state == "queued", job.run_at > func.now(), job.lease == 0)
    if state == "waiting":
        return and_(job.state == "queued", or_(job.run_at.is_(None), job.run_at <= func.now(), job.lease > 0))
    return job.state == state

"""Reads for pages and for the engine. Rows are detached from their session."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, ColumnElement, Text, bindparam, cast, func, literal_column, or_, select, text, tuple_
from sqlalchemy.orm import Session

from jobs.engine.db import postgres
from jobs.engine.db.job_view import JobView, columns, views
from jobs.engine.db.models import Attempt, Counts, File, Item, Job, JobHelper, PausedQueue, Step, WorkerProcess
from jobs.engine.db.records import Page, escaped, owned
from jobs.engine.errors import NotFound
from jobs.engine.files import job_rows
from jobs.engine.formats import exports
from jobs.engine.queue import fair_share, worker_registry

# Jobs.

_MAY_WORK = literal_column(fair_share.MAY_WORK, Boolean())


def job(job_id: str | UUID, owner: str) -> JobView:
    """A job of this owner. Raises NotFound where there is none, or it is somebody else's."""
    with postgres.reading() as session:
        return JobView.of(owned(session, Job, job_id, owner))


# Items.


def items(
    job: JobView,
    *,
    state: str | None = None,
    verdict: str | None = None,
    q: str | None = None,
    column: str | None = None,
    after: str | None = None,
    before: str | None = None,
    limit: int = 50,
    newest_first: bool = False,
) -> Page[Item]:
    """Items in the order of the input, or from its end. A cursor is `position~key`.

    q: words of the input, the output or the error; with `column`, of that one column.
    """
    query = select(Item).where(Item.job_id == job.id)
    if state:
        query = query.where(Item.state == state)
    if verdict:
        query = query.where(Item.verdict == verdict)
    if q:
        words = f"%{escaped(q)}%"
        query = query.where(or_(*(place.ilike(words) for place in _places(column))))
    cursor, backward = (before, True) if before is not None else (after, False)
    descending = newest_first != backward
    if cursor is not None:
        place = tuple_(Item.position, Item.key)
        query = query.where(place < _place(cursor) if descending else place > _place(cursor))
    order = (Item.position.desc(), Item.key.desc()) if descending else (Item.position, Item.key)
    with postgres.reading() as session:
        rows = list(session.scalars(query.order_by(*order).limit(limit + 1)))
    more, rows = len(rows) > limit, rows[:limit]
    if backward:
        rows.reverse()
        return Page(rows, _cursor(rows[-1]) if rows else None, _cursor(rows[0]) if more else None)
    return Page(rows, _cursor(rows[-1]) if more else None, _cursor(rows[0]) if rows and after is not None else None)


def _places(column: str | None) -> list[ColumnElement[Any]]:
    """The columns that a search looks in."""
    if column is None:
        return [cast(Item.input, Text), cast(Item.output, Text), Item.error.expression]
    return [func.json_extract_path_text(part, column) for part in (Item.input, Item.output)]


def item(job: JobView, key: str) -> Item | None:
    """The item of that key, if it has been recorded."""
    with postgres.reading() as session:
        return session.get(Item, (job.id, key))


def item_columns(job: JobView) -> list[str]:
    """The columns of the result table."""
    return job_rows.columns(job.id)


def item_rows(job: JobView, state: str | None = None, positions: Sequence[int] = ()) -> Iterator[dict[str, Any]]:
    """Every recorded item as one row, in constant memory."""
    return job_rows.rows(job.id, state, positions, cost=job.cost is not None)


def export(
    job: JobView, format: str, state: str | None = None, positions: Sequence[int] = ()
) -> tuple[str, str, Iterator[bytes]]:
    """The result table as a download, or its rows at these places: media type, file name, and a stream of its bytes."""
    if format not in exports.FORMATS:
        raise NotFound(f"There is no download as {format[:20]!r}; there are {', '.join(exports.FORMATS)}.")
    columns = [*item_columns(job), *job_rows.OF_THE_RUN, *([] if job.cost is None else ["_cost"])]
    name = job_rows.name(job, state or ("chosen rows" if positions else "result"), format)
    return exports.FORMATS[format], name, exports.export(item_rows(job, state, positions), columns, format)


def finished_keys(session: Session, job_id: UUID, keys: Sequence[str]) -> set[str]:
    """Which of these items have ended."""
    query = select(Item.key).where(Item.job_id == job_id, Item.key.in_(keys), Item.state != "started")
    return set(session.scalars(query))


def step_result(session: Session, job_id: UUID, key: str) -> Step | None:
    """A step of a job that has ended; None if it has not."""
    return session.scalar(select(Step).where(Step.job_id == job_id, Step.key == key, Step.state == "done"))


def counts(session: Session, job_id: UUID) -> Counts:
    """How the items of a job ended so far."""
    query = select(Job.done, Job.failed, Job.skipped, Job.unknown, Job.total).where(Job.id == job_id)
    done, failed, skipped, unknown, total = session.execute(query).one()
    return Counts(done, failed, skipped, unknown, total)


def commonest_error(session: Session, job_id: UUID) -> tuple[str | None, str, int]:
    """Reason, sentence and count of the error that most items failed with."""
    times = func.count().label("times")
    query = select(Item.reason, Item.error, times).where(Item.job_id == job_id, Item.state.in_(("failed", "unknown")))
    row = session.execute(query.group_by(Item.reason, Item.error).order_by(times.desc()).limit(1)).one_or_none()
    return (row.reason, row.error or "", row.times) if row else (None, "", 0)


def _place(cursor: str) -> Any:
    position, _, key = cursor.partition("~")
    if not (position.isascii() and position.isdigit() and len(position) < 19):
        raise NotFound("There is no page after this one.")
    return tuple_(int(position), key)


def _cursor(item: Item) -> str:
    return f"{item.position}~{item.key}"


# Attempts and outputs.


def attempts(job: JobView) -> list[Attempt]:
    with postgres.reading() as session:
        return list(session.scalars(select(Attempt).where(Attempt.job_id == job.id).order_by(Attempt.lease)))


def helpers(job: JobView) -> list[JobHelper]:
    """The workers that have taken parts of the job, the first 1,000."""
    with postgres.reading() as session:
        query = select(JobHelper).where(JobHelper.job_id == job.id).order_by(JobHelper.id).limit(1_000)
        return list(session.scalars(query))


_FILES = select(File).where(File.job_id == bindparam("job"), File.visible).order_by(File.id)


def output_files(job: JobView) -> list[File]:
    """The outputs that may be seen."""
    if job.file_count == 0:
        return []
    with postgres.reading() as session:
        return list(session.scalars(_FILES, {"job": job.id}))


# Workers.


def workers() -> list[WorkerProcess]:
    with postgres.reading() as session:
        return worker_registry.alive(session)


def served_queues() -> set[str]:
    """The queues that a living worker takes jobs from."""
    return {queue for worker in workers() for queue in worker.queues}


# For the clock.


def undelivered(session: Session, *, only: Collection[UUID] | None = None) -> list[JobView]:
    """Due queued jobs without a message, the oldest first; `only`: among these.

    At most 1,000: those with a `run_at` first, in the order of the index jobs_undelivered.
    """
    due = select(*columns()).where(
        Job.state == "queued", or_(Job.run_at.is_(None), Job.run_at <= func.now()), _not_paused(), _MAY_WORK
    )
    if only is not None:
        due = due.where(Job.id.in_(only))
    some = due.where(Job.delivered_at.is_(None)).order_by(Job.run_at, Job.id).limit(1_000)
    return sorted(views(session, some), key=lambda job: job.id)


_SETTLED_IN = text("interval '2 s'")  # a message younger than this may still be on its way


def delivered_ids(
    session: Session, queue: str, *, among: Collection[UUID] | None = None, most: int | None = None
) -> set[UUID]:
    """Queued jobs whose message must be in Redis by now: all, those `among` some, or the `most` that were delivered first.

    In the order of the index jobs_delivered: by id, Postgres might choose an index of all jobs that ever were.
    """
    ids = select(Job.id).where(*_delivered(queue)).order_by(Job.delivered_at).limit(most)
    return set(session.scalars(ids if among is None else ids.where(Job.id == func.any(list(among)))))


def _delivered(queue: str) -> list[ColumnElement[bool]]:
    return [
        Job.state == "queued",
        Job.queue == queue,
        Job.delivered_at < func.now() - _SETTLED_IN,
        _not_paused(),
        _MAY_WORK,
    ]


def _not_paused() -> ColumnElement[bool]:
    return Job.queue.not_in(select(PausedQueue.queue))

"""Reads documents, jobs and items from one consistent snapshot, through a cursor, in constant memory."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, literal_column, or_, select, text
from sqlalchemy.orm import Session

from jobs.engine.db import postgres
from jobs.engine.db.models import Item, Job
from jobs.engine.db.records import escaped
from jobs.engine.library import Document

CURSOR_ROWS = 500
DOCUMENT_COLUMNS = (
    *("id", "collection", "title", "text", "tags", "meta", "name", "media_type", "language"),
    *("pages", "words", "bytes", "sha256", "created_at", "updated_at"),
)
JOB_COLUMNS = (
    *("id", "kind", "label", "state", "reason", "message", "attempt", "created_at", "started_at", "finished_at"),
    *("done", "failed", "skipped", "unknown", "total", "prompt_tokens", "completion_tokens", "result"),
)


@contextmanager
def snapshot() -> Iterator[Session]:
    """A read-only REPEATABLE READ transaction without a statement timeout: all its reads see the same state."""
    with postgres.session() as session:
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        session.execute(text("set transaction read only"))
        session.execute(text("set local statement_timeout = 0"))
        yield session


def documents_where(
    owner: str,
    *,
    collection: str | None = None,
    tag: str | None = None,
    q: str | None = None,
    ids: Sequence[UUID] | None = None,
) -> Select[Any]:
    """An owner's documents that match all of these, oldest first. `q` searches titles, names and tags."""
    query = select(Document).where(Document.owner == owner)
    if collection:
        query = query.where(Document.collection == collection)
    if tag:
        query = query.where(Document.tags.contains([tag]))
    if q:
        words = f"%{escaped(q)}%"
        tagged = func.array_to_string(Document.tags, " ").ilike(words)
        query = query.where(or_(Document.title.ilike(words), Document.name.ilike(words), tagged))
    if ids is not None:
        query = query.where(Document.id.in_(ids))
    return query.order_by(Document.id)


def jobs_where(owner: str, *, kind: str | None = None, state: str | None = None, q: str | None = None) -> Select[Any]:
    """An owner's jobs that match all of these, oldest first."""
    query = select(Job).where(Job.owner == owner)
    if kind:
        query = query.where(Job.kind == kind)
    if state:
        query = query.where(Job.state == state)
    if q:
        query = query.where(or_(Job.label.ilike(f"%{escaped(q)}%"), Job.message.ilike(f"%{escaped(q)}%")))
    return query.order_by(Job.id)


def items_where(job_id: UUID, *, state: str | None = None) -> Select[Any]:
    """The items of a job in the order of its input. The caller must have checked the job's owner."""
    query = select(Item).where(Item.job_id == job_id)
    return (query.where(Item.state == state) if state else query).order_by(Item.position, Item.key)


def count(session: Session, query: Select[Any]) -> int:
    return (
        session.scalar(
            select(func.count()).select_from(query.order_by(None).with_only_columns(literal_column("1")).subquery())
        )
        or 0
    )


def rows(session: Session, query: Select[Any], columns: Sequence[str]) -> Generator[dict[str, Any], None, None]:
    """These columns of the query's rows. Close the generator if not all are read."""
    table = query.column_descriptions[0]["entity"].__table__
    query = query.with_only_columns(*(table.c[name] for name in columns), maintain_column_froms=True)
    with session.execute(query, execution_options={"yield_per": CURSOR_ROWS}) as found:
        yield from map(dict, found.mappings())


def item_rows(session: Session, query: Select[Any]) -> Generator[dict[str, Any], None, None]:
    """Items as rows of a table: input, output, state and error."""
    with closing(rows(session, query, ("input", "output", "state", "error"))) as found:
        for item in found:
            yield {**(item["input"] or {}), **(item["output"] or {}), "_state": item["state"], "_error": item["error"]}


def item_columns(session: Session, query: Select[Any]) -> list[str]:
    """All columns of these items, in the order of their first appearance."""
    given, made = (_keys(session, query, name) for name in ("input", "output"))
    return [*dict.fromkeys([*given, *made, "_state", "_error"])]


def _keys(session: Session, query: Select[Any], name: str) -> list[str]:
    source = query.order_by(None).subquery()
    keys = func.json_object_keys(source.c[name]).table_valued("key", with_ordinality="place").render_derived()
    found = select(keys.c.key).select_from(source.join(keys, text("true"))).group_by(keys.c.key)
    return list(session.scalars(found.order_by(func.min(keys.c.place), func.min(source.c.position), keys.c.key)))

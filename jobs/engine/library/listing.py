"""Pages of an owner's documents in any order, by filters, and how many have each value: what the library's list shows.

Pages are by keyset: a cursor is the value that the last row is sorted by, and its id. Nothing is last in either direction.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, literal, or_, select, tuple_

from jobs.engine.db import postgres
from jobs.engine.db.models.library import Document
from jobs.engine.db.records import escaped
from jobs.engine.errors import NotFound

COUNTED_DOCUMENTS = 20_000  # documents whose values are counted
FACETS = {"type": Document.media_type, "language": Document.language}
_LAST_TEXT, _LAST_NUMBER = "\U0010ffff", 2**31 - 1


@dataclass(frozen=True)
class DocumentQuery:
    """Which documents, in which order. where: of FACETS, the value wanted. after, before: cursors of a page."""

    collection: str | None = None
    q: str = ""
    where: Mapping[str, str] = field(default_factory=dict)
    sort: str = "added"
    descending: bool = True
    after: str | None = None
    before: str | None = None
    limit: int = 50


@dataclass(frozen=True)
class DocumentPage:
    """A page of documents; its cursors are None where there is no page before or after it. found: COUNTED_DOCUMENTS at most."""

    rows: list[Document]
    previous: str | None
    next: str | None
    found: int


def document_page(owner: str, query: DocumentQuery) -> DocumentPage:
    """The page that the query asks for. Raises NotFound for a cursor that is none."""
    key = _key(query.sort, query.descending)
    backwards = query.before is not None
    cursor = query.before if backwards else query.after
    down = query.descending != backwards
    wanted = _filtered(select(Document, key), owner, query)
    if cursor is not None:
        place = tuple_(key, Document.id)
        edge = tuple_(*(literal(one) for one in _read(cursor, query.sort)))
        wanted = wanted.where(place < edge if down else place > edge)
    order = (key.desc(), Document.id.desc()) if down else (key, Document.id)
    with postgres.reading() as session:
        found = list(session.execute(wanted.order_by(*order).limit(query.limit + 1)))
        count = session.scalar(_counted(select(func.count()), _filtered(select(Document.id), owner, query)))
    more, found = len(found) > query.limit, found[: query.limit]
    rows = found[::-1] if backwards else found
    previous = _cursor(rows[0]) if rows and (more if backwards else query.after is not None) else None
    following = _cursor(rows[-1]) if rows and (backwards or more) else None
    return DocumentPage([row[0] for row in rows], previous, following, count or 0)


def document_values(owner: str, query: DocumentQuery, name: str) -> list[tuple[str, int]]:
    """The values of one of FACETS under the other filters, the most frequent first; among the first COUNTED_DOCUMENTS documents."""
    others = {other: value for other, value in query.where.items() if other != name}
    column = FACETS[name]
    some = _filtered(select(column.label("value")), owner, query, others).limit(COUNTED_DOCUMENTS).subquery()
    counts = select(some.c.value, func.count()).where(some.c.value.is_not(None)).group_by(some.c.value)
    with postgres.reading() as session:
        found = session.execute(counts.order_by(func.count().desc(), some.c.value).limit(50))
        return [(str(value), count) for value, count in found]


def _filtered(
    wanted: Select[Any], owner: str, query: DocumentQuery, where: Mapping[str, str] | None = None
) -> Select[Any]:
    wanted = wanted.where(Document.owner == owner)
    if query.collection:
        wanted = wanted.where(Document.collection == query.collection)
    if query.q:
        words = f"%{escaped(query.q)}%"
        tagged = func.array_to_string(Document.tags, " ").ilike(words)
        wanted = wanted.where(or_(Document.title.ilike(words), Document.name.ilike(words), tagged))
    for name, value in (query.where if where is None else where).items():
        wanted = wanted.where(FACETS[name] == value)
    return wanted


def _counted(count: Select[Any], wanted: Select[Any]) -> Select[Any]:
    return count.select_from(wanted.limit(COUNTED_DOCUMENTS).subquery())


def _key(sort: str, descending: bool) -> ColumnElement[Any]:
    """What documents are sorted by; nothing is put last."""
    if sort == "added":
        return Document.id.expression
    if sort in ("pages", "words"):
        column = Document.pages if sort == "pages" else Document.words
        return func.coalesce(column, -1 if descending else _LAST_NUMBER)
    text = {"title": Document.title, "type": Document.media_type, "language": Document.language}[sort]
    return func.coalesce(func.lower(text), "" if descending else _LAST_TEXT)


def _cursor(row: Sequence[Any]) -> str:
    value = row[1]
    return json.dumps([value if isinstance(value, (int, str)) else str(value), str(row[0].id)])


def _read(cursor: str, sort: str) -> tuple[Any, UUID]:
    """The value and the id of a cursor, with the value's type."""
    try:
        value, number = json.loads(cursor)
        if sort == "added":
            return UUID(value), UUID(number)
        whole = sort in ("pages", "words")
        if isinstance(value, bool) or not isinstance(value, int if whole else str) or "\0" in str(value):
            raise ValueError
        str(value).encode()
        return (max(-1, min(value, _LAST_NUMBER)) if isinstance(value, int) else value), UUID(number)
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise NotFound("There is no such page.") from None

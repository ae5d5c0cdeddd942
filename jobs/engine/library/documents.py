"""Reads and writes of documents. All of them take the owner."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select, text
from sqlalchemy.orm import Session

from jobs.engine.db import postgres
from jobs.engine.db.models import File
from jobs.engine.db.models.library import Document, Generation
from jobs.engine.db.records import Page, as_id, escaped, owned
from jobs.engine.errors import Skip
from jobs.engine.files import quota
from jobs.engine.jsonsafe import clean, clean_text

LONGEST_TEXT = 20_000_000  # characters
LONGEST_NAME = 100


class Duplicate(Skip):
    """The same file is in the collection already."""

    reason = "duplicate"


@dataclass(frozen=True)
class Collection:
    """A collection and its live index; `model` and later fields are None without one. `changed`: documents not indexed yet."""

    name: str
    documents: int
    words: int
    updated_at: datetime
    model: str | None
    dimension: int | None
    chunks: int
    built_at: datetime | None
    changed: int


def add(owner: str, document: Document, *, duplicates: bool = True, file: File | None = None) -> UUID:
    """Add a document, or replace the one with the same `source`. Returns its id.

    file: the document's file, if it is not stored yet. Raises QuotaExceeded for the file; without `duplicates`, Duplicate if
    another document of the collection has the same sha256.
    """
    document.owner = owner
    _make_fit(document)
    with postgres.session() as session:
        one_at_a_time(session, f"{owner}\n{document.collection}\n{document.sha256}")
        if not duplicates:
            _refuse_same(session, document)
        known = document.source and session.scalar(
            select(Document.id).where(Document.owner == owner, Document.source == document.source)
        )
        if known:
            document.id = known
        if file is not None:
            quota.take_quota(session, owner, file.bytes)
            session.add(file)
            session.flush()
            document.file_id = file.id
        merged = session.merge(document)
        merged.updated_at = func.now()
        session.flush()
        return merged.id


def add_text(owner: str, collection: str, title: str, body: str, **more: Any) -> UUID:
    """Add a document with this plain text. Returns its id."""
    sha256 = hashlib.sha256(body.encode("utf-8", "surrogatepass")).hexdigest()
    words = len(body.split())
    return add(owner, Document(collection=collection, title=title, text=body, words=words, sha256=sha256, **more))


def refuse_same(owner: str, collection: str, sha256: str, source: str) -> None:
    """Raise Duplicate if another document of the collection has the same sha256: a check before the expensive work."""
    with postgres.session() as session:
        _refuse_same(session, Document(owner=owner, collection=collection, sha256=sha256, source=source))


def document(document_id: str | UUID, owner: str, *, with_text: bool = False) -> Document:
    """One document; its text is loaded only with `with_text`. Raises NotFound if it does not exist or is another owner's."""
    with postgres.session() as session:
        found = owned(session, Document, document_id, owner)
        if with_text:
            session.refresh(found, ["text"])
        return found


def thumbnail(document_id: str | UUID, owner: str) -> bytes | None:
    """A small PNG of the first page or the image."""
    with postgres.session() as session:
        return owned(session, Document, document_id, owner).thumbnail


def list_documents(
    owner: str,
    *,
    collection: str | None = None,
    q: str | None = None,
    after: str | None = None,
    limit: int = 50,
) -> Page[Document]:
    """The documents of an owner, newest first. `q` searches titles, names and tags."""
    query = select(Document).where(Document.owner == owner)
    if collection:
        query = query.where(Document.collection == collection)
    if q:
        words = f"%{escaped(q)}%"
        tagged = func.array_to_string(Document.tags, " ").ilike(words)
        query = query.where(or_(Document.title.ilike(words), Document.name.ilike(words), tagged))
    if after:
        query = query.where(Document.id < as_id(after))
    with postgres.session() as session:
        rows = list(session.scalars(query.order_by(Document.id.desc()).limit(limit + 1)))
    more, rows = len(rows) > limit, rows[:limit]
    return Page(rows, str(rows[-1].id) if more else None)


def count(owner: str, collection: str | None = None) -> int:
    query = select(func.count()).where(Document.owner == owner)
    with postgres.session() as session:
        return session.scalar(query.where(Document.collection == collection) if collection else query) or 0


def each(owner: str, collection: str, *, page: int = 200) -> Iterator[Document]:
    """All documents of a collection, oldest first, without their text; loaded a page at a time."""
    query = select(Document).where(Document.owner == owner, Document.collection == collection)
    last: UUID | None = None
    while True:
        with postgres.session() as session:
            older = query if last is None else query.where(Document.id > last)
            rows = list(session.scalars(older.order_by(Document.id).limit(page)))
        yield from rows
        if len(rows) < page:
            return
        last = rows[-1].id


def collections(owner: str) -> list[Collection]:
    """An owner's collections by name. A collection exists while it has documents."""
    with postgres.session() as session:
        rows = session.execute(_COLLECTIONS, {"owner": owner}).mappings()
        return [Collection(**row) for row in rows]


_COLLECTIONS = text("""
    select d.collection as name, count(*) as documents, sum(d.words)::bigint as words, max(d.updated_at) as updated_at,
        g.model, g.dimension, coalesce(g.chunks, 0) as chunks, g.built_at,
        count(*) filter (where g.id is null or d.updated_at > g.built_at) as changed
    from documents d left join generations g on g.owner = d.owner and g.collection = d.collection and g.live
    where d.owner = :owner group by d.collection, g.id order by d.collection
""")


def delete(document_id: str | UUID, owner: str) -> None:
    """Delete a document and its passages. Its file stays."""
    with postgres.session() as session:
        session.delete(owned(session, Document, document_id, owner))


def live(owner: str, collection: str | None = None) -> list[Generation]:
    """The live indexes."""
    query = select(Generation).where(Generation.owner == owner, Generation.live)
    with postgres.session() as session:
        return list(session.scalars(query.where(Generation.collection == collection) if collection else query))


def one_at_a_time(session: Session, what: str) -> None:
    """Take an advisory lock on this key until the transaction ends."""
    number = int.from_bytes(hashlib.sha256(what.encode("utf-8", "replace")).digest()[:8], "big", signed=True)
    session.execute(text("select pg_advisory_xact_lock(:number)"), {"number": number})


def _make_fit(document: Document) -> None:
    """Truncate and clean values that Postgres would refuse or a page could not show."""
    document.title = clean_text(document.title)[:500].strip() or document.name or "Untitled"
    document.name = clean_text(document.name or "")[:255]
    document.text = clean_text(document.text or "")[:LONGEST_TEXT]
    document.meta = clean(document.meta or {})


def _refuse_same(session: Session, document: Document) -> None:
    query = select(Document).where(
        Document.owner == document.owner,
        Document.collection == document.collection,
        Document.sha256 == document.sha256,
    )
    if document.source:
        query = query.where(Document.source.is_distinct_from(document.source))
    same = session.scalar(query.order_by(Document.id).limit(1))
    if same is not None:
        raise Duplicate(f"Skipped, the same as “{same.name or same.title}”, which is in “{same.collection}” already.")

"""Selection of documents, fixed when a job begins: its own changes may make documents no longer match."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, text

from jobs.engine.db import postgres
from jobs.engine.db.records import as_id
from jobs.engine.errors import NotFound
from jobs.engine.kits.bulk import snapshots
from jobs.engine.library import Document

PAGE = 200
STEP = "document "  # prefix, before the document's id, of the step in which a job stores its change
MOST_IDS = 10_000
SELECTS = ("collection", "tag", "q", "ids", "all")


@dataclass(frozen=True)
class Candidate:
    """A selected document. image: its previous state stored by an earlier job, for an undo."""

    id: UUID
    title: str
    image: dict[str, Any] | None = None


@dataclass(frozen=True)
class Selection:
    items: Iterator[Candidate]
    total: int


def selection_errors(selection: dict[str, Any]) -> str | None:
    """The first error in a selection, as a sentence; None if there is none."""
    if unknown := [name for name in selection if name not in SELECTS]:
        return f"Documents cannot be selected by “{unknown[0]}”, only by {', '.join(SELECTS)}."
    if not any(selection.values()):
        return 'Say which documents, as in {"collection": "library"}; {"all": true} is all of them.'
    for name in ("collection", "tag", "q"):
        if name in selection and not (isinstance(selection[name], str) and selection[name].strip()):
            return f"“{name}” must be text in quotation marks."
    ids = selection.get("ids", [])
    if not isinstance(ids, list) or len(ids) > MOST_IDS or not all(map(_is_id, ids)):
        return f"“ids” must be a list of at most {MOST_IDS:,} ids of documents, as in the addresses of their pages."
    return None if selection.get("all") in (None, True) else "“all” can only be true."


def look(owner: str, selection: dict[str, Any], sample: int | None) -> dict[str, Any]:
    """The present matches, for the job to store: their number, the last one, and with a sample each id."""
    query = _query(owner, selection)
    ids = query.with_only_columns(Document.id)
    with snapshots.snapshot() as session:
        last = session.scalar(ids.order_by(None).order_by(Document.id.desc()).limit(1))
        some = [str(one) for one in session.scalars(ids.limit(sample))] if sample else None
        return {"count": snapshots.count(session, query), "last": str(last), "sample": some}


def chosen(owner: str, selection: dict[str, Any], stored: dict[str, Any]) -> Selection:
    """The documents of the stored selection that still match."""
    if not stored["count"]:
        return Selection(iter(()), 0)
    query = _query(owner, selection).where(Document.id <= UUID(stored["last"]))
    if stored["sample"] is not None:
        query = query.where(Document.id.in_([UUID(one) for one in stored["sample"]]))
    return Selection(_pages(query), stored["count"])


def _is_id(given: Any) -> bool:
    try:
        as_id(given if isinstance(given, str) else "")
    except NotFound:
        return False
    return True


def left(owner: str, job_id: UUID) -> list[Candidate]:
    """Documents that a killed attempt changed without recording the item. They may no longer match."""
    with postgres.session() as session:
        return [
            Candidate(row.id, row.title)
            for row in session.execute(_LEFT, {"job_id": job_id, "prefix": STEP, "owner": owner})
        ]


_LEFT = text("""
    with kept as materialized (
        select substr(key, length(cast(:prefix as text)) + 1) as id, result #>> '{before,title}' as title from steps
        where job_id = :job_id and starts_with(key, cast(:prefix as text)) and state = 'done'
    )
    select cast(kept.id as uuid) as id, coalesce(d.title, kept.title, '') as title
    from kept left join items i on i.job_id = :job_id and i.key = kept.id
    left join documents d on d.id = cast(kept.id as uuid) and d.owner = :owner
    where i.key is null
""")


def _query(owner: str, selection: dict[str, Any]) -> Select[Any]:
    filters = {name: value for name, value in selection.items() if name != "all" and value}
    if "ids" in filters:
        filters["ids"] = [UUID(one) for one in filters["ids"]]
    return snapshots.documents_where(owner, **filters)


def _pages(query: Select[Any]) -> Iterator[Candidate]:
    last = UUID(int=0)
    while True:
        with postgres.session() as session:
            page = query.where(Document.id > last).with_only_columns(Document.id, Document.title).limit(PAGE)
            rows = session.execute(page).all()
        yield from (Candidate(row.id, row.title) for row in rows)
        if len(rows) < PAGE:
            return
        last = rows[-1].id

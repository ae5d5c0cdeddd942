"""Collections and rows of jobs as tables of a query: written as files, from one snapshot."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Select
from sqlalchemy.orm import Session

from jobs.engine import queue
from jobs.engine.db import records
from jobs.engine.errors import JobFailed, NotFound
from jobs.engine.formats import exports
from jobs.engine.kits.bulk import snapshots
from jobs.engine.kits.sql.query import QuerySource

FORMAT = "jsonl"  # keeps numbers, nothing and nested values
COLLECTION_COLUMNS = list(snapshots.DOCUMENT_COLUMNS)
Rows = Generator[dict[str, Any], None, None]


def names_of(collections: Sequence[str], jobs: Sequence[str]) -> list[str]:
    """What the tables are called after."""
    return [*collections, *(f"job_{place}" if len(jobs) > 1 else "job" for place in range(1, len(jobs) + 1))]


def written(
    collections: Sequence[str],
    jobs: Sequence[str],
    tables: Sequence[str],
    owner: str,
    folder: Path,
    check: Callable[[], None],
) -> list[QuerySource]:
    """The files, as tables of these names. Raises JobFailed for what is not there."""
    found = []
    with snapshots.snapshot() as session:
        for place, table in enumerate(tables):
            if place < len(collections):
                name = collections[place]
                query = snapshots.documents_where(owner, collection=name)
                _there(session, query, f"The collection “{name[:80]}” has no documents.")
                columns, rows = COLLECTION_COLUMNS, snapshots.rows(session, query, COLLECTION_COLUMNS)
            else:
                name = jobs[place - len(collections)]
                query = snapshots.items_where(_job_of(name, owner))
                _there(session, query, f"The job {name[:80]} has no rows.")
                columns, rows = snapshots.item_columns(session, query), snapshots.item_rows(session, query)
            path = folder / f"stored-{place}.{FORMAT}"
            _write(path, rows, columns, check)
            found.append(QuerySource(table, str(path), name, FORMAT, columns))
    return found


def _job_of(id: str, owner: str) -> Any:
    try:
        return queue.job(records.as_id(id.strip()), owner).id
    except NotFound:
        sentence = f"There is no job {id[:80]}. It may have been deleted; copy the id from the address of its page."
        raise JobFailed(sentence, reason="not_found") from None


def _there(session: Session, query: Select[Any], sentence: str) -> None:
    if not snapshots.count(session, query):
        raise JobFailed(sentence, reason="not_found")


def _write(path: Path, rows: Rows, columns: Sequence[str], check: Callable[[], None]) -> None:
    with closing(rows) as found, path.open("wb") as opened:
        for chunk in exports.export(found, list(columns), FORMAT):
            check()
            opened.write(chunk)

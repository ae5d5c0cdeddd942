"""Export documents, jobs or their items as a file.

The file is a consistent snapshot, even if the data changes during the export. Exported documents can be imported again.
"""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel
from sqlalchemy import Select
from sqlalchemy.orm import Session

from jobs.engine import queue
from jobs.engine.db import records
from jobs.engine.db.models import ENDED_STATES, ITEM_STATES
from jobs.engine.formats import exports
from jobs.engine.kits.bulk import snapshots
from jobs.engine.sdk import (
    Context,
    FieldError,
    Find,
    JobFailed,
    KindParams,
    KindResult,
    NotFound,
    ShortText,
    figure,
    param,
)

TITLE = "Export data"
GROUP = "Data and numbers"
WORDS = "csv, excel, parquet, backup, download, xlsx, save"
QUEUE = "cpu"
NEEDS = ("duckdb", "xlsxwriter")
NOUN = ("row", "rows")

FILTERS: dict[str, tuple[str, ...]] = {
    "documents": ("collection", "tag", "q"),
    "jobs": ("kind", "state", "q"),
    "items": ("job", "state"),
}
OFFERED = {"documents": snapshots.DOCUMENT_COLUMNS, "jobs": snapshots.JOB_COLUMNS}
LOOK = 500  # rows between two checks for a stop


class DocumentFilter(BaseModel):
    collection: str = param("Collection", default="")
    tag: str = param("Tag", default="")
    q: str = param("Words in the title", default="")


class JobFilter(BaseModel):
    kind: str = param("Kind of job", "Its name in the address of its form.", default="")
    state: Literal["", "succeeded", "partial", "failed", "cancelled", "queued", "running", "stopping"] = param(
        "State", default="", words={"": "All", "cancelled": "Stopped", "queued": "Waiting", "partial": "Partly done"}
    )
    q: str = param("Words", default="")


class ItemFilter(BaseModel):
    job: str = param("Job", "The id from the address of its page.")
    state: Literal["", "done", "failed", "skipped", "unknown", "started"] = param(
        "State of the items", default="", words={"": "All"}
    )


CHOICES: dict[str, type[BaseModel]] = {"documents": DocumentFilter, "jobs": JobFilter, "items": ItemFilter}


class Params(KindParams):
    what: Literal["documents", "jobs", "items"] = param(
        "What", "Documents of the library, jobs, or the items of one job.", default="documents"
    )
    filter: dict[ShortText, ShortText] = param(
        "Only those with", "Empty: all.", default={}, shapes=("what", CHOICES), max_length=10
    )
    columns: list[ShortText] = param("Columns", "In this order. Empty: all.", default=[], max_length=2_000)
    format: Literal["csv", "jsonl", "xlsx", "parquet"] = param(
        "File", "jsonl and parquet keep all values exactly.", default="csv"
    )
    compress: Literal["none", "gzip"] = param("Compress", default="none", advanced=True)


class Result(KindResult):
    what: str = figure("Exported", type="tag", words={"jobs": "Jobs", "items": "Items", "documents": "Documents"})
    rows: int = figure("Rows", type="number")
    bytes: int = figure("Size", type="bytes")
    columns: list[str] = figure("Columns", shown="never")


EXAMPLE = {"what": "jobs", "columns": ["id", "kind", "label", "state", "created_at"], "format": "csv"}


def check(params: Params, find: Find) -> list[FieldError]:
    allowed = FILTERS[params.what]
    errors = [
        FieldError("filter", f"{params.what.capitalize()} have no “{name}”. There are: {', '.join(allowed)}.")
        for name in params.filter
        if name not in allowed
    ]
    known = OFFERED.get(params.what)
    for column in params.columns if known else ():
        if column not in (known or ()):
            errors.append(
                FieldError(
                    "columns", f"{params.what.capitalize()} have no “{column}”. There are: {', '.join(known or ())}."
                )
            )
    states = ITEM_STATES if params.what == "items" else (*ENDED_STATES, "queued", "running", "stopping")
    if params.what != "documents" and params.filter.get("state", states[0]) not in states:
        errors.append(FieldError("filter", f"There is no such state. There are: {', '.join(sorted(states))}."))
    if params.what == "items" and not params.filter.get("job"):
        errors.append(FieldError("filter", 'Name the job, as in {"job": "the id from the address of its page"}.'))
    return errors


def label(params: Params, find: Find) -> str:
    wanted = ", ".join(value for value in params.filter.values() if value)
    return f"{params.what}: {wanted}" if wanted else params.what


def run(params: Params, context: Context) -> dict[str, Any]:
    with snapshots.snapshot() as session, tempfile.TemporaryDirectory(prefix="legwork-export-") as folder:
        query = _query(params, context.job.owner)
        total = min(snapshots.count(session, query), context.job.sample or 1 << 62)
        context.progress(done=0, total=total, note="Writing the rows")
        columns = _columns(params, session, query)
        target = Path(folder) / "export"
        with closing(_found(params, session, query, columns)) as found:
            _write(params, target, exports.export(_watched(found, context), columns, params.format))
        compressed = params.compress == "gzip"
        name = f"{params.what}.{params.format}{'.gz' if compressed else ''}"
        context.save(name, target, "application/gzip" if compressed else exports.FORMATS[params.format])
        context.progress(done=total, total=total)
        return {"what": params.what, "rows": total, "columns": columns[:200], "bytes": target.stat().st_size}


def _query(params: Params, owner: str) -> Select[Any]:
    wanted: dict[str, Any] = {name: value for name, value in params.filter.items() if value}
    if params.what == "documents":
        return snapshots.documents_where(owner, **wanted)
    if params.what == "jobs":
        return snapshots.jobs_where(owner, **wanted)
    try:
        job = queue.job(records.as_id(wanted.pop("job").strip()), owner)
    except NotFound:
        raise JobFailed(
            "There is no such job. It may have been deleted; copy the id from its page.", reason="not_found"
        ) from None
    return snapshots.items_where(job.id, **wanted)


def _columns(params: Params, session: Session, query: Select[Any]) -> list[str]:
    if params.what != "items":
        return list(params.columns or OFFERED[params.what])
    there = snapshots.item_columns(session, query)
    if unknown := [name for name in params.columns if name not in there]:
        raise JobFailed(f"The items have no “{unknown[0]}”; they have {', '.join(there[:30])}.", reason="bad_input")
    return list(params.columns or there)


def _found(
    params: Params, session: Session, query: Select[Any], columns: list[str]
) -> Generator[dict[str, Any], None, None]:
    return snapshots.item_rows(session, query) if params.what == "items" else snapshots.rows(session, query, columns)


def _watched(found: Iterable[dict[str, Any]], context: Context) -> Iterator[dict[str, Any]]:
    for done, row in enumerate(islice(found, context.job.sample)):
        if done % LOOK == 0:
            context.check()
            context.progress(done=done)
        yield row


def _write(params: Params, target: Path, chunks: Iterator[bytes]) -> None:
    with gzip.open(target, "wb", compresslevel=6) if params.compress == "gzip" else target.open("wb") as opened:
        opened.writelines(chunks)

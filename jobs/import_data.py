"""Import the rows of a table into the library.

Each row becomes a document of a collection: you choose the columns for title, text and tags; the others can be stored as
metadata. With a key column, a later import updates the documents. A dry run shows what would change.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from jobs.engine import queue
from jobs.engine.formats import exports
from jobs.engine.formats.tables import TableInfo
from jobs.engine.library import bulk, fields
from jobs.engine.sdk import (
    BadInput,
    Context,
    Counts,
    Estimate,
    FieldError,
    Find,
    Input,
    ItemColumn,
    JobFailed,
    KindResult,
    MicroBatcher,
    ShortText,
    TableFile,
    TableParams,
    figure,
    param,
)

TITLE = "Import data"
GROUP = "Data and numbers"
WORDS = "excel, csv, upsert, load, upload, spreadsheet, documents"
QUEUE = "cpu"
NEEDS = ("openpyxl", "duckdb")
NOUN = ("row", "rows")
SPREAD = True

ROWS_PER_SECOND = 2_000
BATCH = 250
EXAMPLES = 5  # of each status, in the result
REJECTS = "rejected rows"
STATUS_WORDS = {"new": "New", "updated": "Updated", "unchanged": "Unchanged"}

Numbered = tuple[int, dict[str, Any]]


class Params(TableParams):
    source: TableFile = param("Table", "CSV, TSV, JSON, JSONL, XLSX, XLS, ODS or Parquet. One row makes one document.")
    collection: str = param(
        "Collection", "A new name makes a new collection.", default="library", min_length=1, max_length=100
    )
    mapping: dict[ShortText, ShortText] = param(
        "Columns of the fields",
        "The column of each field of a document. All empty: columns with the names of fields.",
        default={},
        names=fields.FIELDS,
        words={"meta": "Fields of your own", "name": "File name", "media_type": "Type"},
        columns_of="source",
        max_length=len(fields.FIELDS),
    )
    rest: Literal["meta", "drop"] = param(
        "Other columns",
        "Columns that are not a field of the document.",
        default="meta",
        words={"meta": "Store them in the document's meta", "drop": "Leave them out"},
    )
    key: str = param(
        "Key column",
        "A column that identifies the document of a row, such as an article number or the document's id. "
        "Without it every row makes a new document.",
        default="",
        columns_of="source",
        max_length=200,
    )
    mode: Literal["upsert", "insert"] = param(
        "If the key exists",
        default="upsert",
        words={"upsert": "Update its document (upsert)", "insert": "Skip the row (insert)"},
    )
    on_error: Literal["skip", "abort"] = param(
        "If a row is not valid",
        default="skip",
        words={"skip": "List it in a file and continue (skip)", "abort": "End the job there (abort)"},
    )
    dry_run: bool = param("Dry run", "Show what would change, without changing anything.", default=False)


COLUMNS = (
    ItemColumn("status", "Outcome", "tag", words=STATUS_WORDS, facet=True),
    ItemColumn("document", "In the library", "document"),
)


class Result(KindResult):
    collection: str = figure("Collection")
    dry_run: bool = figure("Dry run", type="yes_no", shown="if_any")
    new: int = figure("New", type="number")
    updated: int = figure("Updated", type="number")
    unchanged: int = figure("Unchanged", type="number")
    examples: list[dict[str, Any]] = figure("Examples", shown="never")


EXAMPLE = {
    "source": "sample:reviews.csv",
    "collection": "reviews",
    "mapping": {"title": "product", "text": "review", "language": "language"},
    "key": "id",
}


def check(params: Params, find: Find) -> list[FieldError]:
    try:
        table = find(params.source).table(params.reading)
    except BadInput as error:
        return [FieldError("source", error.message)]
    there = f"The table has {', '.join(table.columns[:20])}."
    errors = [] if params.collection.strip() else [FieldError("collection", "Write the name of a collection.")]
    if params.key and params.key not in table.columns:
        errors.append(FieldError("key", f"There is no column “{params.key}”. {there}"))
    for field, column in params.mapping.items():
        if field not in fields.FIELDS:
            errors.append(
                FieldError("mapping", f"A document has no field “{field}”. There are: {', '.join(fields.FIELDS)}.")
            )
        elif column not in table.columns:
            errors.append(FieldError("mapping", f"There is no column “{column}” for the {field}. {there}"))
    mapping = params.mapping or fields.same_names(table.columns)
    if not errors and not mapping.keys() & {"title", "text"} and not (params.key and mapping):
        errors.append(FieldError("mapping", f"Say which column is the title or the text. {there}"))
    return errors


def estimate(params: Params, find: Find) -> Estimate:
    count = find(params.source).table(params.reading).rows
    seconds = None if count is None else round(1 + count / ROWS_PER_SECOND, 1)
    return Estimate(items=count, seconds=seconds)


def label(params: Params, find: Find) -> str:
    return f"{find(params.source).name} → {params.collection.strip()}" + (" (dry run)" if params.dry_run else "")


def run(params: Params, context: Context) -> dict[str, Any]:
    source = context.open(params.source)
    table = source.table(params.reading)
    reader = _reader(params, table, source)
    abort = params.on_error == "abort"
    target = bulk.Target(
        context.job.owner, params.collection.strip(), context.job.job_id, params.mode, params.dry_run, abort
    )

    async def put(numbered: Numbered, batches: MicroBatcher) -> dict[str, Any]:
        return dict(await batches.of(numbered))

    numbered_rows = _NumberedRows(source, params)
    counts = context.map(
        put,
        numbered_rows,
        row=lambda numbered: numbered[1],
        total=source.count(params.reading),
        concurrency=2 * BATCH,
        using=MicroBatcher(lambda some: bulk.put(target, [reader(*one) for one in some]), BATCH),
        shared=not params.key and not abort,  # of rows with the same key the last one counts; none follows an error
    )
    if numbered_rows.broken:
        raise JobFailed(
            f"{numbered_rows.broken.message} The rows before it were imported.", reason=numbered_rows.broken.reason
        )
    if counts.failed:
        _save_rejects(context, table)
    return _result(params, context, counts)


class _NumberedRows:
    """The rows with their numbers from 1. They end at a line that cannot be read; `broken` is the error."""

    def __init__(self, source: Input, params: Params):
        self.broken: BadInput | None = None
        self._rows = source.rows(params.reading)

    def __iter__(self) -> Iterator[Numbered]:
        try:
            yield from enumerate(self._rows, start=1)
        except BadInput as error:
            self.broken = error


def _reader(params: Params, table: TableInfo, source: Input) -> Callable[[int, dict[str, Any]], bulk.Row]:
    mapping = params.mapping or fields.same_names(table.columns)
    used = {*mapping.values(), *(["error"] if source.name.startswith(REJECTS) else [])}
    spreadsheet = table.format in ("csv", "tsv")

    def read(place: int, row: dict[str, Any]) -> bulk.Row:
        try:
            key = fields.key_of(row, params.key) if params.key else None
            rest = fields.not_of_documents(row) - used if params.rest == "meta" else ()
            return bulk.Row(place, key, fields.values(row, mapping, rest, spreadsheet))
        except BadInput as error:
            return bulk.Row(place, error=error)

    return read


def _save_rejects(context: Context, table: TableInfo) -> None:
    """Save the failed rows as the same table with a column for the error, to be corrected and imported again."""
    failed = queue.item_rows(queue.job(context.job.job_id, context.job.owner), "failed")
    format = {"tsv": "csv", "json": "jsonl", "xls": "xlsx", "ods": "xlsx"}.get(table.format, table.format)
    with tempfile.TemporaryDirectory(prefix="legwork-rejects-", ignore_cleanup_errors=True) as folder:
        target = Path(folder) / REJECTS
        with target.open("wb") as opened:
            for chunk in exports.export(
                (row | {"error": row["_error"]} for row in failed), [*table.columns, "error"], format
            ):
                context.check()
                opened.write(chunk)
        context.save(f"{REJECTS}.{format}", target, exports.FORMATS[format])


def _result(params: Params, context: Context, counts: Counts) -> dict[str, Any]:
    status = queue.count_by_value(context.job.job_id, "status")
    examples = queue.example_items(context.job.job_id, "status", ("new", "updated"), EXAMPLES)
    if params.dry_run:
        context.log("This was a dry run: nothing was changed.")
    return {
        "collection": params.collection.strip(),
        "dry_run": params.dry_run,
        **{name: status.get(name, 0) for name in ("new", "updated", "unchanged")},
        "skipped": counts.skipped,
        "failed": counts.failed,
        "examples": [
            {"row": one["item"], "values": {name: bulk.short(one["input"][name]) for name in list(one["input"])[:20]}}
            | one["output"]
            for one in examples
        ],
    }

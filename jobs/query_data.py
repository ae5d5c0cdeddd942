"""Query tables in SQL.

Each file becomes a table named after it: Sales 2024.xlsx is sales_2024. So do collections of the library, and the rows of jobs.
One SELECT reads them, with joins, groups, window functions and PIVOT, or EXPLAIN says how; its rows become a file. $name stands
for a parameter. It has no access to other files, the network or settings.

A column of a text file has a type where all its values fit: whole numbers, decimals, dates, times. Ids such as 007, +49151 and
12E3 stay text. Numbers and dates as people write them are read too ($1,200.50, 1.234,50, 15 %, which is 0.15, 25/03/2026); where
two readings fit, the result says which was taken. Times with an offset are shown by UTC, lengths of time as 32:15:00.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

from jobs.engine import queue
from jobs.engine.formats import columns, exports
from jobs.engine.kits import sql as kits_sql
from jobs.engine.kits.sql import stored
from jobs.engine.sdk import (
    BadInput,
    BudgetSpent,
    Chart,
    ColumnParams,
    Context,
    Estimate,
    FieldError,
    Find,
    JobFailed,
    KindResult,
    ReadOptions,
    Recipe,
    ShortText,
    StopRequested,
    Table,
    TableFile,
    TimeLimitReached,
    as_text,
    figure,
    param,
)

TITLE = "Query data"
GROUP = "Data and numbers"
WORDS = "sql, csv, excel, parquet, join, count, filter, sort, group, pivot, duckdb, analyse, chart, deduplicate"
QUEUE = "cpu"
NEEDS = ("duckdb",)
NOUN = ("row", "rows")
RESULT_TEMPLATE = "jobs/results/query_data.html"

FIRST_COLUMNS = 30
CELL = 300  # characters of a value in the preview
FIRST_BYTES = 200_000
BYTES_PER_SECOND = 10_000_000
KEPT = ("time_limit", "memory_limit", "row_too_large")  # reasons for which the rows so far are kept


class Params(ColumnParams):
    files: list[TableFile] = param(
        "Tables",
        "CSV, TSV, JSON, JSONL, XLSX, XLS, ODS or Parquet. Each is a table named after its file.",
        default=[],
        max_length=20,
    )
    sql: str = param(
        "SQL",
        "One SELECT, in DuckDB's SQL. sales.csv is the table sales; put a column name with spaces in double quotes.",
        widget="sql",
        min_length=1,
        max_length=50_000,
    )
    parameters: dict[ShortText, str | float | bool] = param(
        "Parameters", "region = North: $region in the SQL stands for it.", default={}, max_length=50
    )
    collections: list[ShortText] = param(
        "Collections",
        f"Of the library. Each is a table with {', '.join(stored.COLLECTION_COLUMNS[:6])} and more.",
        default=[],
        max_length=10,
        advanced=True,
    )
    jobs: list[ShortText] = param(
        "Rows of jobs",
        "Ids from the addresses of their pages. The table is called job; of several, job_1, job_2.",
        default=[],
        max_length=10,
        advanced=True,
    )
    file_options: dict[ShortText, ShortText] = param(
        "Reading of single files",
        "Where one is to be read otherwise than all: its name = sheet=Data, header_row=2, or encoding, delimiter, cells.",
        default={},
        max_length=20,
        advanced=True,
    )
    format: Literal["csv", "parquet", "xlsx", "jsonl"] = param("File", "The format of the result.", default="csv")
    row_limit: int = param(
        "Most rows", "The result ends there.", default=1_000_000, ge=1, le=100_000_000, unit="rows", advanced=True
    )
    seconds: int = param("Longest time", default=600, ge=1, le=14_400, unit="seconds", advanced=True)
    memory: int = param(
        "Memory", "Limit for sorting, joining and grouping.", default=1_024, ge=128, le=4_096, unit="MB", advanced=True
    )  # fmt: skip


class Result(KindResult):
    rows: int = figure("Rows", type="number")
    cut_off: bool = figure("Cut off", type="yes_no", shown="if_any")
    columns: list[dict[str, str]] = figure("Columns", shown="never")
    first: list[list[Any]] = figure("First rows", shown="never")
    tables: list[dict[str, Any]] = figure("Tables", shown="never")


EXAMPLE = {
    "files": ["sample:orders.csv", "sample:customers.csv"],
    "sql": (
        "select city, count(*) as orders, round(sum(quantity * price), 2) as total\n"
        "from orders join customers on customers.id = customer_id\n"
        "where ordered >= $since\n"
        "group by city\norder by total desc"
    ),
    "parameters": {"since": "2026-03-01"},
}

RECIPES = (
    Recipe(
        "Remove duplicate rows",
        {
            "files": ["sample:orders.csv"],
            "sql": "select distinct on (customer_id) *\nfrom orders\norder by customer_id",
        },
    ),
)


def check(params: Params, find: Find) -> list[FieldError]:
    if not (params.files or params.collections or params.jobs):
        return [FieldError("files", "Choose a table, a collection or the rows of a job.")]
    try:
        if wrong := _file_options_error(params, [find(ref).name for ref in params.files]):
            return [FieldError("file_options", wrong)]
        sources = _sources(params, find)
    except BadInput as error:
        return [FieldError("files", error.message)]
    try:
        statement = kits_sql.parameters.filled(params.sql, params.parameters)
    except BadInput as error:
        return [FieldError("parameters", error.message)]
    columns, names = stored.COLLECTION_COLUMNS, _tables(params, find)[len(sources) :]
    sources += [kits_sql.QuerySource(name, "", name, "jsonl", columns) for name in names]
    # the columns of a job's rows are known when it is read
    sentence = None if params.jobs else kits_sql.query_error(statement, sources)
    return [FieldError("sql", sentence)] if sentence else []


def estimate(params: Params, find: Find) -> Estimate:
    tables = [f"Table {kits_sql.listed(source.table, source.columns)}." for source in _sources(params, find)]
    for ref in params.files:
        table = find(ref).table(_reading(params, find(ref).name))
        tables += columns.first_guesses(table.columns, table.first, params.column_choices, table.delimiter)
    size = sum(find(ref).bytes for ref in params.files)
    return Estimate(seconds=round(1 + size / BYTES_PER_SECOND, 1), notes=tuple(tables))


def label(params: Params, find: Find) -> str:
    return ", ".join([*(find(ref).name for ref in params.files), *params.collections, *params.jobs])


def run(params: Params, context: Context) -> dict[str, Any]:
    began = time.monotonic()
    context.progress(note="Loading the tables, running the query")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(_folder()))
        paths = [str(stack.enter_context(context.open(ref).path())) for ref in params.files]
        sources = _sources(params, context.open, paths)
        tables = _tables(params, context.open)[len(sources) :]
        given = (params.collections, params.jobs, tables, context.job.owner, folder, context.check)
        answer, ended = _answered(params, context, [*sources, *stored.written(*given)], folder)
        stem = "result so far" if ended is not None else "result"
        context.save(f"{stem}.{params.format}", answer.path, exports.FORMATS[params.format])
    for table in answer.tables:
        context.log(f"{table['table']}: {table['rows']:,} rows")
    notes = [note for table in answer.tables for note in table["notes"]] + answer.notes
    result = {
        "rows": answer.count,
        "cut_off": answer.more,
        "seconds": round(time.monotonic() - began, 1),
        "columns": answer.columns,
        "first": _first(answer.first),
        "tables": answer.tables,
        "notes": notes,
        "chart": _chart(answer),
    }
    if ended is not None:
        context.so_far = result
        raise ended
    context.progress(note=f"{answer.count:,} rows")
    return result


def view(job: queue.JobView, query: Mapping[str, str]) -> dict[str, Any]:
    """The first rows, which the page shows as a grid."""
    result = job.result or {}
    rows, names = result.get("first") or [], [column["name"] for column in result.get("columns") or []]
    table = Table(names[:FIRST_COLUMNS], rows)
    called = ", ".join(str(one.get("table")) for one in result.get("tables") or []) or "query"
    return {
        "table": table | {"more": max(int(result.get("rows") or 0) - len(rows), 0)},
        "called": f"Result of {called}",
    }


def _first(rows: list[list[Any]]) -> list[list[Any]]:
    """The first rows for the page, fewer where they are wide."""
    kept, left = [], FIRST_BYTES
    for row in rows:
        kept.append([_short(value) for value in row[:FIRST_COLUMNS]])
        left -= sum(len(as_text(value)) + 4 for value in kept[-1])
        if left < 0:
            break
    return kept


def _answered(
    params: Params, context: Context, sources: list[kits_sql.QuerySource], folder: Path
) -> tuple[kits_sql.QueryAnswer, BaseException | None]:
    """The answer, and what ended it before its time, if there are rows to keep."""
    most = min(params.row_limit, context.job.sample or params.row_limit)
    limits = kits_sql.QueryLimits(rows=most, seconds=params.seconds, memory=params.memory << 20)
    statement = kits_sql.parameters.filled(params.sql, params.parameters)
    answers = kits_sql.run_query(
        statement, sources, limits, folder, params.format, choices=params.column_choices, check=context.check
    )
    answer = kits_sql.QueryAnswer(folder / "result")
    try:
        for answer in answers:
            if answer.count:
                context.progress(note=f"{answer.count:,} rows so far")
    except (StopRequested, TimeLimitReached) as error:
        if not answer.bytes:
            raise
        return answer, error
    except JobFailed as error:
        if error.reason not in KEPT or not answer.count or not answer.bytes:
            raise
        sentence = f"{error.message} The first {answer.count:,} rows are kept."
        return answer, BudgetSpent(sentence, reason=error.reason)
    return answer, None


def _chart(answer: kits_sql.QueryAnswer) -> Chart | None:
    """The first column of numbers by the first of names or dates, if all rows are there and each has a name of its own."""
    rows, names = answer.first, [column["name"] for column in answer.columns]
    if not (2 <= answer.count == len(rows)):
        return None
    numbers = [at for at in range(len(names)) if all(_is_number(row[at]) for row in rows)]
    labels = [at for at in range(len(names)) if at not in numbers and len({str(row[at]) for row in rows}) == len(rows)]
    if not (numbers and labels):
        return None
    falling = [at for at in numbers if all(row[at] is not None for row in rows) and _falls([row[at] for row in rows])]
    by, of = labels[0], (falling or numbers)[0]
    dated = all(re.match(r"\d{4}-\d{2}", str(row[by])) for row in rows)
    points = [(str(row[by]), None if row[of] is None else float(row[of])) for row in rows]
    return Chart("line" if dated else "bars", sorted(points) if dated else points, f"{names[of]} by {names[by]}")


def _falls(numbers: list[Any]) -> bool:
    """Whether the rows are ordered by them, the largest first."""
    return numbers == sorted(numbers, reverse=True) and numbers[0] > numbers[-1]


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="legwork-query-", ignore_cleanup_errors=True)


def _sources(params: Params, find: Find, paths: list[str] | None = None) -> list[kits_sql.QuerySource]:
    """The tables of the query. Raises BadInput, with the file's name, for a file that is not a table."""
    files = [find(ref) for ref in params.files]
    sources = []
    for place, (file, name) in enumerate(zip(files, _tables(params, find), strict=False)):
        try:
            table = file.table(_reading(params, file.name))
        except BadInput as error:
            raise BadInput(f"{file.name}: {error.message}") from None
        path = paths[place] if paths else ""
        sources.append(kits_sql.QuerySource(name, path, file.name, table.format, table.columns, table.options))
    return sources


def _tables(params: Params, find: Find) -> list[str]:
    """The names of the tables: of files, collections and jobs, in this order."""
    names = stored.names_of(params.collections, params.jobs)
    return kits_sql.table_names([*(find(ref).name for ref in params.files), *names])


def _reading(params: Params, name: str) -> ReadOptions:
    """How the file of this name is read."""
    return params.reading.but(params.file_options.get(name, ""))


def _file_options_error(params: Params, names: list[str]) -> str | None:
    for name, written in params.file_options.items():
        if name not in names:
            return f"There is no file “{name[:80]}” among the tables. There are: {', '.join(names[:10])}."
        try:
            params.reading.but(written)
        except BadInput as error:
            return f"{name}: {error.message}"
    return None


def _short(value: Any) -> Any:
    if isinstance(value, dict | list):
        value = as_text(value)
    return value[:CELL] + "…" if isinstance(value, str) and len(value) > CELL else value

"""Count the words of one column of a table.

Each row gets the number of its words and its longest word as new columns.
"""

from __future__ import annotations

import re
from typing import Any

from jobs.engine.sdk import (
    BadInput,
    Context,
    Estimate,
    FieldError,
    Find,
    ItemColumn,
    KindResult,
    Skip,
    TableFile,
    TableParams,
    figure,
    param,
)

TITLE = "Count words"
GROUP = "Data and numbers"
QUEUE = "cpu"
NEEDS = ()
NOUN = ("row", "rows")

ROWS_PER_SECOND = 5_000
WORD = re.compile(r"\w+(?:['’-]\w+)*")


class Params(TableParams):
    source: TableFile = param("Table", "CSV, TSV, JSON, JSONL, XLSX, XLS, ODS or Parquet.")
    column: str = param("Column", "The one whose words are counted.", min_length=1, max_length=200)
    shortest: int = param("Shortest word", "Shorter ones are not counted.", default=1, ge=1, le=50, unit="letters")


COLUMNS = (ItemColumn("words", "Words", "number"), ItemColumn("longest_word", "Longest word", "word"))


class Result(KindResult):
    rows: int = figure("Rows", type="number")


EXAMPLE: dict[str, Any] = {"source": "sample:reviews.csv", "column": "review"}


def check(params: Params, find: Find) -> list[FieldError]:
    try:
        columns = find(params.source).table(params.reading).columns
    except BadInput as error:
        return [FieldError("source", error.message)]
    if params.column in columns:
        return []
    return [FieldError("column", f"There is no column “{params.column}”. The table has {', '.join(columns[:20])}.")]


def estimate(params: Params, find: Find) -> Estimate:
    rows = find(params.source).table(params.reading).rows
    return Estimate(items=rows, seconds=None if rows is None else rows / ROWS_PER_SECOND)


def label(params: Params, find: Find) -> str:
    return find(params.source).name


def run(params: Params, context: Context) -> dict[str, Any]:
    source = context.open(params.source)
    counts = context.map(
        lambda row: _count(row, params), source.rows(params.reading), total=source.count(params.reading)
    )
    return {"rows": counts.done}


def _count(row: dict[str, Any], params: Params) -> dict[str, Any]:
    text = row.get(params.column)
    if text is None or not str(text).strip():
        raise Skip(f"{params.column} is empty.")
    words = [word for word in WORD.findall(str(text)) if len(word) >= params.shortest]
    return {"words": len(words), "longest_word": max(words, key=len, default="")}

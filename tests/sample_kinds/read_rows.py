"""Go through every row of a table and do nothing with it."""

from __future__ import annotations

from typing import Any

from jobs.engine.sdk import Context, KindParams, TableFile, param

TITLE = "Read rows"
GROUP = "Data and numbers"
QUEUE = "cpu"
NEEDS = ()
NOUN = ("row", "rows")


class Params(KindParams):
    source: TableFile = param("Table")
    concurrency: int = param("At a time", default=1, ge=1, le=256)


EXAMPLE: dict[str, Any] = {"source": "sample:reviews.csv"}


def run(params: Params, context: Context) -> dict[str, Any]:
    counts = context.map(lambda _: {"read": 1}, context.open(params.source).rows(), concurrency=params.concurrency)
    return {"rows": counts.done}

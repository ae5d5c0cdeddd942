"""The child that reads a table: `do` says whether it describes it, counts its rows, or gives them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from jobs.engine import jsonsafe
from jobs.engine.errors import BadInput
from jobs.engine.formats.tables.options import ReadOptions
from jobs.engine.formats.tables.reader import count_here, describe_here, values_here, window_here
from jobs.engine.sandbox import confined

LINE = 1 << 18  # bytes of rows to send at a time
LONGEST = 100_000_000
FIRST_ROWS, MOST_ROWS = 16, 2_000


def work(request: dict[str, Any], folder: Path) -> dict[str, Any] | Iterator[Any]:
    path, options = Path(request["path"]), ReadOptions(**request["options"])
    if request["do"] == "describe":
        return describe_here(path, request["name"], options).as_json()
    if request["do"] == "window":
        return {"rows": window_here(path, request["name"], options, request["start"], request["most"])}
    return {"rows": count_here(path, options)} if request["do"] == "count" else _lines(_with_notes(path, options))


def _with_notes(path: Path, options: ReadOptions) -> Iterator[Any]:
    """The rows, and behind them what became known on the way, as texts."""
    notes: list[str] = []
    yield from values_here(path, options, notes)
    yield from notes


def _lines(rows: Iterator[Any]) -> Iterator[bytes]:
    """JSON lists of some rows: few at first, for some only want to see how a table begins."""
    count = FIRST_ROWS
    while batch := list(islice(rows, count)):
        size = 1
        for line in _in_lines(batch):
            size += len(line)
            yield line
        count = max(1, min(2 * count, MOST_ROWS, count * LINE // size))


def _in_lines(batch: list[Any]) -> Iterator[bytes]:
    """One line, or several where it would be too long."""
    line = jsonsafe.dumps(batch).encode()
    if len(line) <= LONGEST:
        yield line
    elif len(batch) == 1:
        raise BadInput(f"A row is longer than {LONGEST:,} bytes, the most that is taken.")
    else:
        yield from _in_lines(batch[: len(batch) // 2])
        yield from _in_lines(batch[len(batch) // 2 :])


if __name__ == "__main__":
    confined.serve(work)

"""Tables out of files: CSV, TSV, JSON, JSON Lines, XLSX, XLS, ODS and Parquet.

What a file is, is decided by its content; its name only helps where that leaves a choice. All values fit into JSON.
`describe` looks at the beginning, of small files at all of it. `read` and `count` go through all of a file in constant memory. All
three read workbooks and Parquet in a confined child, so they may be called anywhere; `describe_here` and `read_here` are for
confined children themselves.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import chain, islice
from pathlib import Path
from typing import Any

from jobs.engine.formats.tables import books, detect, parquet, texts
from jobs.engine.formats.tables.grid import TableRow
from jobs.engine.formats.tables.options import DETECTED, ReadOptions
from jobs.engine.formats.tables.showing import cut_short
from jobs.engine.formats.tables.table_info import TableInfo
from jobs.engine.sandbox import confined

MODULE = "jobs.engine.formats.tables"
LITTLE = 64_000  # bytes of text that are described within some 50 ms
DESCRIBE = confined.ProcessLimits(seconds=60, written=1 << 30)
LOOK = confined.ProcessLimits(seconds=20, written=1 << 30)
READ = confined.ProcessLimits(seconds=3_600, memory=4 << 30, written=1 << 30)
ADVICE = "Save the table as CSV and upload that."


def describe(path: Path, name: str, options: ReadOptions = DETECTED) -> TableInfo:
    """What table this is. Raises BadInput with a sentence if it is none, or if its beginning is broken.

    What is more than a little text, or needs its encoding guessed, is looked at in a child.
    """
    head = _head(path, LITTLE + 1)
    if len(head) <= LITTLE and not detect.is_binary(head) and detect.is_utf(head):
        return describe_here(path, name, options)
    request = {"do": "describe", "path": str(path.absolute()), "name": name, "options": options.as_json()}
    return TableInfo.from_json(confined.run(MODULE, request, DESCRIBE, reads=[path], subject=name, advice=ADVICE))


def describe_here(path: Path, name: str, options: ReadOptions = DETECTED) -> TableInfo:
    """As `describe`, in this process."""
    head = _head(path, 4_000)
    if head.startswith(detect.PARQUET):
        return parquet.describe(path)
    return books.describe(path, options) if detect.is_binary(head) else texts.describe(path, name, options)


def read(
    path: Path, name: str, options: ReadOptions = DETECTED, notes: list[str] | None = None
) -> Iterator[dict[str, Any]]:
    """The rows, one at a time. Values of CSV and TSV are str, those of the others keep their type; what a row lacks is None.

    notes: gets what is known only once all rows were read, as sentences.
    Raises BadInput naming the line where the table breaks off; the rows before it have been given by then.
    """
    if detect.is_binary(_head(path, 8)):
        return _rows_of_child(path, name, options, notes if notes is not None else [])
    return texts.read(path, name, options, notes)


def read_here(
    path: Path, name: str, options: ReadOptions = DETECTED, notes: list[str] | None = None
) -> Generator[dict[str, Any]]:
    """As `read`, in this process."""
    if detect.is_binary(_head(path, 8)):
        return _dicts(values_here(path, options, notes), [])
    return texts.read(path, name, options, notes)


def values_here(path: Path, options: ReadOptions, notes: list[str] | None = None) -> Iterator[list[Any]]:
    """The columns' names, then the values of each row, of a workbook or Parquet file, in this process.

    A row with a cell that is shown otherwise, or not known, has one more value: {"shown": ..., "unknown": ...}, each by the
    column's place.
    """
    return parquet.values(path) if _head(path, 4) == detect.PARQUET else books.values(path, options, notes)


def window(path: Path, name: str, options: ReadOptions, start: int, most: int) -> list[dict[str, Any]]:
    """The rows after the first `start`, for showing: at most so many, fewer where they are large, long values cut.

    What is more than a little text is read in a child, within seconds.
    """
    head = _head(path, LITTLE + 1)
    if len(head) <= LITTLE and not detect.is_binary(head):
        return window_here(path, name, options, start, most)
    where = {"path": str(path.absolute()), "name": name, "options": options.as_json()}
    request = {"do": "window", **where, "start": start, "most": most}
    found = confined.run(MODULE, request, LOOK, reads=[path], subject=name, advice=ADVICE)
    return list(found["rows"])


def window_here(path: Path, name: str, options: ReadOptions, start: int, most: int) -> list[dict[str, Any]]:
    """As `window`, in this process."""
    with closing(read_here(path, name, options)) as rows:
        return cut_short(islice(rows, start, start + most))


def count(path: Path, name: str, options: ReadOptions = DETECTED) -> int:
    """How many rows `read` will give, exactly."""
    if detect.is_binary(_head(path, 8)):
        request = {"do": "count", "path": str(path.absolute()), "options": options.as_json()}
        return int(confined.run(MODULE, request, READ, reads=[path], subject=name, advice=ADVICE)["rows"])
    return sum(1 for _ in texts.read(path, name, options))


def count_here(path: Path, options: ReadOptions) -> int:
    """As `count`, of a workbook or Parquet file, in this process."""
    return parquet.count(path) if _head(path, 4) == detect.PARQUET else sum(1 for _ in values_here(path, options)) - 1


def _rows_of_child(path: Path, name: str, options: ReadOptions, notes: list[str]) -> Iterator[dict[str, Any]]:
    request = {"do": "rows", "path": str(path.absolute()), "options": options.as_json()}
    with closing(confined.stream(MODULE, request, READ, reads=[path], subject=name, advice=ADVICE)) as answers:
        yield from _dicts(chain.from_iterable(answers), notes)


def _dicts(values: Iterator[Any], notes: list[str]) -> Generator[dict[str, Any]]:
    """The rows of a child's lists. An object instead of a list at the end holds notes."""
    columns: list[str] = next(values)
    width = len(columns)
    for row in values:
        if isinstance(row, str):
            notes.append(row)
        elif len(row) > width:
            shown, unknown = (
                {columns[int(at)]: text for at, text in row[width][of].items()} for of in ("shown", "unknown")
            )
            yield TableRow(zip(columns, row[:width], strict=True), shown, unknown)
        else:
            yield dict(zip(columns, row, strict=True))


def _head(path: Path, n: int) -> bytes:
    with path.open("rb") as opened:
        return opened.read(n)

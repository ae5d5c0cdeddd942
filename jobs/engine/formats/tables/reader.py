"""Tables out of files: CSV, TSV, JSON, JSON Lines, XLSX and Parquet.

What a file is, is decided by its content; its name only helps where that leaves a choice. All values fit into JSON.
`describe` reads a megabyte. `read` and `count` go through all of a file in constant memory. All three read workbooks and Parquet
in a confined child, so they may be called anywhere; `describe_here` and `read_here` are for confined children themselves.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any, TextIO

from jobs.engine import jsonsafe
from jobs.engine.errors import BadInput
from jobs.engine.formats.tables import delimited, detect, json_rows, parquet, workbook
from jobs.engine.sandbox import confined

MODULE = "jobs.engine.formats.tables"
HEAD = 1_000_000
LITTLE = 64_000  # bytes of text that are described within some 50 ms
DESCRIBE = confined.ProcessLimits(seconds=20, written=1 << 30)
READ = confined.ProcessLimits(seconds=3_600, memory=4 << 30, written=1 << 30)
ADVICE = "Save the table as CSV and upload that."
SUSPICIOUS = 100_000  # characters of one record without an end in sight
FIRST_ROWS = 10
FIRST_BYTES = 200_000
KEYS_OF_ROWS = 100  # a JSON file's columns are the keys of this many rows


@dataclass(frozen=True)
class TableInfo:
    """What a table looks like.

    format: csv, tsv, json, jsonl, xlsx or parquet. encoding and delimiter: where the format has them.
    rows: how many; an estimate unless `exact`; None if not known. first: the first few, long values cut short, for showing.
    """

    format: str
    encoding: str | None
    delimiter: str | None
    columns: list[str]
    rows: int | None
    exact: bool
    first: list[dict[str, Any]] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether there are column names and nothing under them."""
        return self.exact and self.rows == 0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> TableInfo:
        return cls(**value)


def describe(path: Path, name: str, *, encoding: str | None = None, delimiter: str | None = None) -> TableInfo:
    """What table this is. Raises BadInput with a sentence if it is none, or if its first megabyte is broken.

    encoding, delimiter: instead of the detected ones. What is more than a little text is looked at in a child.
    """
    head = _head(path, LITTLE + 1)
    if len(head) <= LITTLE and not detect.is_binary(head):
        return describe_here(path, name, encoding=encoding, delimiter=delimiter)
    request = {
        "do": "describe",
        "path": str(path.absolute()),
        "name": name,
        "encoding": encoding,
        "delimiter": delimiter,
    }
    return TableInfo.from_json(confined.run(MODULE, request, DESCRIBE, reads=[path], subject=name, advice=ADVICE))


def describe_here(
    source: Path | bytes,
    name: str,
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    size: int | None = None,
) -> TableInfo:
    """As `describe`, in this process. source: a path, or the first megabyte of a text file of `size` bytes."""
    if isinstance(source, bytes):
        return _describe_text(source, name, encoding, delimiter, len(source) if size is None else size)
    size, head = source.stat().st_size, _head(source, HEAD)
    if head.startswith(detect.PARQUET):
        columns, count, first = parquet.look(source, FIRST_ROWS)
        return TableInfo("parquet", None, None, columns, count, True, _shortened(first, columns))
    if head.startswith(detect.ZIP):
        columns, count, exact, first = workbook.Sheet(source).look(FIRST_ROWS)
        return TableInfo("xlsx", None, None, columns, count, exact, _shortened(first, columns))
    info = _describe_text(head, name, encoding, delimiter, size)
    if info.rows is None:
        info = _describe_text(_head(source, delimited.RECORD_LIMIT + HEAD), name, encoding, delimiter, size)
    return info


def read(
    path: Path, name: str, *, encoding: str | None = None, delimiter: str | None = None
) -> Iterator[dict[str, Any]]:
    """The rows, one at a time. Values of CSV and TSV are str, those of the others keep their type.

    Raises BadInput naming the line where the table breaks off; the rows before it have been given by then.
    """
    head = _head(path, HEAD)
    if detect.is_binary(head):
        return _rows_of_child(path, name)
    return _read_text(path, name, head, encoding, delimiter)


def read_here(
    path: Path, name: str, *, encoding: str | None = None, delimiter: str | None = None
) -> Iterator[dict[str, Any]]:
    """As `read`, in this process."""
    head = _head(path, HEAD)
    return _dicts(values_here(path)) if detect.is_binary(head) else _read_text(path, name, head, encoding, delimiter)


def values_here(path: Path) -> Iterator[list[Any]]:
    """The columns' names, then the values of each row, of a workbook or Parquet file, in this process."""
    return parquet.values(path) if _head(path, 4) == detect.PARQUET else workbook.Sheet(path).values()


def count(path: Path, name: str, *, encoding: str | None = None, delimiter: str | None = None) -> int:
    """How many rows `read` will give, exactly."""
    head = _head(path, HEAD)
    if detect.is_binary(head):
        request = {"do": "count", "path": str(path.absolute())}
        return int(confined.run(MODULE, request, READ, reads=[path], subject=name, advice=ADVICE)["rows"])
    layout = _layout(head, name, encoding, delimiter, path)
    with _opened(path, layout.encoding) as stream:
        if layout.format == "jsonl":
            return json_rows.count_lines(stream)
        if layout.format == "json":
            return sum(1 for _ in json_rows.array(stream))
        return delimited.DelimitedTable(stream, layout.delimiter).count()


def count_here(path: Path) -> int:
    """As `count`, of a workbook or Parquet file, in this process."""
    return parquet.count(path) if _head(path, 4) == detect.PARQUET else sum(1 for _ in values_here(path)) - 1


def _rows_of_child(path: Path, name: str) -> Iterator[dict[str, Any]]:
    request = {"do": "rows", "path": str(path.absolute())}
    with closing(confined.stream(MODULE, request, READ, reads=[path], subject=name, advice=ADVICE)) as answers:
        yield from _dicts(chain.from_iterable(answers))


def _dicts(values: Iterator[list[Any]]) -> Iterator[dict[str, Any]]:
    columns: list[str] = next(values)
    for row in values:
        yield dict(zip(columns, row, strict=True))


@dataclass(frozen=True)
class _Layout:
    format: str
    encoding: str
    delimiter: str


def _describe_text(head: bytes, name: str, encoding: str | None, delimiter: str | None, size: int) -> TableInfo:
    whole = len(head) >= size
    layout = _layout(head, name, encoding, delimiter, None)
    text = detect.decoded(head, layout.encoding, whole)
    stream = io.StringIO(text, newline="")
    if layout.format in ("csv", "tsv"):
        table = delimited.DelimitedTable(stream, layout.delimiter, partial=not whole)
        columns = table.columns
        first = list(islice(table.rows(), FIRST_ROWS))
        seen = len(first) + table.count()
    else:
        rows = json_rows.rows(stream, layout.format, partial=not whole)
        columns, looked = _keys(islice(rows, KEYS_OF_ROWS))
        first, seen = looked[:FIRST_ROWS], len(looked) + sum(1 for _ in rows)
        if not columns and whole:
            raise BadInput("There is not one row with a named value in this file.")
    if layout.format in ("csv", "tsv") and table.cut > SUSPICIOUS:
        seen = 0  # a lost quote may be swallowing the file: let more of it be looked at
    shown_delimiter = layout.delimiter if layout.format in ("csv", "tsv") else None
    total = (
        seen
        if whole
        else _estimate(seen, stream.tell() if layout.format == "json" else len(text), text, size, len(head))
    )
    return TableInfo(layout.format, layout.encoding, shown_delimiter, columns, total, whole, _shortened(first, columns))


def _estimate(seen: int, used: int, text: str, size: int, head_bytes: int) -> int | None:
    """Rows in the whole, from those in the head; None if that does not tell."""
    if not seen:
        return None
    bytes_used = head_bytes * used / max(len(text), 1)
    return max(seen, round(seen * size / max(bytes_used, 1)))


def _keys(rows: Iterable[dict[str, Any]]) -> tuple[list[str], list[dict[str, Any]]]:
    """The keys of some rows, each once, and the rows. Raises BadInput as soon as there are too many."""
    keys: dict[str, None] = {}
    kept = []
    for row in rows:
        keys |= dict.fromkeys(row)
        if len(keys) > delimited.COLUMN_LIMIT:
            raise delimited.too_many_columns(len(keys))
        kept.append(row)
    return list(keys), kept


def _read_text(
    path: Path, name: str, head: bytes, encoding: str | None, delimiter: str | None
) -> Iterator[dict[str, Any]]:
    layout = _layout(head, name, encoding, delimiter, path)
    with _opened(path, layout.encoding) as stream:
        if layout.format in ("json", "jsonl"):
            yield from json_rows.rows(stream, layout.format)
        else:
            yield from delimited.DelimitedTable(stream, layout.delimiter).rows()


def _layout(head: bytes, name: str, encoding: str | None, delimiter: str | None, path: Path | None) -> _Layout:
    """How to read this text. Only the head is looked at, but for the encoding all of the file at `path`."""
    detect.refuse_what_is_no_table(head)
    known = detect.known_encoding(encoding) if encoding else detect.encoding_of(head, path)
    text = detect.decoded(head, known, whole=False)
    format = detect.text_format(text, name)
    if format in ("json", "jsonl"):
        return _Layout(format, known, "")
    separator = delimited.known_delimiter(delimiter) if delimiter else delimited.sniff(text, name)
    return _Layout("tsv" if separator == "\t" else "csv", known, separator)


def _opened(path: Path, encoding: str) -> TextIO:
    return path.open(encoding=detect.codec(encoding), newline="")


def _head(path: Path, n: int) -> bytes:
    with path.open("rb") as opened:
        return opened.read(n)


def _shortened(rows: list[dict[str, Any]], columns: list[str]) -> list[dict[str, Any]]:
    """Rows for showing: long values cut, and fewer rows where they are wide."""
    longest = max(40, min(2_000, FIRST_BYTES // max(len(columns), 1)))
    kept: list[dict[str, Any]] = []
    left = FIRST_BYTES
    for row in rows:
        short = {key: _cut(value, longest) for key, value in row.items()}
        left -= len(jsonsafe.dumps(short))
        if kept and left < 0:
            break
        kept.append(short)
    return kept


def _cut(value: Any, longest: int) -> Any:
    if isinstance(value, dict | list):
        text = jsonsafe.dumps(value)
        return value if len(text) <= longest else text[:longest] + "…"
    return value[:longest] + "…" if isinstance(value, str) and len(value) > longest else value

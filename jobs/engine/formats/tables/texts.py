"""Tables out of texts: CSV and its relatives, JSON and JSON Lines."""

from __future__ import annotations

import io
from collections.abc import Generator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from jobs.engine.errors import BadInput
from jobs.engine.formats.tables import delimited, detect
from jobs.engine.formats.tables.delimited import DelimitedText, Dialect
from jobs.engine.formats.tables.grid import COLUMN_LIMIT, Grid, fitted, too_many_columns
from jobs.engine.formats.tables.json_rows import JsonRows
from jobs.engine.formats.tables.options import ReadOptions
from jobs.engine.formats.tables.showing import FIRST_ROWS, shortened
from jobs.engine.formats.tables.table_info import TableInfo

HEAD = 1_000_000  # bytes by which the format is judged
LOOKED_AT = {"csv": 32_000_000, "json": 64_000_000}  # bytes in which wider rows, or further keys, are looked for

LONG_LINE = 1 << 16
FIRST_KEYS = "The columns are the keys of the first {:,} rows; a key that first comes later is not among them."


@dataclass(frozen=True)
class Layout:
    """How to read a text. guessed: nothing says that its encoding is this one. lenient: what cannot be read is replaced."""

    format: str
    encoding: str
    dialect: Dialect | None
    guessed: bool = False
    lenient: bool = False

    def notes(self) -> list[str]:
        notes = []
        if self.guessed:
            notes.append(f"Read as {self.encoding}, which is a guess. If letters are wrong, choose the encoding.")
        if self.lenient:
            notes.append(f"Some letters are not written in {self.encoding} and were replaced by “�”.")
        return notes + (self.dialect.notes() if self.dialect else [])


def describe(path: Path, name: str, options: ReadOptions) -> TableInfo:
    """What table this text is. Raises BadInput."""
    layout = _layout(path, name, options)
    size = path.stat().st_size
    end, clean = _end(path, layout)
    with _opened(path, layout, end if end < size else None, clean) as stream:
        looked = _Looked(stream, layout, options, partial=end < size)
    count = looked.count if end >= size else max(looked.count, round(looked.count * size / max(end - looked.cut, 1)))
    first, shown = shortened(looked.first, len(looked.columns))
    return TableInfo(
        layout.format,
        layout.encoding,
        layout.dialect.shown_delimiter if layout.dialect else None,
        looked.columns,
        count,
        end >= size,
        first,
        shown,
        header_row=looked.header_row,
        cells=options.cells if layout.dialect else None,
        lenient=layout.lenient,
        notes=[*layout.notes(), *looked.notes],
    )


def read(path: Path, name: str, options: ReadOptions, notes: list[str] | None = None) -> Generator[dict[str, Any]]:
    """The rows, one at a time; see `reader.read`."""
    layout = _layout(path, name, options)
    if layout.dialect and options.width is None:
        options = describe(path, name, options).options
    with _opened(path, layout) as stream:
        if layout.dialect is None:
            yield from JsonRows(stream, layout.format)
            return
        grid = Grid(DelimitedText(stream, layout.dialect).records(), options, "line")
        columns = grid.columns
        for fields in grid.rows():
            yield dict(zip(columns, fields, strict=True))


class _Looked:
    """What the beginning of a text tells: columns, how many rows, the first of them."""

    def __init__(self, stream: TextIO, layout: Layout, options: ReadOptions, partial: bool):
        self.cut = 0
        self.header_row: int | None = None
        if layout.dialect:
            self._look_at_records(stream, layout.dialect, options, partial)
        else:
            self._look_at_objects(stream, layout.format, partial)

    def _look_at_records(self, stream: TextIO, dialect: Dialect, options: ReadOptions, partial: bool) -> None:
        text = DelimitedText(stream, dialect, partial)
        grid = Grid(text.records(), options, "line")
        if not grid.filled:
            raise BadInput("There is no line with the names of the columns.")
        records = grid.records()
        first = [fields for _, fields in islice(records, FIRST_ROWS)]
        self.count = len(first) + sum(1 for _ in records)
        self.cut, self.columns, self.header_row = text.cut, grid.columns, grid.header_row
        width = len(self.columns)
        self.first = [dict(zip(self.columns, fitted(fields, width), strict=True)) for fields in first]
        self.notes = grid.notes()

    def _look_at_objects(self, stream: TextIO, format: str, partial: bool) -> None:
        rows = JsonRows(stream, format, partial)
        keys: dict[str, None] = {}
        self.first, self.count = [], 0
        for row in rows:
            self.count += 1
            keys.update(dict.fromkeys(row))
            if len(keys) > COLUMN_LIMIT:
                raise too_many_columns(len(keys))
            if self.count <= FIRST_ROWS:
                self.first.append(row)
        if not keys and not partial:
            raise BadInput("There is not one row with a named value in this file.")
        self.columns, self.notes = list(keys), rows.notes
        if partial:
            self.notes.append(FIRST_KEYS.format(self.count))


def _layout(path: Path, name: str, options: ReadOptions) -> Layout:
    with path.open("rb") as opened:
        head = opened.read(HEAD)
    detect.refuse_what_is_no_table(head)
    encoding = detect.known_encoding(options.encoding) if options.encoding else detect.encoding_of(head, path)
    guessed = not options.encoding and not detect.is_sure(encoding)
    found = not options.encoding and not encoding.startswith(("utf-16", "utf-32"))
    lenient = options.lenient or (found and not detect.is_readable(path, encoding))
    text = detect.decoded(head, encoding, whole=False, lenient=lenient)
    format = detect.text_format(text, name)
    layout = Layout(format, encoding, None, guessed, lenient)
    if format != "csv":
        return layout
    chosen = delimited.known_delimiter(options.delimiter) if options.delimiter else None
    dialect = delimited.sniff(text, name, chosen)
    return replace(layout, format="tsv" if dialect.delimiter == "\t" else "csv", dialect=dialect)


def _end(path: Path, layout: Layout) -> tuple[int, bool]:
    """Where to stop looking: behind the line that goes past so many bytes; and whether a letter ends there."""
    with path.open("rb") as opened:
        opened.seek(LOOKED_AT["csv" if layout.dialect else "json"])
        line = opened.readline(delimited.RECORD_LIMIT if layout.dialect else LONG_LINE)
        wide = {"utf-16": 2, "utf-32": 4}.get(layout.encoding[:6], 1)  # bytes of a letter
        return -(-opened.tell() // wide) * wide, line.endswith(b"\n")


def _opened(path: Path, layout: Layout, end: int | None = None, clean: bool = True) -> TextIO:
    errors = "replace" if layout.lenient else "strict" if clean or end is None else "ignore"
    raw = path.open("rb") if end is None else _Beginning(path, end)
    return io.TextIOWrapper(
        io.BufferedReader(raw) if end is not None else raw, detect.codec(layout.encoding), errors, newline=""
    )  # type: ignore[type-var]


class _Beginning(io.RawIOBase):
    """The first bytes of a file, as a file."""

    def __init__(self, path: Path, end: int):
        self._file, self._left = path.open("rb"), end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(min(len(buffer), self._left))
        self._left -= len(data)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()

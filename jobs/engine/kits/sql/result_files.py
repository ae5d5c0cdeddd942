"""Writes the rows of a query into a file, in the child process. DuckDB itself writes CSV, JSONL and Parquet: rows do not pass
through Python, whose part is only to count them and to cut the text after the last whole one.
"""

from __future__ import annotations

import csv
import io
import json
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain, islice
from pathlib import Path
from typing import Any

from jobs.engine.errors import LegworkError
from jobs.engine.formats import exports
from jobs.engine.formats.exports import workbook
from jobs.engine.formats.tables.parquet import BATCH, converter
from jobs.engine.kits.sql import expressions
from jobs.engine.kits.sql.expressions import Styles
from jobs.engine.sandbox.locked_duckdb import LockedDuckDB, numbered, quoted

CHUNK = 1 << 20
ROW_BYTES = 16_000_000
_SHEET_ENDS = f"A spreadsheet holds {{:,}} rows under its header, so the result ends there. {workbook.INSTEAD}"
FIRST_ROWS = 200
POLL_SECONDS = 0.3


class RowTooLarge(LegworkError):
    reason = "row_too_large"


@dataclass
class Written:
    """What has been written so far. `bytes` ends after a whole row; in Parquet and XLSX it is 0 until all is written."""

    count: int = 0
    bytes: int = 0
    more: bool = False
    first: list[list[Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ResultQuery:
    """The SELECT, and the columns of its result."""

    database: LockedDuckDB
    select: str
    names: list[str]
    types: list[str]
    styles: Styles

    def source(self, limit: int | None = None) -> str:
        """The result as a table whose columns are c0, c1, ... A comment at its end cannot reach beyond its line."""
        limited = "" if limit is None else f" limit {limit}"
        return f"(from ({self.select}\n) as answer({numbered(len(self.names))}){limited})"

    def columns(self, expression: Callable[[str, str, Styles], str]) -> list[str]:
        return [expression(f"c{place}", name, self.styles) for place, name in enumerate(self.types)]


class Sink:
    """Where the rows go: a pipe for text, of which only whole rows reach the file; else the file itself."""

    def __init__(self, format: str, target: Path):
        self.format = format
        self.target = target
        self.descriptor: int | None = None
        self._pipe_end: int | None = None
        if format in ("csv", "jsonl"):
            self._pipe_end, self.descriptor = os.pipe()
        elif format == "parquet":
            self.descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)

    def records(self, most: int, written: Written) -> _Records:
        assert self._pipe_end is not None
        return _Records(self, self._pipe_end, most, written)

    def close(self) -> None:
        """Close our end, after which a pipe's reader sees the end."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


def write(query: ResultQuery, sink: Sink, most: int, written: Written) -> Iterator[None]:
    """Write at most so many rows. Gives control back a few times a second; `written` says how far it is."""
    writer = {"csv": _write_csv, "jsonl": _write_jsonl, "parquet": _write_parquet, "xlsx": _write_workbook}[sink.format]
    fits = min(most, workbook.ROWS) if sink.format == "xlsx" else most
    yield from _meanwhile(lambda: writer(query, sink, fits, written))
    if written.more:
        written.notes.append(
            _SHEET_ENDS.format(fits) if fits < most else f"The result ends at its limit of {most:,} rows."
        )


def _meanwhile(work: Callable[[], None]) -> Iterator[None]:
    """Run this in a thread, and raise what it raised."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work)
        while not wait([future], POLL_SECONDS).done:
            yield
        future.result()


# Text formats, through a pipe.


def _write_csv(query: ResultQuery, sink: Sink, most: int, written: Written) -> None:
    query.database.define("defused", exports.cell)
    header = io.StringIO()
    csv.writer(header, lineterminator="\n").writerow([exports.cell(name) for name in query.names])
    cells = query.columns(expressions.csv_cell)
    if len(cells) == 1:
        cells = [f"coalesce({cells[0]}, '')"]  # so that it is no blank line
    select = f"select {', '.join(cells)} from {query.source(most + 1)}"  # noqa: S608 - names are quoted
    records = sink.records(most, written)
    try:
        with records.started(f"\ufeff{header.getvalue()}".encode(), quotes=True):
            query.database.copy(select, query.database.sinks[0], "format csv, header false")
    finally:
        csv.field_size_limit(2 * ROW_BYTES)
        found = csv.reader(io.StringIO(records.beginning.decode("utf-8", "replace"), newline=""))
        written.first = [
            [expressions.shown(text, name) for text, name in zip(row, query.types, strict=True)]
            for row in islice(found, FIRST_ROWS)
        ]


def _write_jsonl(query: ResultQuery, sink: Sink, most: int, written: Written) -> None:
    values = query.columns(expressions.json_value)
    named = ", ".join(f"{value} as {quoted(name)}" for value, name in zip(values, query.names, strict=True))
    select = f"select {named} from {query.source(most + 1)}"  # noqa: S608 - names are quoted
    records = sink.records(most, written)
    try:
        with records.started(b""):
            query.database.copy(select, query.database.sinks[0], "format json")
    finally:
        lines = records.beginning.split(b"\n")[:-1][:FIRST_ROWS]
        written.first = [list(json.loads(line).values()) for line in lines]


class _Records:
    """Takes what comes through a pipe, and puts whole records into a file, not more than the most.

    beginning: enough of the first records.
    """

    def __init__(self, sink: Sink, pipe_end: int, most: int, written: Written):
        self.beginning = b""
        self._sink = sink
        self._pipe_end = pipe_end
        self._most = most
        self._written = written
        self._too_large = self._quotes = False

    @contextmanager
    def started(self, header: bytes, quotes: bool = False) -> Iterator[None]:
        """Take what is written meanwhile. quotes: a line break in quotes ends no record."""
        self._quotes = quotes
        thread = threading.Thread(target=self._drain, args=(header,))
        thread.start()
        try:
            yield
        finally:
            self._sink.close()
            thread.join()
        if self._too_large:
            raise RowTooLarge("A row of the result is over 16 MB. Select fewer or shorter values.")

    def _drain(self, header: bytes) -> None:
        rest = b""
        with self._sink.target.open("wb") as opened, os.fdopen(self._pipe_end, "rb", buffering=0) as pipe:
            self._put(opened, header, 0)
            while chunk := pipe.read(CHUNK):
                if self._written.more or self._too_large:
                    continue
                rest += chunk
                self._too_large = len(rest) > ROW_BYTES + CHUNK
                rest = self._take(opened, rest)

    def _take(self, opened: Any, data: bytes) -> bytes:
        """Write the whole records of the data; return what is left of it."""
        ends = _ends(data, self._quotes, self._most - self._written.count)
        self._written.more = ends.more
        if ends.at and len(self.beginning) < CHUNK:
            self.beginning += data[: ends.at]
        self._put(opened, data[: ends.at], ends.count)
        return data[ends.at :]

    def _put(self, opened: Any, data: bytes, count: int) -> None:
        opened.write(data)
        opened.flush()
        self._written.count += count
        self._written.bytes += len(data)


@dataclass(frozen=True)
class _Ends:
    """How many whole records there are, where the last of them ends, and whether there are more than the most."""

    count: int
    at: int
    more: bool


def _ends(data: bytes, quotes: bool, most: int) -> _Ends:
    if not quotes or b'"' not in data:
        count = data.count(b"\n")
        return _Ends(count, data.rfind(b"\n") + 1, False) if count <= most else _Ends(most, _after(data, most), True)
    count = at = place = 0
    for number, part in enumerate(data.split(b'"')):  # even ones are outside of quotes
        if number % 2 == 0 and (lines := part.count(b"\n")):
            if count + lines > most:
                left = most - count
                return _Ends(most, place + _after(part, left) if left else at, True)
            count += lines
            at = place + part.rfind(b"\n") + 1
        place += len(part) + 1
    return _Ends(count, at, False)


def _after(data: bytes, lines: int) -> int:
    """Where so many lines end."""
    place = 0
    for _ in range(lines):
        place = data.index(b"\n", place) + 1
    return place


# Formats that are whole or nothing.


def _write_parquet(query: ResultQuery, sink: Sink, most: int, written: Written) -> None:
    named = ", ".join(
        f"{value} as {quoted(name)}"
        for value, name in zip(query.columns(expressions.parquet_value), query.names, strict=True)
    )
    select = f"select {named} from {query.source(most)}"  # noqa: S608 - names are quoted
    count = query.database.copy(select, query.database.sinks[0], "format parquet, use_tmp_file false")
    if count == most:
        rest = f"select 1 from {query.source()} limit 1 offset {most}"  # noqa: S608 - ours
        written.more = query.database.execute(rest).fetchone() is not None
    written.count, written.bytes = count, sink.target.stat().st_size


def _write_workbook(query: ResultQuery, sink: Sink, most: int, written: Written) -> None:
    import duckdb

    result = query.database.execute(f"select * from {query.source(most + 1)}")  # noqa: S608 - ours
    interrupted: list[duckdb.Error] = []

    def batches() -> Iterator[list[tuple[Any, ...]]]:
        try:
            while batch := result.fetchmany(BATCH):
                yield batch
        except duckdb.InterruptException as error:
            interrupted.append(error)  # so that the workbook is whole, with the rows up to here

    rows = _rows(batches(), query.types, most, written)
    written.notes += workbook.write(query.names, rows, sink.target, query.types)
    written.bytes = sink.target.stat().st_size
    if interrupted:
        raise interrupted[0]


def _cell(type_name: str) -> Callable[[Any], Any] | None:
    """What makes a value one for a workbook; None where it is."""
    return timedelta.total_seconds if type_name == "INTERVAL" else converter(type_name)


def _rows(
    batches: Iterator[list[tuple[Any, ...]]], types: list[str], most: int, written: Written
) -> Iterator[list[Any]]:
    """The rows as JSON values."""
    converters = [(place, convert) for place, name in enumerate(types) if (convert := _cell(name)) is not None]
    for record in chain.from_iterable(batches):
        if written.count == most:
            written.more = True
            return
        values = list(record)
        for place, convert in converters:
            if values[place] is not None:
                values[place] = convert(values[place])
        written.count += 1
        if len(written.first) < FIRST_ROWS:
            written.first.append(list(values))
        yield values

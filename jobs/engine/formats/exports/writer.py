"""Rows out, as a stream of bytes: CSV, JSON Lines, XLSX or Parquet.

CSV and JSON Lines are written as the rows come. The other two need a file to go back and forth in: a child process writes it,
fed over a pipe, so that their libraries stay out of this process; then the file is streamed, and is gone when the stream ends.
"""

from __future__ import annotations

import csv
import io
import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from jobs.engine import jsonsafe
from jobs.engine.errors import NO_SPACE, BadInput, LegworkError
from jobs.engine.sandbox import confined
from jobs.engine.sandbox.spawn import LineChild

FORMATS = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "parquet": "application/vnd.apache.parquet",
}
CHUNK = 1 << 16
LIMITS = confined.ProcessLimits(memory=4 << 30, written=1 << 40, cpu=86_400)  # the rows are ours, and may be many
END = "end"  # the last line for a child; without it the rows were broken off
FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")  # the last four: their full-width forms
# The same inside a cell, for programs that separate cells by semicolons or tabs. Lists in Markdown, "- one", are left alone.
_INNER = re.compile(
    r"(?<!\A[\t\r\n])"
    r"(?:(?<=[;\t])(?P<gap> *)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])|(?<=[\r\n])(?=[=+\-@\uff1d\uff0b\uff0d\uff20][\w(]))"
    r"(?![+-]?[\d.,]+(?:[;\t\r\n]|$))"
)
_INNER_DEFUSED = re.compile(r"(?<=[;\t\r\n])( *)'(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")
NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")


def export(
    rows: Iterable[dict[str, Any]], columns: list[str], format: str, types: Mapping[str, str] | None = None
) -> Iterator[bytes]:
    """The rows' values under these columns, in constant memory. Other keys of a row are left out.

    types: DuckDB's type of a column, where it is known: Parquet and XLSX keep dates and decimals as such then.
    Raises BadInput, at the first bytes asked for, where the rows do not fit the format. Closing the stream ends all it started.
    """
    if format not in FORMATS:
        raise BadInput(f"Tables come as {', '.join(FORMATS)}; “{format[:20]}” is none of them.")
    if format == "csv":
        return _csv(rows, columns)
    if format == "jsonl":
        return _jsonl(rows, columns)
    return _by_child(rows, columns, format, types or {})


def _csv(rows: Iterable[dict[str, Any]], columns: list[str]) -> Iterator[bytes]:
    """UTF-8 with the mark by which spreadsheet programs know it."""
    text = io.StringIO()
    text.write("\ufeff")
    writer = csv.writer(text)
    writer.writerow([cell(column) for column in columns])
    for row in rows:
        writer.writerow([cell(row.get(column)) for column in columns])
        if text.tell() > CHUNK:
            yield _taken(text)
    yield _taken(text)


def cell(value: Any) -> str:
    """A value as the text of one cell, with an apostrophe before what a spreadsheet program would run as a formula."""
    if isinstance(value, str):
        text = _INNER.sub(r"\g<gap>'", jsonsafe.clean_text(value))
        return f"'{text}" if FORMULA.match(text) and not NUMBER.fullmatch(text) else text
    value = jsonsafe.clean(value)
    if value is None:
        return ""
    return _INNER.sub(r"\g<gap>'", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def without_apostrophes(text: str) -> str:
    """A cell's text without the apostrophes that `cell` puts before formulas."""
    text = text[1:] if text[:1] == "'" and FORMULA.match(text, 1) else text
    return _INNER_DEFUSED.sub(r"\1", text)


def _taken(text: io.StringIO) -> bytes:
    """Return what has been written, and empty the buffer."""
    written = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    return written


def _jsonl(rows: Iterable[dict[str, Any]], columns: list[str]) -> Iterator[bytes]:
    """One object a line; a key that a row has not is left out of its line too."""
    waiting = bytearray()
    for row in rows:
        kept = {column: row[column] for column in columns if column in row}
        waiting += jsonsafe.dumps(kept).encode() + b"\n"
        if len(waiting) > CHUNK:
            yield bytes(waiting)
            waiting.clear()
    yield bytes(waiting)


def _by_child(
    rows: Iterable[dict[str, Any]], columns: list[str], format: str, types: Mapping[str, str]
) -> Iterator[bytes]:
    with (
        _no_space_in_words(),
        tempfile.TemporaryDirectory(prefix="legwork-export-", ignore_cleanup_errors=True) as folder,
    ):
        target = Path(folder) / f"table.{format}"
        with confined.started("jobs.engine.formats.exports", {"target": str(target)}, LIMITS, Path(folder)) as child:
            _feed(child, rows, columns, types)
            _settle(child)
        with target.open("rb") as written:
            target.unlink()  # gone even if this process is killed while somebody reads slowly
            while chunk := written.read(CHUNK):
                yield chunk


def _feed(child: LineChild, rows: Iterable[dict[str, Any]], columns: list[str], types: Mapping[str, str]) -> None:
    """One JSON list a line: the columns, their types, then each row's values, then the end.

    A child that has given up says why when asked.
    """
    head = [columns, [types.get(column) for column in columns]]
    waiting = bytearray(b"".join(jsonsafe.dumps(line).encode() + b"\n" for line in head))
    with suppress(BrokenPipeError):
        for row in rows:
            waiting += jsonsafe.dumps([row.get(column) for column in columns]).encode() + b"\n"
            if len(waiting) > CHUNK:
                child.send(bytes(waiting))
                waiting.clear()
        child.send(bytes(waiting) + f'"{END}"\n'.encode())


def _settle(child: LineChild) -> None:
    """Wait for the file to be whole. Raises the child's reason if it will not be."""
    said = json.loads(child.line() or "null")
    if said is None:
        raise LegworkError(
            "The table could not be written: its writer stopped. Try CSV, or try again.", reason="export_failed"
        )
    if "error" in said:
        raise (BadInput if said["reason"] == "bad_input" else LegworkError)(said["error"], reason=said["reason"])


@contextmanager
def _no_space_in_words() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        raise LegworkError(
            "There is no space left to prepare the table. Download it as CSV, or free some space.", reason="no_space"
        ) from error

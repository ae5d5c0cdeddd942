"""XLSX: the first sheet, its first filled row as the header. Formulas count as the values they had when they were saved."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.engine import jsonsafe
from jobs.engine.errors import BadInput
from jobs.engine.formats.tables.delimited import header_names
from jobs.engine.formats.tables.detect import ACCEPTED

if TYPE_CHECKING:
    from openpyxl.worksheet._read_only import ReadOnlyWorksheet

UNPACKED_LIMIT = 1_000_000_000
STRINGS_LIMIT = 250_000_000  # openpyxl holds the shared strings in memory
RATIO_LIMIT = 500
PARTS_LIMIT = 10_000
BLANK_ROWS = 100_000
LOOKED_AT = 100_000  # cells: what fits into a second or two
OTHERS = {
    "word/": "a Word document",
    "ppt/": "a PowerPoint presentation",
    "META-INF/manifest.xml": "an OpenDocument or Java file",
}


class Sheet:
    """The first sheet of the workbook at a path."""

    def __init__(self, path: Path):
        self._path = path

    def values(self) -> Iterator[list[Any]]:
        """The columns' names, then the values of each row."""
        with _opened(self._path) as sheet:
            columns, rows = _table(sheet)
            yield columns
            yield from rows

    def look(self, n: int) -> tuple[list[str], int, bool, list[dict[str, Any]]]:
        """The columns, the number of rows, whether that is exact, and the first n rows."""
        with _opened(self._path) as sheet:
            said = sheet.max_row or 0
            columns, rows = _table(sheet)
            first = [dict(zip(columns, values, strict=True)) for values in islice(rows, n)]
            most = max(LOOKED_AT // len(columns), n)
            seen = len(first) + sum(1 for _ in islice(rows, most - len(first)))
            return (columns, seen, True, first) if seen < most else (columns, max(said - 1, seen), False, first)


@contextmanager
def _opened(path: Path) -> Iterator[ReadOnlyWorksheet]:
    _check_archive(path)
    with _in_words(), path.open("rb") as opened:  # of a path, openpyxl would judge the suffix
        import openpyxl

        book = openpyxl.load_workbook(opened, read_only=True, data_only=True, keep_links=False)
        try:
            if not book.worksheets:
                raise BadInput("There is no sheet with cells in this workbook.")
            yield book.worksheets[0]
        finally:
            book.close()


@contextmanager
def _in_words() -> Iterator[None]:
    """Turn errors into sentences: openpyxl raises almost anything for a damaged workbook."""
    try:
        yield
    except (BadInput, GeneratorExit):
        raise
    except MemoryError:
        raise BadInput("The workbook takes too much memory to open. Save the table as CSV and upload that.") from None
    except Exception as error:
        message = "The workbook cannot be read; it may be damaged. Open it in a spreadsheet program, save it as XLSX and try again."
        raise BadInput(f"{message} ({type(error).__name__})") from error


def _check_archive(path: Path) -> None:
    """Refuse files that are no workbook, or would unpack to too much.

    The sizes are the archive's own words, and they hold: zipfile gives no more bytes of a part than it announces.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise BadInput("The file begins like a workbook but is cut off or damaged. Upload it again.") from None
    names = {part.filename for part in parts}
    if "xl/workbook.xml" not in names:
        raise BadInput(f"This is {_other(names)}. {ACCEPTED}")
    unpacked = sum(part.file_size for part in parts)
    strings = sum(part.file_size for part in parts if "sharedStrings" in part.filename)
    ratio = unpacked // max(path.stat().st_size, 1)
    if unpacked > UNPACKED_LIMIT or strings > STRINGS_LIMIT or len(parts) > PARTS_LIMIT:
        raise BadInput(
            f"The workbook's unpacked size, {unpacked / 1e6:,.0f} MB, is over the limit. Save the table as CSV and upload that."
        )
    if unpacked > 10_000_000 and ratio > RATIO_LIMIT:
        raise BadInput(
            f"The workbook unpacks to {ratio:,} times its size, over the limit. Save the table as CSV and upload that."
        )


def _other(names: set[str]) -> str:
    for start, name in OTHERS.items():
        if any(each.startswith(start) for each in names):
            return name
    return "a ZIP archive; unpack it first"


def _table(sheet: ReadOnlyWorksheet) -> tuple[list[str], Iterator[list[Any]]]:
    sheet.reset_dimensions()  # what a writer put down as the sheet's size is often wrong
    cells = _filled_rows(sheet)
    number, header = next(cells, (0, ()))
    if not number:
        raise BadInput("The first sheet of the workbook is empty.")
    columns = header_names(["" if value is None else str(_plain(value)) for value in _trimmed(header)])
    return columns, _rows(len(columns), cells)


def _rows(width: int, cells: Iterator[tuple[int, tuple[Any, ...]]]) -> Iterator[list[Any]]:
    for number, values in cells:
        if any(value is not None for value in values[width:]):
            raise BadInput(
                f"Row {number:,} has a value right of the last column that has a name. Name that column, or empty the cell."
            )
        yield [_plain(value) for value in values[:width]] + [None] * (width - len(values))


def _filled_rows(sheet: ReadOnlyWorksheet) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """The rows that have any value, with their numbers."""
    blank = 0
    for number, values in enumerate(sheet.iter_rows(values_only=True), 1):
        if any(value is not None for value in values):
            blank = 0
            yield number, values
        else:
            blank += 1
        if blank > BLANK_ROWS:
            return


def _trimmed(values: tuple[Any, ...]) -> tuple[Any, ...]:
    while values and values[-1] is None:
        values = values[:-1]
    return values


def _plain(value: Any) -> Any:
    """One cell as JSON has it. A date that has no time of day is only a date."""
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    return jsonsafe.clean(value)

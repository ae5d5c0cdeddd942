"""XLSX by openpyxl, a row at a time. Formulas count as the values they had when they were saved."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from jobs.engine.errors import BadInput
from jobs.engine.formats.tables import number_formats, sheets
from jobs.engine.formats.tables.detect import ACCEPTED
from jobs.engine.formats.tables.grid import Records
from jobs.engine.formats.tables.options import column_number
from jobs.engine.formats.tables.sheets import SheetName

if TYPE_CHECKING:
    from openpyxl import Workbook

UNPACKED_LIMIT = 1_000_000_000
STRINGS_LIMIT = 250_000_000  # openpyxl holds the shared strings in memory
RATIO_LIMIT = 500
PARTS_LIMIT = 10_000
CHUNK = 1 << 20
OTHERS = {
    "word/": "a Word document",
    "ppt/": "a PowerPoint presentation",
    "META-INF/manifest.xml": "an OpenDocument or Java file",
}
MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*?ref="([A-Z]+)(\d+):([A-Z]+)(\d+)"')
BY_COUNTRY = (14, 22)  # numbers of the formats of dates that each country writes in its own way


class XlsxBook:
    """An open workbook; see `sheets.Workbook`."""

    notes = ()

    def __init__(self, book: Workbook):
        self._book = book
        self._sheets = list(book.worksheets)
        self.sheets = [SheetName(one.title, one.sheet_state == "visible") for one in self._sheets]
        self._format = lru_cache(None)(self._format_of)

    def rows(self, place: int) -> Records:
        sheet = self._sheets[place]
        with sheet._get_source() as source:
            yield from _rows(self._parser(sheet, source), self._format)

    def size(self, place: int) -> int | None:
        most = self._sheets[place].max_row
        return int(most) if most else None

    def merged(self, place: int) -> dict[tuple[int, int], int]:
        with self._sheets[place]._get_source() as source:
            return _merged(source)

    def _parser(self, sheet: Any, source: IO[bytes]) -> Any:
        from openpyxl.worksheet._reader import WorkSheetParser

        book: Any = self._book
        return WorkSheetParser(
            source,
            sheet._shared_strings,
            data_only=True,
            epoch=book.epoch,
            date_formats=book._date_formats,
            timedelta_formats=book._timedelta_formats,
        )

    def _format_of(self, style: int) -> str:
        """The number format of a style; empty where a date is written by the country's custom."""
        from openpyxl.styles.numbers import BUILTIN_FORMATS, BUILTIN_FORMATS_MAX_SIZE

        book: Any = self._book
        number = book._cell_styles[style].numFmtId if style < len(book._cell_styles) else 0
        if number in BY_COUNTRY:
            return ""
        if number < BUILTIN_FORMATS_MAX_SIZE:
            return str(BUILTIN_FORMATS.get(number, ""))
        with suppress(IndexError):
            return str(book._number_formats[number - BUILTIN_FORMATS_MAX_SIZE])
        return ""


@contextmanager
def opened(path: Path) -> Iterator[XlsxBook]:
    """The workbook at a path, whose errors become sentences."""
    _check_archive(path)
    with in_words("XLSX"), path.open("rb") as read:  # of a path, openpyxl would judge the suffix
        import openpyxl

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a workbook has besides cells
            try:
                book = openpyxl.load_workbook(read, read_only=True, data_only=True, keep_links=False)
            except Exception as error:
                raise sheets.NotUnderstood(damaged("XLSX", error)) from error
            try:
                yield XlsxBook(book)
            finally:
                book.close()


@contextmanager
def in_words(format: str) -> Iterator[None]:
    """Turn errors into sentences: libraries raise almost anything for a damaged workbook."""
    try:
        yield
    except (BadInput, GeneratorExit):
        raise
    except MemoryError:
        raise BadInput("The workbook takes too much memory to open. Save the table as CSV and upload that.") from None
    except Exception as error:
        raise BadInput(damaged(format, error)) from error


def damaged(format: str, error: Exception) -> str:
    again = f"Open it in a spreadsheet program, save it as {format} and try again."
    return f"The workbook cannot be read; it may be damaged. {again} ({type(error).__name__})"


def _rows(parser: Any, format: Callable[[int], str]) -> Records:
    """The rows with their numbers. Only rows are kept of the sheet, and none of them for longer than it is read."""
    from openpyxl.utils.escape import unescape
    from openpyxl.worksheet._reader import DATA_TAG, FORMULA_TAG, ROW_TAG
    from openpyxl.xml.functions import iterparse

    def cell(found: dict[str, Any], element: Any) -> Any:
        value, style = found["value"], found["style_id"]
        if value is None:
            computed = element.get("t") == "str" or element.find(FORMULA_TAG) is None
            return None if computed else sheets.never_computed()
        if found["data_type"] == "e":
            return sheets.unknown(str(value))
        if isinstance(value, str):
            return sheets.cell(unescape(value) if "_x" in value else value, lambda: None)
        if not style and type(value) is not bool:
            return sheets.json_value(value)
        return sheets.cell(value, lambda: number_formats.shown(value, format(style)))

    data = None
    for event, element in iterparse(parser.source, events=("start", "end")):
        if event == "start":
            data = element if element.tag == DATA_TAG else data
        elif element.tag == ROW_TAG:
            number, cells = parser.parse_row(element)
            parser.row_dimensions.clear()
            yield number, _placed(cells, [cell(found, of) for found, of in zip(cells, element, strict=True)])
            if data is not None:
                data.clear()


def _placed(cells: list[dict[str, Any]], values: list[Any]) -> list[Any]:
    """The values of a row, each in its column."""
    if not cells or (cells[-1]["column"] == len(cells) and cells[0]["column"] == 1):
        return values
    row = [None] * max(found["column"] for found in cells)
    for found, value in zip(cells, values, strict=True):
        row[found["column"] - 1] = value
    return row


def _merged(source: IO[bytes]) -> dict[tuple[int, int], int]:
    """Where merged cells that span several rows begin, and the last row of each. They stand behind all rows."""
    found: dict[tuple[int, int], int] = {}
    rest = b""
    while chunk := source.read(CHUNK):
        text = rest + chunk
        for left, top, _, bottom in MERGED.findall(text):
            if bottom != top and len(found) <= sheets.MOST_MERGED:
                found[int(top), column_number(left.decode())] = int(bottom)
        rest = text[text.rfind(b"<") :]
    return found if len(found) <= sheets.MOST_MERGED else {}


def _check_archive(path: Path) -> None:
    """Refuse files that are no workbook, or would unpack to too much.

    The sizes are the archive's own words, and they hold: zipfile gives no more bytes of a part than it announces.
    """
    names = check_size(path)
    if "xl/workbook.xml" not in {name.replace("\\", "/").lower() for name in names}:
        raise BadInput(f"This is {_other(names)}. {ACCEPTED}")


def check_size(path: Path) -> set[str]:
    """The names of an archive's parts. Raises BadInput where they would unpack to too much."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise BadInput("The file begins like a workbook but is cut off or damaged. Upload it again.") from None
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
    return {part.filename for part in parts}


def _other(names: set[str]) -> str:
    for start, name in OTHERS.items():
        if any(each.startswith(start) for each in names):
            return name
    return "a ZIP archive; unpack it first"

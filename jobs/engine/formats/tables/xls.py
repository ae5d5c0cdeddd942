"""XLS, the workbooks of Excel before 2007, by xlrd. Such a sheet has at most 65,536 rows, so it is held whole."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.engine.errors import BadInput
from jobs.engine.formats.tables import number_formats, sheets
from jobs.engine.formats.tables.grid import Records
from jobs.engine.formats.tables.sheets import SheetName
from jobs.engine.formats.tables.xlsx import BY_COUNTRY, in_words

if TYPE_CHECKING:
    from xlrd.book import Book

OTHERS = {
    "WordDocument": "a Word document of before 2007",
    "PowerPoint Document": "a PowerPoint presentation of before 2007",
    "EncryptedPackage": "a workbook or document with a password; save it without one",
    "__substg1.0_": "a mail of Outlook",
}


class XlsBook:
    """An open workbook; see `sheets.Workbook`."""

    notes = ()

    def __init__(self, book: Book):
        self._book = book
        seen = getattr(book, "_sheet_visibility", [])
        self.sheets = [
            SheetName(name, not (place < len(seen) and seen[place])) for place, name in enumerate(book.sheet_names())
        ]

    def rows(self, place: int) -> Records:
        sheet = self._book.sheet_by_index(place)
        for at in range(sheet.nrows):
            yield at + 1, [self._cell(sheet.cell(at, column)) for column in range(sheet.row_len(at))]

    def size(self, place: int) -> int | None:
        return int(self._book.sheet_by_index(place).nrows)

    def merged(self, place: int) -> dict[tuple[int, int], int]:
        spans = self._book.sheet_by_index(place).merged_cells
        return {(top + 1, left + 1): bottom for top, bottom, left, _ in spans if bottom - top > 1}

    def _cell(self, found: Any) -> Any:
        import xlrd

        kind, value = found.ctype, found.value
        if kind == xlrd.XL_CELL_TEXT:
            return sheets.cell(value, lambda: None)
        if kind == xlrd.XL_CELL_ERROR:
            return sheets.unknown(str(xlrd.error_text_from_code.get(value, "#ERROR!")))
        if kind == xlrd.XL_CELL_BOOLEAN:
            return sheets.cell(bool(value), lambda: "TRUE" if value else "FALSE")
        if kind not in (xlrd.XL_CELL_NUMBER, xlrd.XL_CELL_DATE):
            return None
        code = self._format(found.xf_index)
        number = _whole(value) if kind == xlrd.XL_CELL_NUMBER else self._moment(value, code)
        return sheets.cell(number, lambda: number_formats.shown(number, code))

    def _format(self, style: int | None) -> str:
        """The number format of a style; empty where a date is written by the country's custom."""
        styles = self._book.xf_list
        key = styles[style].format_key if style is not None and style < len(styles) else 0
        found = self._book.format_map.get(key)
        return "" if found is None or key in BY_COUNTRY else str(found.format_str)

    def _moment(self, value: float, code: str) -> datetime | time | timedelta | int | float:
        """A date, a time of day, or a length of time, which has brackets in its format."""
        import xlrd

        if "[h" in code.lower() or "[m" in code.lower() or "[s" in code.lower():
            return timedelta(seconds=round(value * 86_400, 3))
        try:
            moment: datetime = xlrd.xldate_as_datetime(value, self._book.datemode)
        except (xlrd.XLDateError, OverflowError, ValueError):
            return _whole(value)
        rounded = moment + timedelta(microseconds=500)
        rounded = rounded.replace(microsecond=rounded.microsecond // 1000 * 1000)
        return rounded.time() if 0 <= value < 1 else rounded


@contextmanager
def opened(path: Path) -> Iterator[XlsBook]:
    """The workbook at a path, whose errors become sentences."""
    import xlrd

    with in_words("XLSX"):
        try:
            said = io.StringIO()  # of its doubts
            book = xlrd.open_workbook(str(path), logfile=said, on_demand=True, formatting_info=True, ragged_rows=True)
        except xlrd.XLRDError as error:
            raise BadInput(_refused(path, str(error))) from None
        try:
            yield XlsBook(book)
        finally:
            book.release_resources()


def _refused(path: Path, said: str) -> str:
    with path.open("rb") as opened:
        start = opened.read(1 << 20)
    for name, what in OTHERS.items():
        if name.encode("utf-16-le") in start:
            return f"This is {what}."
    if "encrypted" in said.lower():
        return "This workbook has a password. Save it without one and upload that."
    return "The workbook cannot be read; it may be damaged. Open it in a spreadsheet program, save it as XLSX and try again."


def _whole(value: float) -> int | float:
    return int(value) if value.is_integer() and abs(value) < 2**53 else value

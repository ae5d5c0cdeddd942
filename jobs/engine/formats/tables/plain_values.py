"""Workbooks that only python-calamine opens: XLSB, and XLSX that openpyxl does not understand. It tells nothing but values."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.engine.errors import BadInput
from jobs.engine.formats.tables import sheets, xlsx
from jobs.engine.formats.tables.grid import Records
from jobs.engine.formats.tables.sheets import SheetName

if TYPE_CHECKING:
    from python_calamine import CalamineWorkbook


class PlainBook:
    """An open workbook; see `sheets.Workbook`. Its sheets are held whole."""

    notes = (
        "Only the values of this workbook could be read: cells with an error are empty, and formats are not shown.",
    )

    def __init__(self, book: CalamineWorkbook):
        from python_calamine import SheetVisibleEnum

        self._book = book
        self.sheets = [SheetName(one.name, one.visible == SheetVisibleEnum.Visible) for one in book.sheets_metadata]

    def rows(self, place: int) -> Records:
        sheet = self._book.get_sheet_by_index(place)
        top, left = sheet.start or (0, 0)
        for number, cells in enumerate(sheet.to_python(), top + 1):
            yield number, [None] * left + [sheets.cell(_whole(cell), lambda: None) for cell in cells]

    def size(self, place: int) -> int | None:
        return self._book.get_sheet_by_index(place).total_height

    def merged(self, place: int) -> dict[tuple[int, int], int]:
        spans = self._book.get_sheet_by_index(place).merged_cell_ranges or []
        return {(top + 1, left + 1): bottom + 1 for (top, left), (bottom, _) in spans if bottom > top}


@contextmanager
def opened(path: Path, unreadable: BadInput | None = None) -> Iterator[PlainBook]:
    """The workbook at a path. Raises `unreadable`, where it is given, if this library cannot open it either."""
    from python_calamine import CalamineError, CalamineWorkbook

    xlsx.check_size(path)
    with xlsx.in_words("XLSX"):
        try:
            book = CalamineWorkbook.from_path(path)
        except CalamineError as error:
            raise unreadable or BadInput(xlsx.damaged("XLSX", error)) from None
        with book:
            yield PlainBook(book)


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value

"""Tables out of workbooks of all formats: the chosen sheet, its header, its rows."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from jobs.engine.formats.tables import detect, ods, plain_values, sheets, xls, xlsx
from jobs.engine.formats.tables.grid import Grid, row_values, table_row
from jobs.engine.formats.tables.options import ReadOptions
from jobs.engine.formats.tables.sheets import Workbook
from jobs.engine.formats.tables.showing import FIRST_ROWS, shortened
from jobs.engine.formats.tables.table_info import TableInfo

LOOKED_AT = 100_000  # cells: what fits into some seconds
OPENED: dict[str, Callable[[Path], AbstractContextManager[Workbook]]] = {
    "xlsx": xlsx.opened,
    "xlsb": plain_values.opened,
    "xls": xls.opened,
    "ods": ods.opened,
}


def format_of(path: Path) -> str:
    """xlsx, xlsb, xls or ods. What is none of them is refused when it is opened."""
    with path.open("rb") as opened:
        if opened.read(len(detect.ZIP)) != detect.ZIP:
            return "xls"
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            declared = archive.read("mimetype")[:100] if "mimetype" in names else b""
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError):
        return "xlsx"
    return "ods" if declared.startswith(ods.MIMETYPE) else "xlsb" if "xl/workbook.bin" in names else "xlsx"


def describe(path: Path, options: ReadOptions) -> TableInfo:
    """What is on the chosen sheet. Raises BadInput."""
    format = format_of(path)
    with _opened(path, format) as book:
        sheet = sheets.choose(book, options.sheet)
        grid = Grid(sheet.records, options, "row")
        records = grid.records()
        first = [cells for _, cells in islice(records, FIRST_ROWS)]
        most = max(LOOKED_AT // max(grid.widest, 1), FIRST_ROWS)
        seen = len(first) + sum(1 for _ in islice(records, most - len(first)))
        exact = next(records, None) is None
        columns = grid.columns
        below = "" if exact else f"In the first {seen:,} rows: "
        estimate = seen if exact else max(seen, sheet.size - grid.header_row) if sheet.size else None
        rows, shown = shortened([table_row(columns, cells) for cells in first], len(columns))
        return TableInfo(
            *(format, None, None, columns, estimate, exact, rows, shown, sheet.name, sheet.names),
            header_row=grid.header_row,
            cells=options.cells,
            notes=[*sheet.notes, *grid.notes(), *(below + note for note in grid.unknown_notes())],
        )


def values(path: Path, options: ReadOptions, notes: list[str] | None = None) -> Iterator[list[Any]]:
    """The columns' names, then the values of each row; see `reader.values_here`."""
    if options.width is None:
        options = describe(path, options).options
    with _opened(path, format_of(path)) as book:
        sheet = sheets.choose(book, options.sheet)
        grid = Grid(sheet.records, options, "row")
        yield grid.columns
        for cells in grid.rows():
            yield row_values(cells)
        if notes is not None:
            notes += grid.unknown_notes()


@contextmanager
def _opened(path: Path, format: str) -> Iterator[Workbook]:
    """The workbook; by another library, which tells values only, where the usual one cannot open it."""
    try:
        with OPENED[format](path) as book:
            yield book
            return
    except sheets.NotUnderstood as error:
        unreadable = error
    with plain_values.opened(path, unreadable) as plain:
        yield plain

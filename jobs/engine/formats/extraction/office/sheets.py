"""Workbooks (XLSX, XLSB, XLS, ODS): each sheet as a table of Markdown under its name, and what else stands on it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.engine.display import as_text
from jobs.engine.errors import BadInput
from jobs.engine.formats.extraction.markup import table
from jobs.engine.formats.extraction.office import ooxml, opendocument, word
from jobs.engine.formats.extraction.office.ooxml import Package, found, paragraphs
from jobs.engine.formats.extraction.runner import MOST_TEXT
from jobs.engine.sandbox.confined import BROKEN

if TYPE_CHECKING:
    from openpyxl.cell.read_only import EmptyCell, ReadOnlyCell

LOCKED = "The workbook is locked with a password. Remove the password in a spreadsheet program, and upload it again."
_UNCOMPUTED = re.compile(rb"(</f>|<f\b[^>]*/>)(<v\s*/>|<v></v>)?</c>")

Sheet = tuple[str, Iterable[Sequence[str]]]


def read(path: Path, format: str) -> tuple[str, str]:
    """The text of all sheets, and a note on formulas that have no value. Raises BadInput for a broken or locked workbook."""
    if format == "ods":  # calamine passes over cells that do not say their type
        return _written(opendocument.sheets(path)), ""
    if format != "xlsx":
        return _written(_by_calamine(path)), ""
    try:
        text = _written(_by_openpyxl(path))
    except (
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        IndexError,
    ):  # openpyxl is strict about styles and the like
        text = _written(_by_calamine(path))
    with Package(path) as package:
        beside = [f"{kind}: {' '.join(lines)}" for kind, lines in _beside(package)]
        return "\n\n".join([text, *beside]), _formulas(package)


def _written(sheets: Iterable[Sheet]) -> str:
    kept, left = [], MOST_TEXT
    for name, rows in sheets:
        if text := table(_within(rows, left)):
            kept.append(f"# {name}\n\n{text}")
            left -= len(text)
    return "\n\n".join(kept)


def _within(rows: Iterable[Sequence[str]], most: int) -> Iterator[Sequence[str]]:
    """The rows up to a number of characters."""
    for row in rows:
        most -= sum(map(len, row))
        if most < 0:
            return
        yield row


def _by_openpyxl(path: Path) -> Iterator[Sheet]:
    import openpyxl

    with path.open("rb") as opened:  # of a path, openpyxl would judge the suffix, and stored files have none
        book = openpyxl.load_workbook(opened, read_only=True, data_only=True, keep_links=False)
        for sheet in book.worksheets:
            sheet.reset_dimensions()  # what a writer put down as the sheet's size is often wrong
            hidden = "" if sheet.sheet_state == "visible" else " (hidden)"
            yield f"{sheet.title}{hidden}", ([_shown(cell) for cell in row] for row in sheet.iter_rows())


def _shown(cell: ReadOnlyCell | EmptyCell) -> str:
    value = cell.value
    if isinstance(value, int | float) and not isinstance(value, bool) and "%" in str(cell.number_format):
        return f"{as_text(value * 100)}%"
    return as_text(value)


def _by_calamine(path: Path) -> Iterator[Sheet]:
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetTypeEnum, SheetVisibleEnum

    try:
        with path.open("rb") as opened:
            book = CalamineWorkbook.from_filelike(opened)
            for place, meta in enumerate(book.sheets_metadata):
                if meta.typ == SheetTypeEnum.WorkSheet:
                    hidden = "" if meta.visible == SheetVisibleEnum.Visible else " (hidden)"
                    rows = book.get_sheet_by_index(place).iter_rows()
                    yield f"{meta.name}{hidden}", ([_calamine_shown(value) for value in row] for row in rows)
    except PasswordError as error:
        raise BadInput(LOCKED, reason="locked") from error
    except (CalamineError, OSError) as error:
        raise BadInput(BROKEN, reason="broken") from error


def _calamine_shown(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else as_text(value)


def _beside(package: Package) -> Iterator[tuple[str, list[str]]]:
    """Comments, text boxes, charts and diagrams, and the headers and footers of printed pages."""
    for name in package.matching(r"xl/(comments\d*|comments/comment\d*|threadedComments/threadedComment\d*)\.xml"):
        for comment in found(package.root(name), "comment", "threadedComment"):
            said = [part.text or "" for part in found(comment, "t", "text") if (part.text or "").strip()]
            if said:
                yield f"Comment on {ooxml.attribute(comment, 'ref')}", said
    for name in package.matching(r"xl/drawings/drawing\d*\.xml"):
        if lines := paragraphs(package.root(name)):
            yield "Text box", lines
    yield from word.drawings(package, "xl")


def _formulas(package: Package) -> str:
    """A note on formulas whose values were never computed, as in workbooks that a program wrote."""
    count = sum(
        len(_UNCOMPUTED.findall(package.read(name))) for name in package.matching(r"xl/worksheets/sheet\d+\.xml")
    )
    if not count:
        return ""
    many = "1 cell holds a formula that was" if count == 1 else f"{count:,} cells hold formulas that were"
    return f"{many} never computed, so it has no value. Open the workbook in a spreadsheet program, save it and upload it again."

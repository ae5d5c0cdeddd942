"""ODS, the workbooks of LibreOffice, a row at a time. Each cell comes with the text that the sheet shows.

The libraries for it hold the whole document in memory, and drop that text; ODF 1.3, part 3, section 9 describes the elements.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING

from jobs.engine.errors import BadInput
from jobs.engine.formats.tables import sheets, xlsx
from jobs.engine.formats.tables.grid import COLUMN_LIMIT, Cell, Records
from jobs.engine.formats.tables.sheets import SheetName

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MIMETYPE = b"application/vnd.oasis.opendocument.spreadsheet"
CONTENT, MANIFEST = "content.xml", "META-INF/manifest.xml"
_ODF = "urn:oasis:names:tc:opendocument:xmlns:"
TABLE, OFFICE, TEXT, STYLE = (f"{{{_ODF}{name}:1.0}}" for name in ("table", "office", "text", "style"))
CALCEXT = "{urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0}"
CELLS = (f"{TABLE}table-cell", f"{TABLE}covered-table-cell")
DURATION = re.compile(r"(-)?P(?:(\d+)D)?T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?")
MOST_REPEATED = 1_100_000  # rows; a sheet has no more


class OdsBook:
    """An open workbook; see `sheets.Workbook`."""

    notes = ()

    def __init__(self, archive: zipfile.ZipFile):
        self._archive = archive
        with self._content() as content:
            self.sheets = _sheets(content)

    def rows(self, place: int) -> Records:
        with self._content() as content:
            number = 0
            for row in _row_elements(content, place):
                times = min(_times(row, "rows"), MOST_REPEATED)
                cells = [value for value, _ in _cells(row)]
                for _ in range(times) if any(value is not None for value in cells) else ():
                    number += 1
                    times -= 1
                    yield number, list(cells)
                number += times

    def size(self, place: int) -> int | None:
        return None

    def merged(self, place: int) -> dict[tuple[int, int], int]:
        found: dict[tuple[int, int], int] = {}
        with self._content() as content:
            number = 1
            for row in _row_elements(content, place):
                for column, (_, span) in enumerate(_cells(row), 1):
                    if span > 1 and len(found) <= sheets.MOST_MERGED:
                        found[number, column] = number + span - 1
                number += _times(row, "rows")
        return found if len(found) <= sheets.MOST_MERGED else {}

    def _content(self) -> IO[bytes]:
        try:
            return self._archive.open(CONTENT)
        except KeyError:
            raise BadInput("The file begins like a workbook but is cut off or damaged. Upload it again.") from None


@contextmanager
def opened(path: Path) -> Iterator[OdsBook]:
    """The workbook at a path, whose errors become sentences."""
    xlsx.check_size(path)
    with xlsx.in_words("ODS"), zipfile.ZipFile(path) as archive:
        if MANIFEST in archive.namelist() and b"encryption-data" in archive.read(MANIFEST):
            raise BadInput("This workbook has a password. Save it without one and upload that.")
        yield OdsBook(archive)


def _sheets(content: IO[bytes]) -> list[SheetName]:
    """The names of the sheets, and whether they can be seen."""
    found: list[SheetName] = []
    hidden: set[str | None] = set()
    depth = 0
    for event, element in _events(content):
        if event == "start" and element.tag == f"{TABLE}table":
            depth += 1
            if depth == 1:
                name = element.get(f"{TABLE}name") or f"Sheet{len(found) + 1}"
                found.append(SheetName(name, element.get(f"{TABLE}style-name") not in hidden))
        elif event == "end" and element.tag == f"{STYLE}style":
            properties = element.find(f"{STYLE}table-properties")
            if properties is not None and properties.get(f"{TABLE}display") == "false":
                hidden.add(element.get(f"{STYLE}name"))
        elif event == "end" and element.tag in (f"{TABLE}table", f"{TABLE}table-row"):
            depth -= element.tag == f"{TABLE}table"
            element.clear()
    return found


def _events(content: IO[bytes]) -> Iterator[tuple[str, Element]]:
    from xml.etree.ElementTree import iterparse  # here, because expat is for children alone

    return iterparse(content, events=("start", "end"))  # noqa: S314 - in a confined child


def _row_elements(content: IO[bytes], place: int) -> Iterator[Element]:
    """The rows of one sheet. Those of tables within its cells are left out."""
    at, depth, open_rows = -1, 0, 0
    for event, element in _events(content):
        change = 1 if event == "start" else -1
        if element.tag == f"{TABLE}table":
            depth += change
            at += event == "start" and depth == 1
            if event == "end" and depth == 0:
                if at == place:
                    return
                element.clear()
        elif element.tag == f"{TABLE}table-row":
            open_rows += change
            if event == "end" and open_rows == 0:
                if at == place and depth == 1:
                    yield element
                element.clear()


def _cells(row: Element) -> list[tuple[Cell | object, int]]:
    """The values of a row, and how many rows each spans."""
    found: list[tuple[Cell | object, int]] = []
    for element in row:
        if element.tag in CELLS:
            value, times = _value(element), _times(element, "columns")
            span = int(element.get(f"{TABLE}number-rows-spanned") or 1)
            found += [(value, span)] * (times if value is None and times < COLUMN_LIMIT else min(times, COLUMN_LIMIT))
    return found


def _times(element: Element, what: str) -> int:
    return max(1, int(element.get(f"{TABLE}number-{what}-repeated") or 1))


def _value(element: Element) -> object:
    kind = element.get(f"{OFFICE}value-type")
    text = _text(element)
    if element.get(f"{CALCEXT}value-type") == "error":
        return sheets.unknown(text or "an error")
    if kind is None:
        return sheets.never_computed() if element.get(f"{TABLE}formula") else sheets.cell(text, lambda: None)
    return sheets.cell(_typed(element, kind, text), lambda: text or None)


def _typed(element: Element, kind: str, text: str) -> object:
    if kind in ("float", "percentage", "currency"):
        number = float(element.get(f"{OFFICE}value") or "nan")
        return int(number) if number.is_integer() and abs(number) < 2**53 else number
    if kind == "boolean":
        return element.get(f"{OFFICE}boolean-value") == "true"
    if kind == "date":
        return _moment(element.get(f"{OFFICE}date-value") or text)
    if kind == "time":
        return _duration(element.get(f"{OFFICE}time-value") or text)
    return element.get(f"{OFFICE}string-value") or text


def _moment(written: str) -> datetime | str:
    try:
        return datetime.fromisoformat(written)
    except ValueError:
        return written


def _duration(written: str) -> time | timedelta | str:
    """A length of time; one of less than a day may be a time of day, and is written as that."""
    found = DURATION.fullmatch(written)
    if found is None:
        return written
    sign, days, hours, minutes, seconds = found.groups()
    length = timedelta(
        days=int(days or 0), hours=int(hours or 0), minutes=int(minutes or 0), seconds=float(seconds or 0)
    )
    if sign or length >= timedelta(days=1):
        return -length if sign else length
    return (datetime.min + length).time()


def _text(element: Element) -> str:
    """The paragraphs of a cell as lines, without its comments."""
    return "\n".join(_plain(one) for one in element if one.tag == f"{TEXT}p")


def _plain(element: Element) -> str:
    parts = [element.text or ""]
    for one in element:
        if one.tag == f"{TEXT}s":
            parts.append(" " * int(one.get(f"{TEXT}c") or 1))
        elif one.tag in (f"{TEXT}tab", f"{TEXT}line-break"):
            parts.append("\t" if one.tag == f"{TEXT}tab" else "\n")
        elif one.tag != f"{OFFICE}annotation":
            parts.append(_plain(one))
        parts.append(one.tail or "")
    return "".join(parts)

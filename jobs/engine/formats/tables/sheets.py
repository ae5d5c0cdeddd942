"""What workbooks of all formats share: which sheet is read, what a cell becomes, and what is said of the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import chain
from typing import Any, Protocol

from jobs.engine import jsonsafe
from jobs.engine.display import as_text
from jobs.engine.errors import BadInput
from jobs.engine.formats.tables.grid import NEVER_COMPUTED, Cell, Records

BLANK_ROWS = 100_000
MOST_MERGED = 10_000  # cells that span several rows; of more, only the first row has the value


class NotUnderstood(BadInput):
    """The library for this format cannot open the workbook."""


@dataclass(frozen=True)
class SheetName:
    name: str
    visible: bool = True


class Workbook(Protocol):
    """An open workbook. `rows` gives each row with its number from 1; empty cells are None."""

    @property
    def sheets(self) -> Sequence[SheetName]: ...

    @property
    def notes(self) -> Sequence[str]: ...

    def rows(self, place: int) -> Records: ...

    def size(self, place: int) -> int | None:
        """How many rows the workbook says that a sheet has, if it says so."""
        ...

    def merged(self, place: int) -> dict[tuple[int, int], int]:
        """Where a merged cell begins, as row and column from 1, and the last row that it spans."""
        ...


@dataclass(frozen=True)
class ChosenSheet:
    """The sheet that is read: its rows, what else there is, and what to say of it."""

    name: str
    names: list[str]
    records: Records
    size: int | None
    notes: list[str]


def choose(book: Workbook, wanted: str | None) -> ChosenSheet:
    """The sheet of this name or number, or the first one that can be seen and has cells. Raises BadInput."""
    if not book.sheets:
        raise BadInput("There is no sheet with cells in this workbook.")
    place, records = _named(book, wanted) if wanted else _first(book)
    chosen, notes = book.sheets[place], list(book.notes)
    merged = book.merged(place)
    if merged:
        cells = f"{len(merged):,} merged cells span" if len(merged) > 1 else "A merged cell spans"
        notes.append(f"{cells} several rows: a text in it was taken for each of these rows.")
        records = _unmerged(records, merged)
    visible = [one.name for one in book.sheets if one.visible]
    others = [name for name in visible if name != chosen.name]
    if not wanted and others:
        shown = ", ".join(f"“{name[:60]}”" for name in others[:5]) + (", …" if others[5:] else "")
        notes.insert(0, f"The sheet “{chosen.name[:60]}” was read. Others in this workbook: {shown}.")
    return ChosenSheet(chosen.name, visible, records, book.size(place), notes)


def _named(book: Workbook, wanted: str) -> tuple[int, Records]:
    names = [one.name for one in book.sheets]
    for places in (
        [at for at, name in enumerate(names) if name == wanted],
        [at for at, name in enumerate(names) if name.strip().casefold() == wanted.strip().casefold()],
        [int(wanted) - 1]
        if wanted.strip().isascii() and wanted.strip().isdigit() and 0 < int(wanted) <= len(names)
        else [],
    ):
        if places:
            return places[0], filled_rows(book.rows(places[0]))
    there = ", ".join(f"“{one.name[:60]}”" for one in book.sheets[:10] if one.visible)
    raise BadInput(f"There is no sheet “{wanted[:60]}” in this workbook. There are: {there}.")


def _first(book: Workbook) -> tuple[int, Records]:
    """The first sheet with cells that is not hidden; a hidden one only where no other has any."""
    places = sorted(range(len(book.sheets)), key=lambda at: not book.sheets[at].visible)
    for place in places:
        records = filled_rows(book.rows(place))
        first = next(records, None)
        if first is not None:
            return place, chain([first], records)
    raise BadInput("All sheets of this workbook are empty.")


def filled_rows(rows: Records) -> Records:
    """The rows that have any value, without the empty cells at their ends."""
    last = 0
    for number, cells in rows:
        while cells and (cells[-1] is None or cells[-1] == ""):
            cells.pop()
        if cells:
            last = number
            yield number, cells
        elif number - last > BLANK_ROWS:
            return


def _unmerged(records: Records, merged: dict[tuple[int, int], int]) -> Records:
    """A merged cell's text for each row that it spans. A number is left alone, since a sum would count it several times."""
    beginning: dict[int, list[tuple[int, int]]] = {}
    for (row, column), last in merged.items():
        beginning.setdefault(row, []).append((column, last))
    running: dict[int, tuple[int, Any]] = {}
    for number, cells in records:
        for column, (last, value) in list(running.items()):
            if number > last:
                del running[column]
            elif len(cells) >= column and cells[column - 1] is None:
                cells[column - 1] = value
            elif len(cells) < column:
                cells += [None] * (column - 1 - len(cells)) + [value]
        for column, last in beginning.get(number, ()):
            value = cells[column - 1] if len(cells) >= column else None
            plain = value.value if isinstance(value, Cell) else value
            if isinstance(plain, str) and plain:
                running[column] = last, value
        yield number, cells


def cell(value: Any, shown: Callable[[], str | None]) -> Any:
    """One value as JSON has it, with the text that the sheet shows where that differs."""
    if value is None or isinstance(value, str):
        return None if value is None or value == "" else jsonsafe.clean_text(value)
    plain, text = json_value(value), shown()
    return plain if text is None or text == as_text(plain) else Cell(plain, shown=text)


def json_value(value: Any) -> Any:
    """A date that has no time of day is only a date."""
    if type(value) is int or type(value) is bool:
        return value
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return jsonsafe.duration(value)
    return jsonsafe.clean(value)


def unknown(text: str) -> Cell:
    """A cell whose value is not known: an error such as #N/A."""
    return Cell(None, unknown=text)


def never_computed() -> Cell:
    """A cell with a formula, but without its value."""
    return Cell(None, unknown=NEVER_COMPUTED)

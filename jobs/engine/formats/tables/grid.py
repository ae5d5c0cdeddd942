"""Make a table out of rows of cells, as CSV files and workbooks have them: find the header, name the columns, fit the rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from statistics import median_high
from typing import Any

from jobs.engine import jsonsafe
from jobs.engine.display import as_text
from jobs.engine.errors import BadInput
from jobs.engine.formats.tables.options import ReadOptions

COLUMN_LIMIT = 2_000
NEVER_COMPUTED = "a formula that was never computed"
HEADER_WITHIN = 40  # rows in which a header is looked for
NOT_A_NAME = re.compile(r"[-+(]?[$€£¥]?\s*\d[\d.,:/%\s()eE+-]*[$€£¥]?")

Records = Iterator[tuple[int, list[Any]]]


@dataclass(slots=True)
class Cell:
    """A cell that is shown otherwise than its value, or whose value is not known."""

    value: Any
    shown: str | None = None
    unknown: str | None = None  # #N/A, or what else stands there instead of a value


class TableRow(dict[str, Any]):
    """The values of a row by column.

    shown: the cells that a workbook shows otherwise than as their value, such as 15 %. unknown: the cells that hold an error, or a
    formula without a value; their value is None.
    """

    __slots__ = ("shown", "unknown")

    def __init__(self, values: Any = (), shown: dict[str, str] | None = None, unknown: dict[str, str] | None = None):
        super().__init__(values)
        self.shown = shown or {}
        self.unknown = unknown or {}


# What spreadsheet programs in English, German, French, Spanish, Italian and Portuguese write into a CSV instead of a value.
_ERRORS = """
    #N/A #REF! #DIV/0! #VALUE! #NAME? #NUM! #NULL! #SPILL! #CALC! #FIELD! #BLOCKED! #UNKNOWN! #GETTING_DATA
    #NV #BEZUG! #WERT! #ZAHL! #ÜBERLAUF! #VALEUR! #NOM? #NOMBRE! #NUL! #N/D #¡REF! #¡VALOR! #¿NOMBRE? #¡DIV/0! #¡NUM! #¡NULO!
    #RIF! #VALORE! #NOME? #NULLO! #N/DISP #VALOR! #NÚM! #NULO!
"""
ERRORS = frozenset(_ERRORS.split())


def as_shown(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row as its workbook shows it, without the errors in it: for texts that people read."""
    shown = {**row, **row.shown} if isinstance(row, TableRow) and row.shown else row
    errors = [name for name, value in shown.items() if _is_error(value)]
    return {**shown, **dict.fromkeys(errors)} if errors else shown


def unknown_cells(row: Mapping[str, Any]) -> dict[str, str]:
    """What stands in the cells of which no value is known, by column: an error, or a formula that was never computed."""
    texts = {name: value.strip() for name, value in row.items() if _is_error(value)}
    return {**row.unknown, **texts} if isinstance(row, TableRow) else texts


def unknown_sentence(row: Mapping[str, Any], columns: Collection[str]) -> str | None:
    """A sentence on the first of these columns of which the row has no known value."""
    for column, text in unknown_cells(row).items():
        if column in columns:
            return f"The cell of “{column}” holds {text}."
    return None


def _is_error(value: Any) -> bool:
    return type(value) is str and value[:1] == "#" and value.strip() in ERRORS


def row_values(cells: list[Any]) -> list[Any]:
    """The values of a row; behind them, if there is any, what is shown otherwise or not known: see reader.values_here."""
    if Cell not in map(type, cells):
        return cells
    shown = {at: cell.shown for at, cell in enumerate(cells) if type(cell) is Cell and cell.shown is not None}
    unknown = {at: cell.unknown for at, cell in enumerate(cells) if type(cell) is Cell and cell.unknown is not None}
    return [*(cell.value if type(cell) is Cell else cell for cell in cells), {"shown": shown, "unknown": unknown}]


def table_row(columns: list[str], cells: list[Any]) -> TableRow:
    """The row of these cells, of which some may be missing."""
    found = {name: cell for name, cell in zip(columns, cells, strict=False) if type(cell) is Cell}
    plain = [cell.value if type(cell) is Cell else cell for cell in fitted(cells, len(columns))]
    shown = {name: cell.shown for name, cell in found.items() if cell.shown is not None}
    return TableRow(
        zip(columns, plain, strict=True), shown, {name: cell.unknown for name, cell in found.items() if cell.unknown}
    )


class Grid:
    """One table. `records`: row numbers with their cells, rows without a filled cell left out; `unit`: line or row.

    Its columns are those of the header, and more where `widest` says so: `look` goes through the rows to find out.
    """

    def __init__(self, records: Records, options: ReadOptions, unit: str):
        self._unit, self._options = unit, options
        self._range = options.range
        cells = self._within(records)
        head = list(islice(cells, HEADER_WITHIN))
        self.header_row, place, self._guessed = self._find_header(head, cells)
        self._header = [] if not self.header_row else head[place][1]
        self._rest = chain(head[place + 1 if self.header_row else 0 :], cells)
        self.filled = bool(head)
        self.widest = options.width or len(self._header) or len(trimmed(head[0][1])) if head else 0
        self._wider: list[int] = []  # the first row that is wider than the header, and how many are
        self._wider_count = 0
        self._unknown: Counter[tuple[int, str]] = Counter()

    @property
    def columns(self) -> list[str]:
        return column_names([_name(cell) for cell in self._header], self.widest)

    def records(self) -> Records:
        """The rows below the header, as wide as they are. To be used once."""
        for number, cells in self._rest:
            if len(cells) > self.widest:
                self._see_wide(number, cells)
            if self._unit == "row" and Cell in map(type, cells):
                self._see_unknown(cells)
            yield number, cells

    def rows(self) -> Iterator[list[Any]]:
        """The rows as values, each as wide as the table. Raises BadInput for one that is wider."""
        width = self.widest
        for number, cells in self._rest:
            if len(cells) > width and len(trimmed(cells)) > width:
                raise self._too_wide(number, len(trimmed(cells)))
            if self._unit == "row" and Cell in map(type, cells):
                self._see_unknown(cells)
            yield fitted(cells, width)

    def notes(self) -> list[str]:
        """What a person should know of the header and the widths, as sentences."""
        notes = []
        if self._guessed:
            notes.append(
                f"The header was taken to be in {self._unit} {self.header_row:,}; what stands above it was left out."
            )
        if not self.header_row:
            notes.append("There is no header: the columns are numbered.")
        twice = [name for name, times in Counter(filter(None, map(_name, self._header))).items() if times > 1]
        if twice:
            shown = ", ".join(f"“{name[:60]}”" for name in twice[:5])
            notes.append(f"The header has the same name more than once, so it was numbered: {shown}.")
        if self._wider and self.header_row:
            those = (
                f"{self._wider_count:,} {self._unit}s are"
                if self._wider_count > 1
                else f"{self._unit.capitalize()} {self._wider[0]:,} is"
            )
            first = f", the first of them {self._unit} {self._wider[0]:,}" if self._wider_count > 1 else ""
            added = self.columns[len(self._header) :]
            name = f"“{added[0]}”" if len(added) == 1 else f"“{added[0]}” to “{added[-1]}”"
            notes.append(f"{those} wider than the header{first}; what is too much is in {name}.")
        return notes

    def unknown_notes(self) -> list[str]:
        """How many cells hold an error or no value, by column."""
        columns = self.columns
        return [_unknown_note(times, text, columns[place]) for (place, text), times in sorted(self._unknown.items())][
            :20
        ]

    def _see_unknown(self, cells: list[Any]) -> None:
        self._unknown.update((at, cell.unknown) for at, cell in enumerate(cells) if type(cell) is Cell and cell.unknown)

    def _see_wide(self, number: int, cells: list[Any]) -> None:
        width = len(trimmed(cells))
        if width > (len(self._header) or self.widest):
            self._wider = self._wider or [number]
            self._wider_count += 1
        if width > self.widest:
            if width > COLUMN_LIMIT:
                raise too_many_columns(width)
            self.widest = width

    def _too_wide(self, number: int, width: int) -> BadInput:
        return BadInput(
            f"{self._unit.capitalize()} {number:,} has {width:,} fields, but the table has {self.widest:,} columns. "
            "Put a field that has the delimiter in it into quotes, choose another delimiter, or a range of cells."
        )

    def _within(self, records: Records) -> Records:
        """The rows of the chosen range that have a filled cell there."""
        chosen = self._range
        if not chosen:
            return records
        return self._cut(records)

    def _cut(self, records: Records) -> Records:
        chosen = self._range
        for number, cells in records:
            if chosen.bottom is not None and number > chosen.bottom:
                return
            if number >= chosen.top and any(map(_filled, part := chosen.cut(cells))):
                yield number, part

    def _find_header(self, head: list[tuple[int, list[Any]]], rest: Records) -> tuple[int, int, bool]:
        """The number of the header's row (0: there is none), its place in the head, and whether it was guessed."""
        wanted = self._options.header
        if wanted == 0 or not head:
            return 0, 0, False
        if wanted is None:
            place = header_place([cells for _, cells in head])
            return head[place][0], place, any(_filled(cell) for _, cells in head[:place] for cell in cells)
        while head[-1][0] < wanted and (more := next(rest, None)) is not None:
            head[:-1] = []  # what stands above a header that is named is not needed
            head.append(more)
        for place, (number, _) in enumerate(head):
            if number >= wanted:
                if number > wanted:
                    break
                return number, place, False
        raise BadInput(f"There is nothing in {self._unit} {wanted:,}, which was chosen as the header's.")


def _unknown_note(times: int, text: str, column: str) -> str:
    cells = f"{times:,} cells of “{column[:60]}” hold" if times > 1 else f"1 cell of “{column[:60]}” holds"
    read = "were read as empty" if times > 1 else "was read as empty"
    if text != NEVER_COMPUTED:
        return f"{cells} {text} and {read}."
    formulas = "formulas that were never computed" if times > 1 else "a formula that was never computed"
    return f"{cells} {formulas} and {read}. Open the file in a spreadsheet program and save it."


def header_place(rows: Sequence[Sequence[Any]]) -> int:
    """Which of the first rows is the header: the first, unless titles stand above a row that is filled with names."""
    filled = [sum(map(_filled, row)) for row in rows]
    if len(rows) < 3:
        return 0
    usual = median_high(filled)
    place = next((at for at, count in enumerate(filled) if count >= max(2, 0.7 * usual)), 0)
    below = rows[place + 1 :]
    if not place or not below or not all(_is_name(cell) for cell in rows[place] if _filled(cell)):
        return 0
    only_titles = all(count == 1 for count in filled[:place]) and usual > 2
    return place if only_titles or _has_other_types(rows[place], below) else 0


def _has_other_types(header: Sequence[Any], below: Sequence[Sequence[Any]]) -> bool:
    """Whether some column is of numbers or dates, so that the names above it are none of its values."""
    for place in range(len(header)):
        cells = [row[place] for row in below if len(row) > place and _filled(row[place])]
        if cells and _filled(header[place]) and sum(not _is_name(cell) for cell in cells) * 2 > len(cells):
            return True
    return False


def _is_name(cell: Any) -> bool:
    value = cell.value if type(cell) is Cell else cell
    return isinstance(value, str) and not NOT_A_NAME.fullmatch(value.strip())


def _filled(cell: Any) -> bool:
    return cell is not None and cell != "" and not (type(cell) is str and cell.isspace())


def trimmed(cells: list[Any]) -> list[Any]:
    """Without the empty cells at the end."""
    end = len(cells)
    while end and not _filled(cells[end - 1]):
        end -= 1
    return cells[:end]


def fitted(cells: list[Any], width: int) -> list[Any]:
    """As many cells as there are columns; missing ones are None."""
    have = len(cells)
    return cells if have == width else cells[:width] if have > width else [*cells, *[None] * (width - have)]


def _name(cell: Any) -> str:
    if type(cell) is Cell:
        cell = cell.value if cell.shown is None else cell.shown
    return jsonsafe.clean_text(as_text(cell)).replace("\ufeff", "").strip()


def column_names(names: list[str], width: int) -> list[str]:
    """The columns' names: numbered where there is none, and where a name is there already. Raises BadInput for too many."""
    if max(width, len(names)) > COLUMN_LIMIT:
        raise too_many_columns(max(width, len(names)))
    taken = set(filter(None, names))
    seen: dict[str, int] = {}
    made = []
    for place, name in enumerate([*names, *[""] * (width - len(names))], 1):
        name = name or f"column {place}"
        number = seen.get(name, 0) + 1
        while number > 1 and f"{name} {number}" in taken:
            number += 1
        seen[name] = number
        made.append(name if number == 1 else f"{name} {number}")
        taken.add(made[-1])
    return made


def too_many_columns(found: int) -> BadInput:
    return BadInput(f"The table has {found:,} columns; {COLUMN_LIMIT:,} is the most that is taken.")

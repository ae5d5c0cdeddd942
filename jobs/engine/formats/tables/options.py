"""How a table is to be read: its encoding and delimiter, the sheet of a workbook, the row of the header, a range of cells."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from jobs.engine.errors import BadInput

NO_HEADER = "none"
CHOICES = ("encoding", "delimiter", "sheet", "header_row", "cells")
_NAMED = re.compile(rf"\b({'|'.join(CHOICES)}) *= *(.+?) *(?:[,;] *(?=(?:{'|'.join(CHOICES)}) *=)|$)")
CELLS = r"^ *\$?([A-Za-z]{0,3})\$?([0-9]{0,7}) *: *\$?([A-Za-z]{0,3})\$?([0-9]{0,7}) *$"
HEADER_ROW = rf"^ *(?:{NO_HEADER}|[1-9][0-9]{{0,6}}) *$"


@dataclass(frozen=True)
class ReadOptions:
    """What a person chose, None where it is to be detected; the last two are found by describing the table.

    delimiter: a character, "tab", "none" for one column, or "blanks" for columns lined up by them.
    sheet: its name, or its number from 1.
    header_row: the number of its row (of a text: line), or "none". cells: a range such as B3:F200; any part may be missing.
    width: how many columns there are, as some rows may be wider than the header. lenient: letters that cannot be read are replaced.
    """

    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    header_row: str | None = None
    cells: str | None = None
    width: int | None = None
    lenient: bool = False

    def __bool__(self) -> bool:
        return self != ReadOptions()

    @classmethod
    def chosen(cls, named: Mapping[str, str | None]) -> ReadOptions:
        """Of what a person filled in, by name; empty texts are left out."""
        filled: dict[str, Any] = {name: text for name, text in named.items() if text}
        return cls(**filled)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def but(self, written: str) -> ReadOptions:
        """These, with those that a text names: sheet=Data, header_row=2. Raises BadInput for what is none."""
        found = {match[1]: match[2].strip() for match in _NAMED.finditer(written)}
        if _NAMED.sub("", written).strip(" ,;") or (written.strip() and not found):
            raise BadInput(
                f"“{written[:80]}” does not say how to read a file. Write it as sheet=Data, header_row=2; there are "
                f"{', '.join(CHOICES)}."
            )
        made = replace(self, **found)  # type: ignore[arg-type]
        _ = made.header, made.range
        return made

    @property
    def header(self) -> int | None:
        """The number of the header's row; 0 where there is no header; None: to be guessed. Raises BadInput."""
        said = (self.header_row or "").strip().lower()
        if not said:
            return None
        if not re.fullmatch(HEADER_ROW, said):
            raise BadInput(f"“{said[:20]}” cannot be the header row. Give its number, such as 3, or {NO_HEADER}.")
        return 0 if said == NO_HEADER else int(said)

    @property
    def range(self) -> CellRange:
        """Raises BadInput for what is none."""
        return cell_range(self.cells or "")


DETECTED = ReadOptions()


@dataclass(frozen=True)
class CellRange:
    """Rows and columns from 1, the last ones included; None: to the end."""

    top: int = 1
    left: int = 1
    bottom: int | None = None
    right: int | None = None

    def __bool__(self) -> bool:
        return self != CellRange()

    def cut(self, cells: list[Any]) -> list[Any]:
        return cells[self.left - 1 : self.right]


def cell_range(text: str) -> CellRange:
    """B3:F200, B:F or 3:200 as a range; all cells for an empty text. Raises BadInput."""
    if not text.strip():
        return CellRange()
    found = re.match(CELLS, text)
    if not found or not any(found.groups()):
        raise BadInput(f"“{text[:40]}” is not a range of cells. Write it as B3:F200, B:F or 3:200.")
    left, top, right, bottom = found.groups()
    made = CellRange(
        int(top or 1) or 1, column_number(left) or 1, int(bottom) if bottom else None, column_number(right) or None
    )
    if (made.bottom or made.top) < made.top or (made.right or made.left) < made.left:
        raise BadInput(f"The range {text.strip()[:40]} ends before it begins. Write it as B3:F200.")
    return made


def column_number(letters: str) -> int:
    """1 for A, 28 for AB, 0 for no letter."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - 64
    return number

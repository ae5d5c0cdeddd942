"""XLSX, by xlsxwriter, a row at a time. Nothing in it is a formula or a link."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.engine.errors import BadInput

if TYPE_CHECKING:
    from xlsxwriter.format import Format
    from xlsxwriter.workbook import Workbook
    from xlsxwriter.worksheet import Worksheet

ROWS = 1_048_575  # under the header
COLUMNS = 16_384
LETTERS = 32_767
UNEVEN = ("DECIMAL(36,", "DECIMAL(37,")  # see formats.columns.numbers
FIRST_DAY = "1900-03-01"  # before it spreadsheets differ: some know a 29 February 1900
READERS: dict[str, Callable[[str], date | time]] = {
    "DATE": date.fromisoformat,
    "TIMESTAMP": datetime.fromisoformat,
    "TIME": time.fromisoformat,
}
LOOKS = {"DATE": "yyyy-mm-dd", "TIMESTAMP": "yyyy-mm-dd hh:mm:ss", "TIME": "hh:mm:ss"}
DURATION, DAY_SECONDS = "[h]:mm:ss", 86_400
DECIMAL = re.compile(r"DECIMAL\(\d+,(\d+)\)")
NAMED = 5  # cells that were cut
EXACT = 10**15  # a spreadsheet keeps fifteen digits
INSTEAD = "Download CSV or Parquet, which have no such limit."


def write(
    columns: list[str], rows: Iterable[list[Any]], target: Path, known: Sequence[str | None] | None = None
) -> list[str]:
    """Write a sheet; return a sentence for what was cut, which a second sheet has too.

    known: DuckDB's type of each column, by which dates, times and decimals become such of a spreadsheet. An INTERVAL comes as
    seconds. Raises BadInput where the rows are more or wider than a sheet holds."""
    import xlsxwriter

    if len(columns) > COLUMNS:
        raise BadInput(f"A spreadsheet holds {COLUMNS:,} columns, and these are {len(columns):,}. {INSTEAD}")
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    book = xlsxwriter.Workbook(str(target), options)
    sheet = book.add_worksheet("Table")
    sheet.freeze_panes(1, 0)
    cells = _Cells(sheet, columns, [_Look.of(book, name) for name in known or [None] * len(columns)])
    cells.write(0, columns, header=True)
    for number, values in enumerate(rows, 1):
        if number > ROWS:
            raise BadInput(f"A spreadsheet holds {ROWS:,} rows under its header, and these are more. {INSTEAD}")
        cells.write(number, values)
    notes = [cells.cut] if cells.cut else []
    if notes:
        book.add_worksheet("Notes").write_column(0, 0, notes)
    book.close()
    return notes


@dataclass(frozen=True)
class _Look:
    """How the values of a column are put into cells. read: from text to a date or time. duration: they are seconds."""

    format: Format | None = None
    read: Callable[[str], date | time] | None = None
    duration: bool = False

    @classmethod
    def of(cls, book: Workbook, type_name: str | None) -> _Look:
        if type_name in LOOKS:
            return cls(book.add_format({"num_format": LOOKS[type_name]}), READERS[type_name])
        if type_name == "INTERVAL":
            return cls(book.add_format({"num_format": DURATION}), duration=True)
        decimals = DECIMAL.fullmatch(type_name or "")
        if decimals and decimals[1] != "0" and type_name and not type_name.startswith(UNEVEN):
            return cls(book.add_format({"num_format": f"0.{'0' * int(decimals[1])}"}))
        return cls()


class _Cells:
    """Writes rows into a sheet. cut: a sentence on the texts that were too long for a cell."""

    def __init__(self, sheet: Worksheet, columns: list[str], looks: list[_Look]):
        self._sheet = sheet
        self._columns = columns
        self._looks = looks
        self._cut: list[str] = []
        self._count = 0

    @property
    def cut(self) -> str:
        more = f", and {self._count - len(self._cut):,} more" if self._count > len(self._cut) else ""
        return f"Cut to {LETTERS:,} characters, the most of a cell: {', '.join(self._cut)}{more}." if self._cut else ""

    def write(self, number: int, values: list[Any], header: bool = False) -> None:
        for column, (value, look) in enumerate(zip(values, self._looks, strict=True)):
            if isinstance(value, str):
                moment = _moment(value, look.read) if look.read and not header else None
                if moment is None:
                    self._sheet.write_string(number, column, self._fitting(value, number, column))
                else:
                    self._sheet.write_datetime(number, column, moment, look.format)
            elif isinstance(value, bool):
                self._sheet.write_boolean(number, column, value)
            elif isinstance(value, float) or (isinstance(value, int) and abs(value) < EXACT):
                self._sheet.write_number(number, column, value / DAY_SECONDS if look.duration else value, look.format)
            elif value is not None:
                text = json.dumps(value, ensure_ascii=False)
                self._sheet.write_string(number, column, self._fitting(text, number, column))

    def _fitting(self, text: str, number: int, column: int) -> str:
        if len(text) <= LETTERS:
            return text
        self._count += 1
        if len(self._cut) < NAMED:
            self._cut.append(f"“{self._columns[column][:60]}” in row {number:,}, of {len(text):,}")
        return text[: LETTERS - 1] + "…"


def _moment(value: str, read: Callable[[str], date | time]) -> date | time | None:
    """A date or time that a spreadsheet can count from; None for those before, and for what is none."""
    try:
        moment = read(value)
    except ValueError:
        return None
    return moment if isinstance(moment, time) or moment.isoformat() >= FIRST_DAY else None

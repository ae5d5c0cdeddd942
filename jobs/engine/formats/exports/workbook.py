"""XLSX, by xlsxwriter, a row at a time. Nothing in it is a formula or a link."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.engine.errors import BadInput

if TYPE_CHECKING:
    from xlsxwriter.worksheet import Worksheet

ROWS = 1_048_575  # under the header
COLUMNS = 16_384
LETTERS = 32_767
FIRST_DAY = "1900-03-01"  # before it spreadsheets differ: some know a 29 February 1900
READERS = {"DATE": date.fromisoformat, "TIMESTAMP": datetime.fromisoformat, "TIME": time.fromisoformat}
LOOKS = {"DATE": "yyyy-mm-dd", "TIMESTAMP": "yyyy-mm-dd hh:mm:ss", "TIME": "hh:mm:ss"}
EXACT = 10**15  # a spreadsheet keeps fifteen digits
INSTEAD = "Download CSV or Parquet, which have no such limit."


def write(
    columns: list[str], rows: Iterable[list[Any]], target: Path, known: Sequence[str | None] | None = None
) -> None:
    """known: DuckDB's type of each column, by which dates and times become such of a spreadsheet.

    Raises BadInput where the rows are more, wider or longer than a sheet holds."""
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
    looks = {name: book.add_format({"num_format": look}) for name, look in LOOKS.items()}
    moments = {
        place: (READERS[name], looks[name]) for place, name in enumerate(known or ()) if name and name in READERS
    }
    _write_row(sheet, 0, columns, columns, {})
    for number, values in enumerate(rows, 1):
        if number > ROWS:
            raise BadInput(f"A spreadsheet holds {ROWS:,} rows under its header, and these are more. {INSTEAD}")
        _write_row(sheet, number, values, columns, moments)
    book.close()


def _write_row(
    sheet: Worksheet, number: int, values: list[Any], columns: list[str], moments: Mapping[int, tuple[Any, Any]]
) -> None:
    for column, value in enumerate(values):
        if column in moments and (moment := _moment(value, moments[column][0])) is not None:
            sheet.write_datetime(number, column, moment, moments[column][1])
        elif isinstance(value, bool):
            sheet.write_boolean(number, column, value)
        elif isinstance(value, float) or (isinstance(value, int) and abs(value) < EXACT):
            sheet.write_number(number, column, value)
        elif value is not None:
            sheet.write_string(number, column, _fitting(value, number, columns[column]))


def _moment(value: Any, read: Callable[[str], date | time]) -> date | time | None:
    """A date or time that a spreadsheet can count from; None for those before, and for what is none."""
    try:
        moment = read(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment is None or isinstance(moment, time) or moment.isoformat() >= FIRST_DAY else None


def _fitting(value: Any, number: int, column: str) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if len(text) > LETTERS:
        raise BadInput(
            f"A spreadsheet's cell holds {LETTERS:,} characters; “{column[:60]}” in row {number:,} has {len(text):,}. {INSTEAD}"
        )
    return text

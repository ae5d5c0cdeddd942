"""The type and format of a column, decided once for the column from all of its values, in constant memory.

    columns = [Column(name) for name in names]
    for row in rows:
        for column, value in zip(columns, row):
            column.add(value)
    formats = decide(columns, Choices(), delimiter=";")

A type is taken where writing the values back gives the same texts. Numbers and dates as people write them ($1,200.50,
25/03/2026) have a type too, and lose only their marks. Anything else stays text: ids with leading zeros, +49, 12E3, 1.10 beside
1.1. Where two readings fit all values, one is taken and `guess` says which.
"""

from __future__ import annotations

from jobs.engine.formats.columns.column import (
    AUTOMATIC,
    Choices,
    Column,
    ColumnFormat,
    DateOrder,
    Hints,
    NumberMarks,
    some,
)
from jobs.engine.formats.columns.dates import wanted as as_dates
from jobs.engine.formats.columns.numbers import wanted as as_numbers
from jobs.engine.formats.columns.sql import converted
from jobs.engine.formats.columns.table_formats import decide, first_guesses, is_calendar, is_dated, of_rows, table_hints
from jobs.engine.formats.columns.texts import EXACT_DIGITS, POINT, DateText, NumberText
from jobs.engine.formats.columns.values import decimal_written, moment_of, number_of

__all__ = [
    "AUTOMATIC",
    "EXACT_DIGITS",
    "POINT",
    "Choices",
    "Column",
    "ColumnFormat",
    "DateOrder",
    "DateText",
    "Hints",
    "NumberMarks",
    "NumberText",
    "as_dates",
    "as_numbers",
    "converted",
    "decide",
    "decimal_written",
    "first_guesses",
    "is_calendar",
    "is_dated",
    "moment_of",
    "number_of",
    "of_rows",
    "some",
    "table_hints",
]

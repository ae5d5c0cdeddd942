"""The format of each column of a table, decided from all values of all columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from jobs.engine.formats.columns import dates, numbers
from jobs.engine.formats.columns.column import Choices, Column, ColumnFormat, Hints, some
from jobs.engine.formats.columns.texts import (
    COMMA,
    DAY_FIRST,
    MONTH_FIRST,
    POINT,
    ClockText,
    DateText,
    Evidence,
    NumberText,
    TruthText,
)

_YEAR = re.compile("(19|20)[0-9]{2}")
NEARLY = 0.5  # the share of values that fit a type from which on it is said why the column stayed text
_KINDS: tuple[tuple[type[Evidence], str, Callable[[Column, Choices, Hints], ColumnFormat]], ...] = (
    (NumberText, "numbers", numbers.typed),
    (DateText, "dates", dates.typed),
    (ClockText, "times", dates.clock),
)


def decide(
    columns: Sequence[Column], choices: Choices | None = None, delimiter: str | None = None
) -> list[ColumnFormat]:
    """The format of each column: a type that all its values have, or text."""
    choices = choices or Choices()
    hints = table_hints(columns, delimiter)
    return [_format(column, choices, hints) for column in columns]


def of_rows(names: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> list[Column]:
    """The columns of these rows."""
    columns = [Column(name) for name in names]
    for row in rows:
        for column in columns:
            column.add(row.get(column.name))
    return columns


def first_guesses(
    names: Iterable[str], rows: Iterable[Mapping[str, Any]], choices: Choices, delimiter: str | None
) -> list[str]:
    """Sentences on how the first rows of a table are read, where that is not the only way."""
    found = decide(of_rows(names, rows), choices, delimiter)
    return [f"By the first rows: {one.guess}" for one in found if one.guess]


def is_dated(column: Column) -> bool:
    """Whether all its values are dates, or months or years in a column whose name says so."""
    return bool(column.filled) and (column.count(DateText) == column.filled or dates.partly(column))


def is_calendar(column: Column) -> bool:
    """Whether all its values are years from 1900 to 2099, or days such as 20260325."""
    found = [(one.day, seen.example.strip()) for one, seen in column.of(NumberText)]
    years = all(_YEAR.fullmatch(example) for _, example in found)
    return bool(found) and len(found) == len(column.seen) and (years or all(day for day, _ in found))


def table_hints(columns: Sequence[Column], delimiter: str | None) -> Hints:
    """The decimal mark and the order of dates that other columns have without a doubt; else what goes with the delimiter."""
    sure = {numbers.sure_mark(column) for column in columns}
    orders = {dates.sure_order(column) for column in columns}
    comma = POINT not in sure and (COMMA in sure or delimiter == ";")
    return Hints(comma, MONTH_FIRST in orders and DAY_FIRST not in orders)


def _format(column: Column, choices: Choices, hints: Hints) -> ColumnFormat:
    if column.name in choices.texts or not column.filled:
        return ColumnFormat(column.name)
    if found := dates.compact(column, choices):
        return found
    for kind, words, read in _KINDS:
        count = column.count(kind)
        if count == column.filled:
            return read(column, choices, hints)
        if count >= NEARLY * column.filled:
            return ColumnFormat(column.name, note=_not_all(column, kind, words))
    truths = [one for one, _ in column.of(TruthText)]
    if len(truths) == len(column.seen) and all(one.plain for one in truths):
        return ColumnFormat(column.name, "BOOLEAN", "plain")
    return ColumnFormat(column.name)


def _not_all(column: Column, kind: type[Evidence], words: str) -> str:
    """Why a column of nearly nothing but numbers, or dates, stayed text; nothing where these are codes."""
    if any(isinstance(one, NumberText) and one.loose for one in column.seen):
        return ""
    count, examples = column.misfits(one for one, _ in column.of(kind))
    are = f"is no {words[:-1]}" if count == 1 else f"are no {words}"
    return f"{column.name} stayed text: {count:,} of its {column.filled:,} values {are} ({some(examples)})."

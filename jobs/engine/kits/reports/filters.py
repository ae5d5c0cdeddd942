"""Filters of a report: which rows it is about."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from jobs.engine.errors import BadInput
from jobs.engine.formats.columns import ColumnFormat, converted, moment_of, number_of
from jobs.engine.kits.reports.measures import no_column
from jobs.engine.sandbox.locked_duckdb import text as quoted

WORDS = {
    **{"is": "is", "is_not": "is not", "contains": "contains", "at_least": "is at least", "at_most": "is at most"},
    **{"empty": "is empty", "filled": "is not empty"},
}
NUMBERS = ("INT", "DOUBLE", "FLOAT", "DECIMAL", "REAL")


@dataclass(frozen=True)
class Filter:
    """A condition that a row must fulfil. how: a key of WORDS."""

    column: str
    how: str
    value: str = ""

    @property
    def words(self) -> str:
        return f"{self.column} {WORDS[self.how]}" + (f" {self.value}" if self.how not in ("empty", "filled") else "")


def check_filters(filters: Sequence[Filter], columns: Sequence[str]) -> None:
    """Raise BadInput for a column that does not exist."""
    for one in filters:
        if one.column not in columns:
            raise BadInput(no_column(one.column, columns))


def condition(one: Filter, format: ColumnFormat, text: str) -> str:
    """The SQL. text: the column's texts, null where it is empty. Raises BadInput where the value does not fit the column."""
    if one.how in ("empty", "filled"):
        return f"{text} is {'not ' if one.how == 'filled' else ''}null"
    if one.how == "contains":
        return f"contains(lower({text}), lower({quoted(one.value)}))"
    if one.how in ("is", "is_not"):
        same = f"coalesce({_same(one, format, text)}, false)"
        return same if one.how == "is" else f"not {same}"
    return f"coalesce({_compared(one, format, text)}, false)"


def _same(one: Filter, format: ColumnFormat, text: str) -> str:
    number = _number(one.value, format) if _is_numeric(format) else None
    if number is not None:
        return f"cast({converted(format, text)} as double) = {number!r}"
    return f"lower({text}) = lower({quoted(one.value.strip())})"


def _compared(one: Filter, format: ColumnFormat, text: str) -> str:
    sign = ">=" if one.how == "at_least" else "<="
    if _is_numeric(format):
        number = _number(one.value, format)
        if number is None:
            raise BadInput(f"{one.column} holds numbers, and “{one.value[:40]}” is none.")
        return f"cast({converted(format, text)} as double) {sign} {number!r}"
    if format.type.startswith(("DATE", "TIMESTAMP")):
        moment, whole_day = _moment(one, format)
        value = f"cast({quoted(moment)} as timestamp)"
        if one.how == "at_most" and whole_day:
            sign, value = "<", f"{value} + interval 1 day"
        return f"cast({converted(format, text)} as timestamp) {sign} {value}"
    raise BadInput(f"{one.column} holds texts: “at least” and “at most” need numbers or dates.")


def _is_numeric(format: ColumnFormat) -> bool:
    return any(word in format.type for word in NUMBERS)


def _number(value: str, format: ColumnFormat) -> float | None:
    """A number as the column writes it, or with a point."""
    found = number_of(format, value)
    if found is not None:
        return float(found)
    return float(value) if re.fullmatch(r"\s*[-+]?\d+(\.\d+)?\s*", value) else None


def _moment(one: Filter, format: ColumnFormat) -> tuple[str, bool]:
    """A time as ISO, and whether it is a whole day."""
    found = moment_of(format, one.value)
    if found is None:
        try:
            found = datetime.fromisoformat(one.value.strip())
        except ValueError:
            raise BadInput(
                f"{one.column} holds dates, and “{one.value[:40]}” is none. Write it as 2026-03-31."
            ) from None
    return found.replace(tzinfo=None).isoformat(sep=" "), ":" not in one.value

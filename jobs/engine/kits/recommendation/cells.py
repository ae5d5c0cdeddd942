"""Weights and times out of the cells of a table: each column in one format, which is decided from all of its texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from math import inf, isfinite
from typing import Any

from jobs.engine.errors import BadInput
from jobs.engine.formats.columns import (
    Choices,
    Column,
    ColumnFormat,
    Hints,
    as_dates,
    as_numbers,
    is_calendar,
    moment_of,
    number_of,
    some,
)


class CellReader:
    """Reads the cells of the column with the weights and of that with the times; an empty name stands for none.

    rows: all of the table; they are looked at once, and read again by the caller. notes: sentences on what was guessed, and
    on cells that are no number or no time. Raises BadInput for a column that has none at all.
    """

    def __init__(
        self, rows: Iterable[Mapping[str, Any]], weight_column: str, time_column: str, choices: Choices, hints: Hints
    ):
        self.notes: list[str] = []
        self._weight_column, self._time_column = weight_column, time_column
        columns = [Column(name) for name in dict.fromkeys(filter(None, (weight_column, time_column)))]
        typed = set[str]()
        for row in rows if columns else ():
            for column in columns:
                value = row.get(column.name)
                if isinstance(value, str):
                    column.add(value)
                elif value is not None:
                    typed.add(column.name)
        found = {column.name: column for column in columns}
        self._weights = self._times = ColumnFormat("")
        if weight_column:
            self._weights = self._number_format(found[weight_column], choices, hints, weight_column in typed)
        if time_column:
            self._times = self._time_format(found[time_column], choices, hints, time_column in typed)

    def weight(self, row: Mapping[str, Any]) -> float | None:
        """None where the cell holds no number; 1 where no column was named."""
        return _number(self._weights, row.get(self._weight_column)) if self._weight_column else 1.0

    def moment(self, row: Mapping[str, Any]) -> float:
        """In seconds, of a plain number in its own unit; -inf where the cell holds no time, and 0 where no column was named."""
        if not self._time_column:
            return 0.0
        value = row.get(self._time_column)
        if isinstance(value, str) and self._times.reads == "date":
            at = moment_of(self._times, value)
            return _seconds(at) if at else -inf
        number = _number(self._times, value)
        return -inf if number is None else number

    def _number_format(self, column: Column, choices: Choices, hints: Hints, typed: bool) -> ColumnFormat:
        try:
            format = as_numbers(column, choices, hints)
        except ValueError as units:
            raise BadInput(f"{column.name} has different units: {units}. Put each into a column of its own.") from None
        if format is None and column.filled and not typed:
            raise BadInput(f"{column.name} holds no number: {_examples(column)}. Name another column, or none.")
        return self._told(format, column, "number", "did not count")

    def _time_format(self, column: Column, choices: Choices, hints: Hints, typed: bool) -> ColumnFormat:
        dates, numbers = as_dates(column, choices, hints), as_numbers(column, choices, hints)
        plain = numbers and (dates is None or (numbers.misfits <= dates.misfits and not is_calendar(column)))
        format = numbers if plain else dates
        if format is None and column.filled and not typed:
            raise BadInput(
                f"{column.name} holds no time that can be read: {_examples(column)}. Times are read when written like "
                "2026-03-31 14:00, 31/03/2026 or 31 March 2026, or as a number of seconds."
            )
        return self._told(format, column, "time", "counted as the oldest")

    def _told(self, format: ColumnFormat | None, column: Column, what: str, then: str) -> ColumnFormat:
        format = format or ColumnFormat(column.name, misfits=column.filled, examples=column.misfits(())[1])
        if format.guess:
            self.notes.append(format.guess)
        if count := format.misfits:
            cells = f"1 cell of {column.name} is" if count == 1 else f"{count:,} cells of {column.name} are"
            self.notes.append(f"{cells} no {what} and {then} ({some(format.examples)}).")
        return format


def _number(format: ColumnFormat, value: Any) -> float | None:
    if isinstance(value, str):
        read = number_of(format, value)
        value = None if read is None else float(read)
    return float(value) if isinstance(value, int | float) and isfinite(value) else None


def _seconds(at: datetime) -> float:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()


def _examples(column: Column) -> str:
    return some(column.misfits(())[1])

"""Measures: aggregates of a column, such as `sum(amount)`, `mean(price)`, `count(*)`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jobs.engine.errors import BadInput
from jobs.engine.formats.columns import Column, NumberText
from jobs.engine.validation import nearest

HOWS = {
    "sum": "Sum of {}",
    "mean": "Mean of {}",
    "count": "Number of {}",
    "min": "Least {}",
    "max": "Most {}",
    "median": "Median of {}",
}
OTHER_WORDS = {"avg": "mean", "average": "mean", "total": "sum", "minimum": "min", "maximum": "max", "number": "count"}
OF_NUMBERS = ("sum", "mean", "median")
ROWS = "*"
_SPLIT = re.compile(r"(?<=\))\s*[,;\n]\s*")
_SHAPE = re.compile(r"\s*(\w+)\s*\((.*)\)\s*", re.S)


@dataclass(frozen=True)
class Measure:
    """how: a key of HOWS. column: its name, or `*` for the rows themselves."""

    how: str
    column: str

    @property
    def name(self) -> str:
        return f"{self.how}({self.column})"

    @property
    def label(self) -> str:
        return "Number of rows" if self.column == ROWS else HOWS[self.how].format(self.column)


def written(value: Any) -> Any:
    """A list of measures, of column names or of {column, how} as one text, as in the form; other values unchanged."""
    if not isinstance(value, list):
        return value
    parts = [f"{one.get('how')}({one.get('column')})" if isinstance(one, dict) else one for one in value]
    return ", ".join(parts) if all(isinstance(part, str) for part in parts) else value


def parse(text: str, columns: Sequence[str]) -> list[Measure]:
    """The measures of a text. Raises BadInput, with a suggestion if a name is misspelt."""
    pieces = [piece for piece in _SPLIT.split(text.strip().strip(",;")) if piece.strip()]
    return list(dict.fromkeys(_measure(piece, columns) for piece in pieces)) or [Measure("count", ROWS)]


def columns_in(text: str, columns: Sequence[str]) -> list[str]:
    """The column names of a comma-separated text. Raises BadInput for one that does not exist."""
    if text in columns:
        return [text]
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in columns:
            raise BadInput(no_column(name, columns))
    return list(dict.fromkeys(names))


def no_column(name: str, columns: Sequence[str]) -> str:
    near = nearest(name, columns)
    meant = f" Did you mean “{near}”?" if near else ""
    some = ", ".join(columns[:12]) + (", …" if len(columns) > 12 else "")
    return f"There is no column “{name[:80]}”.{meant} There are: {some}."


def check_numbers(measures: Sequence[Measure], first: Sequence[dict[str, Any]]) -> None:
    """Raise BadInput for a measure of numbers if the first values of its column are not numbers."""
    for one in measures:
        column = Column(one.column)
        for row in first:
            column.add(row.get(one.column))
        if one.how in OF_NUMBERS and column.filled and not column.count(NumberText):
            begins = f"“{one.column}” begins with {next(iter(column.seen.values())).example}"
            raise BadInput(f"{one.name} needs numbers, and {begins}. count({one.column}) works.")


def _measure(piece: str, columns: Sequence[str]) -> Measure:
    found = _SHAPE.fullmatch(piece)
    if found is None:
        shown = columns[-1] if columns else "amount"
        raise BadInput(f"“{piece.strip()[:80]}” is not a measure. Write it like sum({shown}) or count(*).")
    word, column = found[1].lower(), found[2].strip()
    how = OTHER_WORDS.get(word, word)
    if how not in HOWS:
        near = nearest(word, [*HOWS, *OTHER_WORDS])
        meant = f" Did you mean {OTHER_WORDS.get(near, near)}({column})?" if near else ""
        raise BadInput(f"“{word[:40]}” cannot be computed.{meant} There are: {', '.join(HOWS)}.")
    if column == ROWS and how != "count":
        raise BadInput(f"{how}(*) needs a column instead of *; only count(*) counts rows.")
    if column != ROWS and column not in columns:
        raise BadInput(no_column(column, columns))
    return Measure(how, column)

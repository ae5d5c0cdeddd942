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
    "distinct": "Different values of {}",
    "sd": "Deviation of {}",
    "ratio": "{}",
}
OTHER_WORDS = {"avg": "mean", "average": "mean", "total": "sum", "minimum": "min", "maximum": "max", "number": "count"}
OTHER_WORDS |= {"unique": "distinct", "nunique": "distinct", "std": "sd", "stddev": "sd", "deviation": "sd"}
OF_NUMBERS = ("sum", "mean", "median", "sd", "ratio")
PERCENTILE = re.compile(r"p(100|\d{1,2}(?:\.\d{1,3})?)")  # p90, p99.9
ROWS = "*"
DIVIDED = " / "
_SPLIT = re.compile(r"(?<=\))\s*[,;\n]\s*")
_SHAPE = re.compile(r"\s*([\w.]+)\s*\((.*)\)\s*", re.S)


@dataclass(frozen=True)
class Measure:
    """how: a key of HOWS, or p90 for a percentile. column: its name, or `*` for the rows; of a ratio both, with / between."""

    how: str
    column: str

    @property
    def name(self) -> str:
        return f"{self.how}({self.column})"

    @property
    def label(self) -> str:
        if self.percentile is not None:
            return f"{self.how[1:]}% percentile of {self.column}"
        return "Number of rows" if self.column == ROWS else HOWS[self.how].format(self.column)

    @property
    def percentile(self) -> float | None:
        """The share, from 0 to 1, below which so many values are."""
        found = PERCENTILE.fullmatch(self.how)
        return float(found[1]) / 100 if found else None

    @property
    def of_numbers(self) -> bool:
        """Whether it needs numbers."""
        return self.how in OF_NUMBERS or self.percentile is not None

    def columns(self, known: Sequence[str]) -> list[str]:
        """The columns it is computed of, among those that are known."""
        if self.column == ROWS:
            return []
        if self.how != "ratio":
            return [self.column]
        parts = self.column.split(DIVIDED)
        halves = [(DIVIDED.join(parts[:at]), DIVIDED.join(parts[at:])) for at in range(1, len(parts))]
        return next(([*pair] for pair in halves if set(pair) <= set(known)), [])


def written(value: Any) -> Any:
    """A list of measures, of column names or of {column, how} as one text, as in the form; other values unchanged."""
    if not isinstance(value, list):
        return value
    parts = [_call(one) if isinstance(one, dict) else one for one in value]
    return ", ".join(parts) if all(isinstance(part, str) for part in parts) else value


def _call(row: dict[str, Any]) -> str:
    by = f"{DIVIDED}{row['by']}" if row.get("by") and DIVIDED not in str(row.get("column")) else ""
    return f"{row.get('how')}({row.get('column')}{by})"


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
    known = list(first[0]) if first else []
    pairs = [(measure, name) for measure in measures if measure.of_numbers for name in measure.columns(known)]
    for one, name in pairs:
        column = Column(name)
        for row in first:
            column.add(row.get(name))
        if column.filled and not column.count(NumberText):
            begins = f"“{name}” begins with {next(iter(column.seen.values())).example}"
            raise BadInput(f"{one.name} needs numbers, and {begins}. count({name}) works.")


def _measure(piece: str, columns: Sequence[str]) -> Measure:
    found = _SHAPE.fullmatch(piece)
    if found is None:
        shown = columns[-1] if columns else "amount"
        raise BadInput(f"“{piece.strip()[:80]}” is not a measure. Write it like sum({shown}) or count(*).")
    word, column = found[1].lower(), found[2].strip()
    how = OTHER_WORDS.get(word, word)
    if how not in HOWS and not PERCENTILE.fullmatch(how):
        near = nearest(word, [*HOWS, *OTHER_WORDS])
        meant = f" Did you mean {OTHER_WORDS.get(near, near)}({column})?" if near else ""
        raise BadInput(
            f"“{word[:40]}” cannot be computed.{meant} There are: {', '.join(HOWS)}, and p90 for a percentile."
        )
    if how == "ratio":
        return _ratio(column, columns)
    if column == ROWS and how != "count":
        raise BadInput(f"{how}(*) needs a column instead of *; only count(*) counts rows.")
    if column != ROWS and column not in columns:
        raise BadInput(no_column(column, columns))
    return Measure(how, column)


def _ratio(column: str, columns: Sequence[str]) -> Measure:
    """Raises BadInput unless these are two columns."""
    one = Measure(
        "ratio", DIVIDED.join(part.strip() for part in column.split("/")) if DIVIDED not in column else column
    )
    if one.columns(columns):
        return one
    parts = [part.strip() for part in one.column.split(DIVIDED)]
    wrong = next((part for part in parts if part not in columns), None)
    if len(parts) == 2 and wrong:
        raise BadInput(no_column(wrong, columns))
    raise BadInput(
        "A ratio has two columns, with “ / ” between them: ratio(profit / sales) is the sum of one by that of the other."
    )

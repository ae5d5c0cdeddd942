"""What a person should look at in a table, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jobs.engine.display import as_text

MISSING = 0.05  # shares from which on it is said
ZEROS = 0.5
OUTLIERS = 0.001
SKEWED = 3.0
STRONG = 0.9
SAME = 0.95  # share of the most frequent value
FEW = 20  # rows, below which little can be said
MOST = 40


def warnings(found: dict[str, Any]) -> list[str]:
    """Sentences, the whole table's first."""
    rows = found["rows"]
    every = [*_of_table(found), *(one for column in found["columns"] for one in _of_column(column, rows))]
    return every if len(every) <= MOST else [*every[:MOST], f"And {len(every) - MOST} more, which are not listed."]


def _of_table(found: dict[str, Any]) -> Iterator[str]:
    rows, copies = found["rows"], found["duplicates"]
    if copies:
        yield f"{_counted(copies, 'row is an exact copy', 'rows are exact copies')} of others ({copies / rows:.1%})."
    for one, other, value in found["correlations"]:
        if abs(value) >= STRONG:
            how = "rise together" if value > 0 else "move against each other"
            yield f"{one} and {other} {how} (correlation {value:.2f}): one may follow from the other."


def _of_column(column: dict[str, Any], rows: int) -> Iterator[str]:
    name, filled = column["name"], column["filled"]
    if not filled:
        yield f"{name} is empty in all rows."
        return
    if column["missing_share"] >= MISSING:
        yield f"{name} is empty in {column['missing_share']:.1%} of the rows ({column['missing']:,})."
    yield from _of_values(column, rows)
    if column["type"] == "number":
        yield from _of_numbers(column)


def _of_values(column: dict[str, Any], rows: int) -> Iterator[str]:
    name, filled, distinct = column["name"], column["filled"], column["distinct"]
    if distinct == 1 and filled > 1:
        yield f"{name} has the same value in all rows that have one: {column['top'][0][0]}."
    elif column["top"] and filled >= FEW and column["top"][0][1] / filled >= SAME:
        yield f"{name} is {column['top'][0][0]} in {column['top'][0][1] / filled:.1%} of its rows."
    if column["type"] == "text" and distinct == filled == rows and rows >= FEW:
        yield f"{name} is different in every row, as an identifier or a free text."
    if column["type"] == "text" and column["folded"] < distinct:
        cased = _counted(distinct - column["folded"], "value that differs", "values that differ")
        yield f"{name} has {cased} from another one only in capitals."
    if column["misfits"]:
        are = "is no number" if column["misfits"] == 1 else "are no numbers"
        yield f"{_counted(column['misfits'], 'value', 'values')} of {name} {are}: {column['misfit_examples']}."


def _of_numbers(column: dict[str, Any]) -> Iterator[str]:
    name, filled = column["name"], column["filled"]
    if ZEROS <= column["zeros"] / filled < 1:
        yield f"{name} is 0 in {column['zeros'] / filled:.1%} of its rows."
    if column["outliers"] and column["outliers"] / filled >= OUTLIERS:
        least, low, high, most = (as_text(column[key]) for key in ("least", "p25", "p75", "most"))
        far = f"its values go from {least} to {most}, half of them {low} to {high}"
        yield f"{name} has {_counted(column['outliers'], 'outlier', 'outliers')}: {far}."
    elif filled >= FEW and abs(column["skewness"] or 0) >= SKEWED:
        yield f"{name} is very uneven: its mean is {as_text(column['mean'])}, its median {as_text(column['p50'])}."


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"

"""Measures and filters as rows of the form."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from jobs.engine.kinds.params import param
from jobs.engine.kits.reports.filters import WORDS, Filter


class MeasureRow(BaseModel):
    how: Literal[
        "sum",
        "mean",
        "median",
        "min",
        "max",
        "count",
        "distinct",
        "sd",
        "p10",
        "p25",
        "p75",
        "p90",
        "p95",
        "p99",
        "ratio",
    ] = param(
        "What",
        words={
            **{"sum": "Sum", "mean": "Mean", "median": "Median", "min": "Least", "max": "Most", "count": "Number"},
            **{"distinct": "Different values", "sd": "Standard deviation", "ratio": "Sum, divided by another"},
            **{f"p{share}": f"{share}% percentile" for share in (10, 25, 75, 90, 95, 99)},
        },
    )
    column: str = param("Of", columns_of="source", names=("*",), words={"*": "all rows"})
    by: str = param("Divided by", "Of a ratio.", default="", columns_of="source")


class FilterRow(BaseModel):
    """A condition that a row must fulfil."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: str = param("Column", columns_of="source", min_length=1, max_length=1_000)
    how: Literal["is", "is_not", "contains", "at_least", "at_most", "empty", "filled"] = param("How", words=WORDS)
    value: str = param("Value", default="", max_length=1_000)

    @property
    def filter(self) -> Filter:
        return Filter(self.column, self.how, self.value)

"""Figures of DuckDB as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, time
from decimal import Decimal
from typing import Any

from jobs.engine.display import DIGITS, as_text


def plain(row: Iterable[Any]) -> list[Any]:
    """A row of figures as JSON."""
    return [_json(value) for value in row]


def _json(value: Any) -> Any:
    """A figure as JSON: a whole number without a fraction, what no binary fraction keeps as text, dates as texts."""
    if isinstance(value, Decimal):
        written = float(value)
        value = written if Decimal(repr(written)) == value else as_text(value)
    if isinstance(value, float):
        value = float(f"{value:.{DIGITS}g}")
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    return as_text(value) if isinstance(value, date | time) else value

"""The periods of a report over time: all between the first and the last, also those without rows, and whether one is over."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

MOST = 2_000


def between(first: str, last: str, period: str) -> list[str]:
    """The labels from the first to the last of them; only these two if they are none of such periods."""
    try:
        begins, ends = _first_day(first, period), _first_day(last, period)
    except ValueError:
        return [first, last]
    labels: list[str] = []
    while begins <= ends and len(labels) < MOST:
        labels.append(_label(begins, period))
        begins = _next(begins, period)
    return labels


def is_over(label: str, period: str, as_of: str) -> bool:
    """Whether that period had ended when the data were read."""
    try:
        return _next(_first_day(label, period), period) <= date.fromisoformat(as_of[:10])
    except ValueError:
        return True


def _first_day(label: str, period: str) -> date:
    if period == "year":
        return date(int(label), 1, 1)
    if period == "quarter":
        year, _, number = label.partition("-Q")
        return date(int(year), 3 * int(number) - 2, 1)
    return date.fromisoformat(f"{label}-01" if period == "month" else label)


def _next(day: date, period: str) -> date:
    if period in ("day", "week"):
        return day + timedelta(days=7 if period == "week" else 1)
    month = day.month + {"month": 1, "quarter": 3, "year": 12}.get(period, 1)
    return date(day.year + (month - 1) // 12, (month - 1) % 12 + 1, 1)


def _label(day: date, period: str) -> str:
    if period == "quarter":
        return f"{day.year:04}-Q{(day.month + 2) // 3}"
    return day.isoformat()[: {"year": 4, "month": 7}.get(period, 10)]


def open_last(figures: dict[str, Any]) -> str:
    """The last of at least three periods, if it was not over when the data were read; empty else."""
    if not figures.get("periods") or len(figures["periods"]) < 3:
        return ""
    last = str(figures["periods"][-1][0])
    return "" if is_over(last, figures["period"] or "", str(figures.get("as_of") or "")) else last

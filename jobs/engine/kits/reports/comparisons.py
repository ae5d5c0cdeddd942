"""Comparisons: this table with another one, or the last period with one before it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal

Comparison = dict[str, Any]  # title, columns, texts (how many of them are no figures), rows
CHANGES = ["Change", "Change in %"]


def of_tables(
    figures: dict[str, Any], other: dict[str, Any], names: tuple[str, str], keys: Sequence[str], labels: Sequence[str]
) -> Comparison:
    """Each measure in both tables, overall and by group. names: of the other table and of this one."""
    rows = list(_rows(["All", *[""] * (len(keys) - 1)] if keys else [], labels, other["totals"], figures["totals"]))
    width = len(keys)
    before = {tuple(row[:width]): row[width:] for row in (other["groups"] or {}).get("rows", [])}
    groups = (figures["groups"] or {}).get("rows", [])
    nothing: list[Any] = [None] * len(labels)
    for row in groups:
        rows += _rows(row[:width], labels, before.pop(tuple(row[:width]), nothing), row[width:])
    if not (figures["groups"] or {}).get("others"):  # else a group may be among the others
        for key, values in before.items():
            rows += _rows(list(key), labels, values, nothing)
    title = f"{names[1]} compared with {names[0]}"
    return {"title": title, "columns": [*keys, "Measure", *names, *CHANGES], "texts": width + 1, "rows": rows}


def of_periods(figures: dict[str, Any], with_: Literal["before", "year"], labels: Sequence[str]) -> Comparison | None:
    """The last period beside the one before, or the same one a year before; None if that has no rows."""
    periods = figures["periods"] or []
    by_name = {str(row[0]): row[1:] for row in periods}
    if len(periods) < 2:
        return None
    last = str(periods[-1][0])
    before = str(periods[-2][0]) if with_ == "before" else _year_before(last)
    if before not in by_name:
        return None
    rows = list(_rows([], labels, by_name[before], by_name[last]))
    title = f"{last} compared with {before}"
    return {"title": title, "columns": ["Measure", before, last, *CHANGES], "texts": 1, "rows": rows}


def _rows(keys: Sequence[Any], labels: Sequence[str], before: Sequence[Any], now: Sequence[Any]) -> Iterator[list[Any]]:
    for label, old, new in zip(labels, before, now, strict=True):
        yield [*keys, label, old, new, *_change(old, new)]


def _change(old: Any, new: Any) -> list[Any]:
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in (old, new)):
        return [None, None]
    percent = f"{(new - old) / abs(old):+.1%}" if old else None
    return [new - old if isinstance(new - old, int) else float(f"{new - old:.12g}"), percent]


def _year_before(label: str) -> str:
    return re.sub(r"^\d{4}", lambda year: f"{int(year.group()) - 1:04}", label)

"""Figures and texts as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from jobs.engine.display import as_text

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


def shown(value: Any) -> str:
    """A formatted figure: thousands separators and two decimals, or four digits if it is small."""
    if value is None:
        return "–"  # noqa: RUF001
    if isinstance(value, bool) or not isinstance(value, int | float):
        return as_text(value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.2f}" if abs(value) >= 1 or value == 0 else f"{value:.4g}"


def in_columns(rows: Sequence[Sequence[Any]]) -> list[list[str]]:
    """Formatted figures of a table: if one in a column has decimals, all have two."""
    broken = {place for row in rows for place, value in enumerate(row) if isinstance(value, float)}
    return [
        [
            shown(float(value) if place in broken and isinstance(value, int) else value)
            for place, value in enumerate(row)
        ]
        for row in rows
    ]


def escaped(text: str) -> str:
    """Text escaped for Markdown, on one line."""
    return _PUNCTUATION.sub(r"\\\1", " ".join(str(text).split()))


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], texts: int = 1) -> str:
    """A table of Markdown. texts: how many columns are no figures."""
    lines = [columns, [":--"] * texts + ["--:"] * (len(columns) - texts)]
    head = [" | ".join(map(escaped, lines[0])), " | ".join(lines[1])]
    body = [" | ".join(escaped(value) for value in row) for row in in_columns(rows)]
    return "\n".join(f"| {line} |" for line in [*head, *body])

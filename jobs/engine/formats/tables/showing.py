"""The first rows of a table, cut short for showing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from jobs.engine import jsonsafe
from jobs.engine.formats.tables.grid import TableRow

FIRST_ROWS = 10
FIRST_BYTES = 200_000
WINDOW_BYTES = 2_000_000
LONGEST = 1_000  # characters of a value in such rows


def shortened(rows: Sequence[dict[str, Any]], columns: int) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Rows for showing, long values cut, and fewer rows where they are wide; and what a workbook shows otherwise in them."""
    longest = max(40, min(2_000, FIRST_BYTES // max(columns, 1)))
    kept: list[dict[str, Any]] = []
    left = FIRST_BYTES
    for row in rows:
        short = {key: _cut(value, longest) for key, value in row.items()}
        left -= len(jsonsafe.dumps(short))
        if kept and left < 0:
            break
        kept.append(short)
    return kept, [row.shown if isinstance(row, TableRow) else {} for row in rows[: len(kept)]]


def cut_short(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows for a page: long values cut, and no more rows than WINDOW_BYTES."""
    kept: list[dict[str, Any]] = []
    left = WINDOW_BYTES
    for row in rows:
        kept.append({key: _cut(value, LONGEST) for key, value in row.items()})
        left -= len(jsonsafe.dumps(kept[-1]))
        if left < 0:
            break
    return kept


def _cut(value: Any, longest: int) -> Any:
    if isinstance(value, dict | list):
        text = jsonsafe.dumps(value)
        return value if len(text) <= longest else text[:longest] + "…"
    return value[:longest] + "…" if isinstance(value, str) and len(value) > longest else value

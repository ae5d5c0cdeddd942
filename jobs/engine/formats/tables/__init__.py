"""Tables in files: what one looks like, how many rows it has, and the rows."""

from __future__ import annotations

from jobs.engine.formats.tables.grid import COLUMN_LIMIT, TableRow, as_shown, unknown_cells, unknown_sentence
from jobs.engine.formats.tables.options import DETECTED, ReadOptions
from jobs.engine.formats.tables.reader import count, describe, describe_here, read, read_here, window
from jobs.engine.formats.tables.showing import shortened
from jobs.engine.formats.tables.table_info import TableInfo

__all__ = [
    "COLUMN_LIMIT",
    "DETECTED",
    "ReadOptions",
    "TableInfo",
    "TableRow",
    "as_shown",
    "count",
    "describe",
    "describe_here",
    "read",
    "read_here",
    "shortened",
    "unknown_cells",
    "unknown_sentence",
    "window",
]

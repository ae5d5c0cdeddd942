"""Tables in files: what one looks like, how many rows it has, and the rows."""

from __future__ import annotations

from jobs.engine.formats.tables.reader import TableInfo, count, describe, describe_here, read, read_here

__all__ = [
    "TableInfo",
    "count",
    "describe",
    "describe_here",
    "read",
    "read_here",
]

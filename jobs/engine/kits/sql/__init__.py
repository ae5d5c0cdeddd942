"""One SELECT over tables, run by DuckDB in a confined child process."""

from __future__ import annotations

from jobs.engine.kits.sql.error_messages import listed
from jobs.engine.kits.sql.names import table_names
from jobs.engine.kits.sql.query import QueryAnswer, QueryEnded, QueryLimits, QuerySource, answer, query_error, run_query

__all__ = [
    "QueryAnswer",
    "QueryEnded",
    "QueryLimits",
    "QuerySource",
    "answer",
    "listed",
    "query_error",
    "run_query",
    "table_names",
]

"""One SELECT over tables, run by DuckDB in a confined child process."""

from __future__ import annotations

from jobs.engine.kits.sql import parameters
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
    "parameters",
    "query_error",
    "run_query",
    "stored",  # imported explicitly: it needs the database, which the child does not load
    "table_names",
]

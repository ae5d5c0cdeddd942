"""The one statement of a query, as a SELECT that can be written into a file: also of a PIVOT, and of EXPLAIN."""

from __future__ import annotations

import re

from jobs.engine.errors import LegworkError
from jobs.engine.kits.sql import error_messages
from jobs.engine.sandbox.locked_duckdb import LockedDuckDB

ANSWER = "query_answer"  # a table in memory
_EXPLAIN = re.compile(r"\s*explain\b(\s+analy[sz]e\b)?", re.I)


class Refused(LegworkError):
    """The query was refused, or reached a limit."""


def select_of(database: LockedDuckDB, sql: str) -> str:
    """The SELECT that gives the rows of a query. Raises Refused.

    A PIVOT whose values are not listed is two statements for DuckDB, so it is computed here, as is what EXPLAIN says.
    """
    kind, text = _only(database, sql)
    if kind == "MULTI":
        database.execute(f"create or replace temp table {ANSWER} as ({text}\n)")
        return f"from {ANSWER}"
    if kind == "EXPLAIN":
        _keep_plan(database, text)
        return f"select part, plan from {ANSWER} order by number"  # noqa: S608 - ours
    return text


def check(database: LockedDuckDB, sql: str) -> None:
    """Let DuckDB say what is wrong with a query on empty tables. Raises Refused and DuckDB's errors."""
    kind, text = _only(database, sql)
    if kind == "MULTI":
        database.execute(f"create or replace temp table {ANSWER} as ({text}\n)")
        return
    database.execute(f"explain {_explained(database, text)[0] if kind == 'EXPLAIN' else text}")


def _only(database: LockedDuckDB, sql: str) -> tuple[str, str]:
    found = database.statements(sql)
    if wrong := error_messages.no_select([kind for kind, _ in found]):
        raise Refused(wrong, reason="no_select")
    return found[0]


def _explained(database: LockedDuckDB, text: str) -> tuple[str, bool]:
    """The SELECT that is to be explained, and whether it is to be run for it. Raises Refused for anything else."""
    found = _EXPLAIN.match(text)
    rest = text[found.end() :] if found else text
    inner = database.statements(rest)
    if [kind for kind, _ in inner] != ["SELECT"]:
        raise Refused(
            "EXPLAIN works for a SELECT here: EXPLAIN SELECT …, or EXPLAIN ANALYZE SELECT …", reason="no_select"
        )
    return inner[0][1], bool(found and found[1])


def _keep_plan(database: LockedDuckDB, text: str) -> None:
    select, run = _explained(database, text)
    found = database.execute(f"explain {'analyze ' if run else ''}{select}").fetchall()
    database.execute(f"create or replace temp table {ANSWER} (number integer, part varchar, plan varchar)")
    lines = [(part, line) for part, plan in found for line in str(plan).rstrip().split("\n")]
    for number, (part, line) in enumerate(lines):
        row = f"insert into {ANSWER} values ($number, $part, $line)"  # noqa: S608 - ours
        database.execute(row, number=number, part=part, line=line)

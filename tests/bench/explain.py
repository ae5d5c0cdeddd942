"""The plan of each statement that the application sends, taken at the moment when it is sent.

    with explaining() as plans:
        queries.jobs("local")
    plans[0].statement, plans[0].tree, plans[0].buffers

A statement is explained with its own parameters, on its own connection, in its own transaction, and what the explaining did
is rolled back before the statement itself is run. So one that needs a lease or a lock finds it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import psycopg
from sqlalchemy import Engine, event, text

from jobs.engine.db import postgres

EXPLAIN = "explain (analyze, buffers, costs off, summary off, timing off) "
MANY = 10_000  # rows: a table with fewer is read as a whole, and rightly so
MOST_BUFFERS = 300  # of 8 kB: more than that is not flat

_LARGE = text("select relname from pg_class where relkind = 'r' and reltuples >= :many")
_PLANNED = re.compile(r"\s*(/\*.*?\*/\s*)?(select|insert|update|delete|with)\b", re.I | re.S)
_LEFT_ALONE = re.compile(r"advisory|set_config|pg_notify", re.I)  # they would be done twice
_TOUCHED = re.compile(r"Buffers: shared(?: hit=(\d+))?(?: read=(\d+))?")
_SCANNED = re.compile(r"Seq Scan on (\w+)")
_ROWS = re.compile(r"\(actual rows=([\d.]+) loops=(\d+)\)")


@dataclass(frozen=True)
class Plan:
    """One statement and what Postgres did for it, a line a step. `large`: the tables that had many rows then."""

    statement: str
    lines: tuple[str, ...]
    large: frozenset[str]

    @property
    def tree(self) -> list[str]:
        """The steps and their conditions, without what each touched and without the planning."""
        ends = next((place for place, line in enumerate(self.lines) if line.startswith("Planning:")), len(self.lines))
        return [line for line in self.lines[:ends] if "Buffers:" not in line]

    @property
    def buffers(self) -> int:
        """Of 8 kB, touched by the whole statement: the first step's count includes those below it."""
        found = next(filter(None, map(_TOUCHED.search, self.lines)), None)
        return sum(int(number or 0) for number in found.groups()) if found else 0

    @property
    def rows(self) -> int:
        """What came out of the first step."""
        found = _ROWS.search(self.lines[0])
        return round(float(found[1]) * int(found[2])) if found else 0

    @property
    def trouble(self) -> str:
        """Why it is not flat, in a few words; empty where it is."""
        scanned = sorted({name for line in self.lines for name in _SCANNED.findall(line)} & self.large)
        if scanned:
            return f"reads all of {', '.join(scanned)}"
        return f"touches {self.buffers:,} buffers" if self.buffers > MOST_BUFFERS else ""


@contextmanager
def explaining() -> Iterator[list[Plan]]:
    """The plans of what any engine of this process sends meanwhile, in its order."""
    plans: list[Plan] = []
    with postgres.session() as session:
        large = frozenset(session.scalars(_LARGE, {"many": MANY}))

    def note(connection: Any, statement: str, parameters: Any) -> None:
        if _PLANNED.match(statement) and not _LEFT_ALONE.search(statement):
            plans.append(Plan(statement, _explained(connection, statement, parameters), large))

    def before(_: Any, cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        note(cursor.connection, statement, parameters[0] if many else parameters)

    def in_own_words(connection: Any, statement: str, parameters: Any = None, **more: Any) -> Any:
        note(connection, statement, parameters)
        return execute(connection, statement, parameters, **more)

    execute = psycopg.Connection.execute
    event.listen(Engine, "before_cursor_execute", before)
    try:
        with patch.object(
            psycopg.Connection, "execute", in_own_words
        ):  # what goes past SQLAlchemy: claims, ends, polls
            yield plans
    finally:
        event.remove(Engine, "before_cursor_execute", before)


def _explained(connection: Any, statement: str, parameters: Any) -> tuple[str, ...]:
    begin, back = ("begin", "rollback") if connection.autocommit else ("savepoint plan", "rollback to savepoint plan")
    with connection.cursor() as cursor:
        cursor.execute(begin)
        try:
            cursor.execute(EXPLAIN + statement, parameters or None)
            return tuple(line for (line,) in cursor)
        finally:
            cursor.execute(back)

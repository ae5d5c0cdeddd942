"""Runs one untrusted SELECT on untrusted tables, by DuckDB in a sandboxed child process.

`run_query` streams the rows, in constant memory. `query_error` checks a query before there is a job.
The worker does not load DuckDB: a query that exceeds its limits ends the child only.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from jobs.engine.errors import BadInput, JobFailed
from jobs.engine.sandbox import confined

MODULE = "jobs.engine.kits.sql"
LATE_SECONDS = 10  # grace after the time limit, and for loading the tables
CHECK_SECONDS = 5
FILE_BYTES = 16 << 30
MEMORY_BESIDE = 2 << 30  # address space for Python, DuckDB's code and thread stacks


@dataclass(frozen=True)
class QuerySource:
    """A file and the name of its table."""

    table: str
    path: str
    name: str  # of the file
    format: str
    columns: list[str]
    encoding: str | None = None
    delimiter: str | None = None


@dataclass(frozen=True)
class QueryLimits:
    """memory: bytes for DuckDB. seconds: for loading the tables and the query. rows: maximum in the result."""

    rows: int
    seconds: int = 600
    memory: int = 1 << 30
    threads: int = 2


@dataclass
class QueryAnswer:
    """The result of a query. `count` and `more` are set after the last row."""

    tables: list[dict[str, Any]] = field(default_factory=list)  # table, rows, columns: type by name
    columns: list[dict[str, str]] = field(default_factory=list)  # name, type
    count: int = 0
    more: bool = False
    _answers: Iterator[Any] = field(default_factory=lambda: iter(()))

    def rows(self) -> Iterator[list[Any]]:
        """The rows as lists of JSON values. Raises QueryEnded if the query ends early."""
        for message in self._answers:
            if isinstance(message, dict):
                self.more = message["more"]
                return
            for row in message:
                self.count += 1
                yield row


class QueryEnded(JobFailed):
    """The query was refused, or reached one of its limits. `reason` says which."""

    reason = "bad_sql"


def query_error(statement: str, sources: list[QuerySource]) -> str | None:
    """An error in the query's syntax or names, as a sentence; None if there is none, or the check did not end."""
    limits = QueryLimits(rows=0, seconds=CHECK_SECONDS)
    try:
        confined.run(MODULE, _request(statement, sources, limits, check=True), _limits(limits))
    except confined.TooCostly:
        return None  # the job itself will report it
    except BadInput as error:
        return error.message
    return None


@contextmanager
def run_query(
    statement: str, sources: list[QuerySource], limits: QueryLimits, check: Callable[[], None]
) -> Iterator[QueryAnswer]:
    """Run a query. Raises QueryEnded. `check` is polled; an exception from it ends the query at once."""
    with closing(_answers(_request(statement, sources, limits), limits, check)) as answers:
        answer = QueryAnswer(_answers=answers)
        for message in answers:
            if "columns" in message and "table" not in message:
                answer.columns = message["columns"]
                break
            answer.tables.append(message)
        yield answer


def _request(statement: str, sources: list[QuerySource], limits: QueryLimits, check: bool = False) -> dict[str, Any]:
    return {"sql": statement, "sources": [asdict(source) for source in sources], "check": check} | asdict(limits)


def _limits(limits: QueryLimits) -> confined.ProcessLimits:
    return confined.ProcessLimits(
        seconds=limits.seconds + LATE_SECONDS,
        memory=limits.memory + MEMORY_BESIDE,
        written=FILE_BYTES,
        cpu=limits.seconds * limits.threads + 30,
    )


def _answers(request: dict[str, Any], limits: QueryLimits, check: Callable[[], None]) -> Generator[Any, None, None]:
    try:
        reads = [Path(source["path"]) for source in request["sources"]]
        yield from confined.stream(MODULE, request, _limits(limits), reads=reads, check=check)
    except confined.TooCostly as error:
        if error.timed_out:
            raise QueryEnded("The query reached its time limit and was ended.", reason="time_limit") from None
        raise QueryEnded(
            "The query was ended: it exceeded its memory limit. Select fewer columns or rows, or group more coarsely.",
            reason="memory_limit",
        ) from None
    except BadInput as error:
        if error.reason == "bad_table":
            raise
        raise QueryEnded(error.message, reason=error.reason) from None

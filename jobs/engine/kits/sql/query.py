"""One SELECT over tables of strangers, by DuckDB in a child process that can reach nothing else.

`ask` runs it and gives its rows as they come, in constant memory. `wrong_words` judges it before there is a job.
The worker's process never holds DuckDB's work: whatever the query does, the child is ended and the worker lives.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from jobs.engine.errors import BadInput, JobFailed
from jobs.engine.sandbox import confined

MODULE = "jobs.engine.kits.sql"
LATE_SECONDS = 10  # after its time limit, and for the tables to be loaded
CHECK_SECONDS = 5
FILE_BYTES = 16 << 30
MEMORY_BESIDE = 2 << 30  # addresses, not memory: Python, DuckDB's code and its threads' stacks


@dataclass(frozen=True)
class QuerySource:
    """A file and the table it becomes."""

    table: str
    path: str
    name: str  # of the file
    format: str
    columns: list[str]
    encoding: str | None = None
    delimiter: str | None = None


@dataclass(frozen=True)
class QueryLimits:
    """memory: bytes for DuckDB. seconds: for the tables and the query together. rows: how many are given at most."""

    rows: int
    seconds: int = 600
    memory: int = 1 << 30
    threads: int = 2


@dataclass
class QueryAnswer:
    """What came of a query. `count` and `more` are known when the rows are through."""

    tables: list[dict[str, Any]] = field(default_factory=list)  # table, rows, columns: type by name
    columns: list[dict[str, str]] = field(default_factory=list)  # name, type
    count: int = 0
    more: bool = False
    _answers: Iterator[Any] = field(default_factory=lambda: iter(()))

    def rows(self) -> Iterator[list[Any]]:
        """Each row's values, as JSON has them. Raises QueryEnded if the query ends early."""
        for said in self._answers:
            if isinstance(said, dict):
                self.more = said["more"]
                return
            for row in said:
                self.count += 1
                yield row


class QueryEnded(JobFailed):
    """The query was refused, or ended by one of its limits. `reason` says which."""

    reason = "bad_sql"


def query_error(statement: str, sources: list[QuerySource]) -> str | None:
    """What is wrong with a query as far as the names of tables and columns can tell; None if nothing is."""
    limits = QueryLimits(rows=0, seconds=CHECK_SECONDS)
    try:
        confined.run(MODULE, _request(statement, sources, limits, check=True), _limits(limits))
    except confined.TooCostly:
        return None  # then the job itself will tell
    except BadInput as error:
        return error.message
    return None


@contextmanager
def run_query(
    statement: str, sources: list[QuerySource], limits: QueryLimits, check: Callable[[], None]
) -> Iterator[QueryAnswer]:
    """Run a query. Raises QueryEnded. `check` is called all the while; what it raises ends the query at once."""
    with closing(_answers(_request(statement, sources, limits), limits, check)) as answers:
        answer = QueryAnswer(_answers=answers)
        for said in answers:
            if "columns" in said and "table" not in said:
                answer.columns = said["columns"]
                break
            answer.tables.append(said)
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
        yield from confined.stream(MODULE, request, _limits(limits), check=check)
    except confined.TooCostly as error:
        if error.timed_out:
            raise QueryEnded("The query reached its time limit and was ended.", reason="time_limit") from None
        raise QueryEnded(
            "The query was ended: it took more memory than it may have. Select fewer columns or rows, or group more coarsely.",
            reason="memory_limit",
        ) from None
    except BadInput as error:
        if error.reason == "bad_table":
            raise
        raise QueryEnded(error.message, reason=error.reason) from None

"""Runs one untrusted SELECT on untrusted tables, by DuckDB in a sandboxed child process.

`run_query` writes the rows into a file, in constant memory. `query_error` checks a query before there is a job.
The worker does not load DuckDB: a query that exceeds its limits ends the child only.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from jobs.engine.errors import BadInput, JobFailed
from jobs.engine.formats.columns import Choices
from jobs.engine.formats.tables import DETECTED, ReadOptions
from jobs.engine.sandbox import confined

MODULE = "jobs.engine.kits.sql"
RESULT = "result"  # the file with the rows
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
    options: ReadOptions = DETECTED


@dataclass(frozen=True)
class QueryLimits:
    """memory: bytes for DuckDB. seconds: for loading the tables and the query. rows: maximum in the result."""

    rows: int
    seconds: int = 600
    memory: int = 1 << 30
    threads: int = 2


@dataclass
class QueryAnswer:
    """The result of a query, in the file `path`. After an end before its time: the rows up to then, of CSV and JSONL."""

    path: Path
    tables: list[dict[str, Any]] = field(default_factory=list)  # table, rows, columns: type by name, read, notes
    columns: list[dict[str, str]] = field(default_factory=list)  # name, type
    count: int = 0
    more: bool = False
    first: list[list[Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    bytes: int = 0

    def take(self, message: dict[str, Any]) -> None:
        """What the child said."""
        if "table" in message:
            self.tables.append(message)
        for name in ("columns", "count", "more", "first", "notes", "bytes"):
            if name in message and "table" not in message:
                setattr(self, name, message[name])

    def cut(self) -> None:
        """Leave only whole rows in the file."""
        if self.path.exists():
            os.truncate(self.path, self.bytes)


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


def run_query(
    statement: str,
    sources: list[QuerySource],
    limits: QueryLimits,
    folder: Path,
    format: str = "csv",
    choices: Choices | None = None,
    check: Callable[[], None] = lambda: None,
) -> Iterator[QueryAnswer]:
    """Run a query, and yield how far it is a few times a second. Its rows become a file of this format in the folder.

    Raises QueryEnded, after the last answer; the rows up to then are in the file. `check` is polled; an exception from it ends
    the query at once.
    """
    answer = QueryAnswer(folder / RESULT)
    request = _request(statement, sources, limits) | {"format": format, "choices": asdict(choices or Choices())}
    try:
        with closing(_answers(request, limits, folder, check)) as answers:
            for message in answers:
                answer.take(message)
                yield answer
    finally:
        answer.cut()


def answer(*asked: Any, **more: Any) -> QueryAnswer:
    """As run_query: the answer when all is written."""
    return [*run_query(*asked, **more)][-1]


def _request(statement: str, sources: list[QuerySource], limits: QueryLimits, check: bool = False) -> dict[str, Any]:
    return {"sql": statement, "sources": [asdict(source) for source in sources], "check": check} | asdict(limits)


def _limits(limits: QueryLimits) -> confined.ProcessLimits:
    return confined.ProcessLimits(
        seconds=limits.seconds + LATE_SECONDS,
        memory=limits.memory + MEMORY_BESIDE,
        written=FILE_BYTES,
        cpu=limits.seconds * limits.threads + 30,
    )


def _answers(
    request: dict[str, Any], limits: QueryLimits, folder: Path, check: Callable[[], None]
) -> Generator[Any, None, None]:
    try:
        reads = [Path(source["path"]) for source in request["sources"]]
        yield from confined.stream(MODULE, request, _limits(limits), folder=folder, reads=reads, check=check)
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

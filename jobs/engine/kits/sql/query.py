"""One SELECT over tables of strangers, by DuckDB in a child process that can reach nothing else.

`ask` runs it and gives its rows as they come, in constant memory. `wrong_words` judges it before there is a job.
The worker's process never holds DuckDB's work: whatever the query does, the child is ended and the worker lives.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import IO, Any

from jobs.engine import jsonsafe
from jobs.engine.errors import BadInput, JobFailed
from jobs.engine.sandbox import spawn

LOOK_SECONDS = 0.1
END_SECONDS = 1.0  # for the child to end by itself
LATE_SECONDS = 10.0  # after its time limit, and for the tables to be loaded
CHECK_SECONDS = 5
CHUNK = 1 << 18


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
    _lines: Iterator[Any] = field(default_factory=lambda: iter(()))

    def rows(self) -> Iterator[list[Any]]:
        """Each row's values, as JSON has them. Raises QueryEnded if the query ends early."""
        for said in self._lines:
            if isinstance(said, dict):
                self.more = said["more"]
                return
            self.count += 1
            yield said


class QueryEnded(JobFailed):
    """The query was refused, or ended by one of its limits. `reason` says which."""

    reason = "bad_sql"


def query_error(statement: str, sources: list[QuerySource]) -> str | None:
    """What is wrong with a query as far as the names of tables and columns can tell; None if nothing is."""
    request = _request(statement, sources, QueryLimits(rows=0, seconds=CHECK_SECONDS), check=True)
    try:
        done = subprocess.run(
            _command(),
            cwd=spawn.ROOT,
            env=spawn.environment(),
            input=request,
            capture_output=True,
            timeout=CHECK_SECONDS + LATE_SECONDS,
        )
        return str(json.loads(done.stdout)["message"]) if done.stdout.strip() else None
    except (subprocess.TimeoutExpired, ValueError):
        return None  # then the job itself will tell


@contextmanager
def run_query(
    statement: str, sources: list[QuerySource], limits: QueryLimits, check: Callable[[], None]
) -> Iterator[QueryAnswer]:
    """Run a query. Raises QueryEnded. `check` is called all the while; what it raises ends the query at once."""
    with tempfile.TemporaryDirectory(prefix="legwork-sql-", ignore_cleanup_errors=True) as folder:
        request = _request(statement, sources, limits, folder=folder)
        with _running(folder, request) as running:
            lines = _lines(running, time.monotonic() + limits.seconds + LATE_SECONDS, check)
            answer = QueryAnswer(_lines=lines)
            for said in lines:
                if "columns" in said and "table" not in said:
                    answer.columns = said["columns"]
                    break
                answer.tables.append(said)
            yield answer


def _request(
    statement: str, sources: list[QuerySource], limits: QueryLimits, folder: str = "", check: bool = False
) -> bytes:
    asked = {"sql": statement, "sources": [asdict(source) for source in sources], "folder": folder, "check": check}
    return jsonsafe.dumps(asked | asdict(limits)).encode() + b"\n"


def _command() -> list[str]:
    return spawn.command("jobs.engine.kits.sql", str(os.getpid()))


@contextmanager
def _running(folder: str, request: bytes) -> Iterator[subprocess.Popen[bytes]]:
    """The child, which does not outlive the `with`: it is asked to end, then killed."""
    running = subprocess.Popen(
        _command(),
        cwd=spawn.ROOT,
        env=spawn.environment(temporary=folder),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        with suppress(BrokenPipeError):
            _pipe(running.stdin).write(request)
            _pipe(running.stdin).flush()
        yield running
    finally:
        with suppress(BrokenPipeError):
            _pipe(running.stdin).close()
        _pipe(running.stdout).close()
        with suppress(subprocess.TimeoutExpired):
            running.wait(END_SECONDS)
        running.kill()
        running.wait()


def _lines(running: subprocess.Popen[bytes], deadline: float, check: Callable[[], None]) -> Iterator[Any]:
    """What the child says, a line at a time. Raises QueryEnded when it says an error, or nothing more."""
    waiting = b""
    for chunk in _chunks(running, deadline, check):
        *whole, waiting = (waiting + chunk).split(b"\n")
        for line in whole:
            said = json.loads(line)
            if isinstance(said, dict) and "error" in said:
                raise _ended(said["error"], said["message"])
            yield said
    raise QueryEnded(
        "The query was ended: it took more memory than it may have. Select fewer columns or rows, or group more coarsely.",
        reason="memory_limit",
    )


def _ended(reason: str, message: str) -> Exception:
    return BadInput(message, reason=reason) if reason == "bad_table" else QueryEnded(message, reason=reason)


def _chunks(running: subprocess.Popen[bytes], deadline: float, check: Callable[[], None]) -> Iterator[bytes]:
    output = _pipe(running.stdout).fileno()
    poll = select.poll()
    poll.register(output, select.POLLIN | select.POLLHUP)
    while True:
        check()
        if not poll.poll(LOOK_SECONDS * 1_000):
            if time.monotonic() > deadline:
                raise QueryEnded("The query reached its time limit and was ended.", reason="time_limit")
            continue
        chunk = os.read(output, CHUNK)
        if not chunk:
            return
        yield chunk


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe

"""Real worker programs for tests: `python -m jobs worker`, started and killed by id."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any

from jobs.engine.db import redis
from jobs.engine.db.models import Job
from jobs.engine.queue import delivery, queries

CODE = Path(__file__).parents[2]
PATIENCE = 60.0  # generous: the machine may be busy


def messages(queue: str) -> set[str]:
    """The ids of the jobs that have a message in this queue."""
    entries: Any = redis.broker().lrange(delivery.queue(queue).key, 0, -1)
    return {entry.decode() for entry in entries}


class Workers:
    """One supervisor and what it started. `output`: where its lines go, if not to where this process's go."""

    def __init__(self, *arguments: str, code: Path = CODE, output: IO[str] | None = None, **extra: str):
        command = [sys.executable, "-m", "jobs", "worker", *arguments]
        self.program = subprocess.Popen(command, cwd=code, env=os.environ | extra, stdout=output, stderr=output)

    @property
    def workers(self) -> list[int]:
        return [pid for pid in children(self.program.pid) if name_of(pid) == "legwork-worker"]

    @property
    def clock(self) -> int:
        return next(pid for pid in children(self.program.pid) if name_of(pid) == "legwork-clock")

    @property
    def horses(self) -> list[int]:
        """The workers' children that are at a job."""
        return [child for child in self.children if name_of(child) == "legwork-job"]

    @property
    def children(self) -> list[int]:
        """All of them, also those that wait for a job."""
        return [child for worker in self.workers for child in children(worker)]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.program.send_signal(number)
        self.program.wait(PATIENCE)


@contextmanager
def running(*arguments: str, code: Path = CODE, output: IO[str] | None = None, **extra: str) -> Iterator[Workers]:
    """A worker program, of another version of the code if `code` says so."""
    started = Workers(*arguments, code=code, output=output, **extra)
    try:
        yield started
    finally:
        if started.program.poll() is None:
            started.stop()


class Witness:
    """An HTTP server that counts the paths it was asked for: what was really done, seen from outside."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        calls, lock = self.calls, threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with lock:
                    calls[self.path] += 1
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Not into the test's output."""

        return Handler


def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait for something to become true; fail if it does not."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def ended(job: Job, seconds: float = PATIENCE) -> Job:
    """The job as it is when it has ended."""
    until(lambda: queries.job(job.id, job.owner).ended, seconds)
    return queries.job(job.id, job.owner)


def begun(job: Job, items: int = 1) -> None:
    """Wait until so many of its items are finished."""
    until(lambda: queries.job(job.id, job.owner).finished >= items)


def adds_up(job: Job) -> bool:
    return job.total is None or job.done + job.failed + job.skipped + job.unknown + (job.pending or 0) == job.total


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def name_of(pid: int) -> str:
    """What a process calls itself: empty where it is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def kill(*pids: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue

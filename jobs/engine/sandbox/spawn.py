"""Start a helper Python process: for work that must not bloat, or crash, the caller."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Self

ROOT = Path(__file__).parents[3]
LOOK_SECONDS = 0.1  # between two calls of `check`
CHUNK = 1 << 16  # what a pipe holds
MOST_LINE = 128_000_000  # bytes

Check = Callable[[], None] | None


def command(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def environment(temporary: str | None = None) -> dict[str, str]:
    """Next to nothing: no address, no password. `temporary` is where the child may put files."""
    return {"PATH": os.defpath, "PYTHONUTF8": "1", "TMPDIR": temporary or tempfile.gettempdir()}


def start(
    arguments: list[str], *, temporary: str | None = None, environ: Mapping[str, str] | None = None, **pipes: Any
) -> subprocess.Popen[bytes]:
    """A process in a session of its own, so that `end` reaches what it starts. Its errors are dropped unless `pipes` has them."""
    null = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    return subprocess.Popen(
        arguments,
        cwd=ROOT,
        env=environment(temporary) | dict(environ or {}),
        start_new_session=True,
        **{**null, **pipes},
    )


def exit_code(process: subprocess.Popen[bytes], seconds: float, check: Check = None) -> int | None:
    """The code of a process that ended by itself in time, else None. What `check` raises goes to the caller."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with suppress(subprocess.TimeoutExpired):
            return process.wait(LOOK_SECONDS)
        if check:
            check()
    return None


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and what it started, close its pipes, and wait until it is gone."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):  # what was not sent yet cannot be sent any more
                pipe.close()
    process.wait()


class LineChild:
    """A child process that takes and answers lines over pipes. It does not outlive the `with`.

    seconds: how long this process has waited for answers so far; the time between them is not its own.
    """

    def __init__(self, input: IO[bytes], output: IO[bytes]):
        self.seconds = 0.0
        self._owner = os.getpid()
        self._input, self._output = input, output
        self._lines: deque[bytes] = deque()
        self._begun: list[bytes] = []  # the parts of a line whose end has not come yet
        self._poll = select.poll()
        self._poll.register(output, select.POLLIN | select.POLLHUP)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    @property
    def parent(self) -> int:
        """The process that the child ends with."""
        return self._owner

    def send(self, data: bytes) -> None:
        """Raises BrokenPipeError if the child has ended."""
        self._input.write(data)
        self._input.flush()

    def close_input(self) -> None:
        with suppress(BrokenPipeError):
            self._input.close()

    def line(self, seconds: float | None = None, check: Check = None) -> bytes:
        """The next line, without its end; empty when the child has ended. Raises TimeoutError after `seconds` of waiting."""
        until = None if seconds is None else time.monotonic() + seconds
        while not self._lines:
            chunk = self._chunk(until, check)
            if not chunk:
                return b""
            self._take(chunk)
        return self._lines.popleft()

    def ended_well(self) -> bool:
        """Whether it has ended, or does so within a second, as a program does that has done its work."""
        raise NotImplementedError

    def close(self) -> None:
        """End it; once is enough. A fork of the process that started it leaves it alone."""
        if os.getpid() == self._owner:
            self._owner = 0
            self._end()

    def _end(self) -> None:
        raise NotImplementedError

    def _chunk(self, until: float | None, check: Check) -> bytes:
        asked = time.monotonic()
        try:
            while not self._poll.poll(LOOK_SECONDS * 1_000):
                if until is not None and time.monotonic() > until:
                    raise TimeoutError
                if check:
                    check()
        finally:
            self.seconds += time.monotonic() - asked
        if check:
            check()
        return os.read(self._output.fileno(), CHUNK)

    def _take(self, chunk: bytes) -> None:
        first, *others = chunk.split(b"\n")
        self._begun.append(first)
        for part in others:
            self._lines.append(b"".join(self._begun))
            self._begun = [part]
        if len(self._begun) * CHUNK > MOST_LINE and sum(map(len, self._begun)) > MOST_LINE:
            raise BrokenPipeError("The line is too long to be an answer.")


class PipedChild(LineChild):
    """A new Python process that runs a module."""

    def __init__(self, module: str, *, temporary: str | None = None, environ: Mapping[str, str] | None = None):
        pipes = dict.fromkeys(("stdin", "stdout"), subprocess.PIPE)
        self._process = start(command(module), temporary=temporary, environ=environ, **pipes)
        super().__init__(_pipe(self._process.stdin), _pipe(self._process.stdout))

    def ended_well(self) -> bool:
        return exit_code(self._process, 1.0) == 0

    def _end(self) -> None:
        end(self._process)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe

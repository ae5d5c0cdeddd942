"""Fork children from a process that has imported their module, for a job that needs one for each of many files.

    with warm.started("jobs.engine.formats.extraction"):
        ...  # confined.run() of this module forks

A new Python that imports the readers takes 0.3 s, a fork 0.01 s. The process that forks (fork_server.py) never sees a request:
it is handed the ends of a child's pipes, and the child limits itself before it reads what stands in them, as one that was
started alone does. Each child reads one file. One job has a process of its own, so that files of two owners never share it.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from jobs.engine.sandbox import spawn
from jobs.engine.sandbox.spawn import LineChild

SERVER = "jobs.engine.sandbox.fork_server"
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # a process with several forks only one of them

_servers: dict[str, ForkServer] = {}  # by module


@contextmanager
def started(module: str, *more: str) -> Iterator[None]:
    """Children of this module are forks until the end of the `with`. The process is started when the first is needed.

    more: modules that it imports as well.
    Only on Linux: elsewhere libraries of the system may not be used after a fork.
    """
    if module in _servers or sys.platform != "linux":
        yield
        return
    _servers[module] = server = ForkServer(module, more)
    try:
        yield
    finally:
        del _servers[module]
        server.close()


def child(module: str) -> LineChild | None:
    """A fork, where children of this module are forks."""
    server = _servers.get(module)
    return None if server is None else server.child()


class ForkServer:
    """The process that forks, started again where it has ended."""

    def __init__(self, module: str, more: tuple[str, ...]):
        self._arguments = (module, str(os.getpid()), *more)
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._running: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def child(self) -> LineChild | None:
        """None in a fork of the process that has the server: it is not its own."""
        if os.getpid() != self._owner:
            return None
        with self._lock:
            process, control = self._process()
            return ForkedChild(control, process.pid)

    def close(self) -> None:
        if self._running is not None and os.getpid() == self._owner:
            spawn.end(self._running)
        if self._control is not None:
            self._control.close()
        self._running = self._control = None

    def _process(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        if self._running is None or self._control is None or self._running.poll() is not None:
            self.close()
            self._control, theirs = socket.socketpair()
            with theirs:
                command = spawn.command(SERVER, *self._arguments)
                self._running = spawn.start(command, stdin=theirs, environ=ONE_THREAD)
        return self._running, self._control


class ForkedChild(LineChild):
    """A fork. Its server kills it when `_life` is closed, and sends its exit code there."""

    def __init__(self, control: socket.socket, server: int):
        self._server = server
        self._life, theirs = socket.socketpair()
        their_input, our_input = os.pipe()
        our_output, their_output = os.pipe()
        try:
            with suppress(BrokenPipeError):  # it has just ended, and so has the child that it would have forked
                socket.send_fds(control, [b"."], [their_input, their_output, theirs.fileno()])
        finally:
            theirs.close()
            os.close(their_input)
            os.close(their_output)
        super().__init__(os.fdopen(our_input, "wb"), os.fdopen(our_output, "rb"))

    @property
    def parent(self) -> int:
        return self._server

    def ended_well(self) -> bool:
        self._life.settimeout(1.0)
        with suppress(OSError):
            return self._life.recv(16) == b"0"
        return False

    def _end(self) -> None:
        """Have it killed with what it started, and wait until it is gone."""
        with suppress(OSError):
            self._life.shutdown(socket.SHUT_WR)
            self._life.settimeout(None)
            while self._life.recv(16):
                pass
        self._life.close()
        for pipe in (self._input, self._output):
            with suppress(OSError):  # what was not sent yet cannot be sent any more
                pipe.close()

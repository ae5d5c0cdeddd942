"""A child process that is kept: forked once, handed one task after another over a socket, gone with its parent.

    child = Child(serve)                     # in the parent: forks; in the child: serve(line), and never returns
    child.give(task); child.wait()           # 0 where it answered, else how it died, as a wait status; None while neither
    child.done()                             # whether it may be given another task

The parent waits on the socket and on the process itself: a socket can be held open by what the child has started. Waiting
takes nothing away, so it may be broken off by an exception at any moment and begun anew.
"""

from __future__ import annotations

import logging
import os
import pickle
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

GIVE_SECONDS = 3.0  # for a child to take a task; one that does not is not used
LEAVE_SECONDS = 1.0  # for a child that is to leave
STEP_MILLISECONDS = 50  # between looks where the system cannot tell of a death (no pidfd: not Linux)
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)

log = logging.getLogger("legwork.worker")

_LENGTH = struct.Struct("!Q")
_ENDS, _STAYS, _LEAVES = b"e", b"s", b"l"


class ChildChannel:
    """The child's end."""

    def __init__(self, end: socket.socket):
        self._end = end
        self.answered = True

    def take(self, idle: Callable[[], None], idle_seconds: float) -> Any:
        """The next task; None when the parent wants no more. `idle` is called once if none comes for so long."""
        look = select.poll()
        look.register(self._end, select.POLLIN)
        if not look.poll(idle_seconds * 1000):
            idle()
        head = self._read(_LENGTH.size)
        self.answered = not head
        return pickle.loads(self._read(_LENGTH.unpack(head)[0])) if head else None  # noqa: S301  (from our own parent)

    def ends(self) -> None:
        """Tell the parent that the task is as good as done, so that it may look for another."""
        self._end.sendall(_ENDS)

    def answer(self, stays: bool) -> None:
        """Tell the parent, once, that the task is done, and whether another may come."""
        self.answered = True
        self._end.sendall(_STAYS if stays else _LEAVES)

    def _read(self, count: int) -> bytes:
        read = bytearray()
        while len(read) < count and (more := self._end.recv(count - len(read))):
            read += more
        return bytes(read)


class PreforkedChild:
    """The parent's end, and the process. It leads a process group of its own, which is ended as a whole."""

    def __init__(self, serve: Callable[[ChildChannel], None], look_ahead: Callable[[], None] = lambda: None):
        """look_ahead: called while waiting, when the child tells that its task is as good as done."""
        self._look_ahead = look_ahead
        self.fresh = True  # it has not been given a task yet
        self._busy = self._doomed = False
        self._end, other = socket.socketpair()
        sys.stdout.flush()
        sys.stderr.flush()
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # until the child has handlers of its own
        self.pid = os.fork()
        if self.pid == 0:
            self._end.close()
            _be_child(serve, ChildChannel(other))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        other.close()
        with suppress(OSError):  # it does so itself: whoever comes first
            os.setpgid(self.pid, self.pid)
        self._end.setblocking(False)
        self._pidfd = os.pidfd_open(self.pid) if hasattr(os, "pidfd_open") else -1

    @property
    def alive(self) -> bool:
        return not self._doomed and self._status() is None

    def give(self, task: Any) -> None:
        """Hand over a task. Raises OSError where the child does not take it: it is dead or holds still."""
        packed = pickle.dumps(task)
        self.fresh, self._busy = False, True
        self._end.settimeout(GIVE_SECONDS)
        self._end.sendall(_LENGTH.pack(len(packed)) + packed)
        self._end.setblocking(False)

    def wait(self, seconds: float) -> int | None:
        """Wait until the child has answered, 0, or is dead: its status as of os.wait. None where neither came in time.

        Always with a limit: a signal that comes just before the system is asked to wait does not end the waiting, and its
        handler runs only after it.
        """
        deadline = time.monotonic() + seconds
        look = select.poll()
        look.register(self._end, select.POLLIN)
        if self._pidfd >= 0:
            look.register(self._pidfd, select.POLLIN)
        while True:
            if (word := self._answer(socket.MSG_PEEK)) == _ENDS:
                self._answer(0)
                self._look_ahead()
                continue
            if word:
                return 0
            if (status := self._status()) is not None:
                return 0 if self._answer(socket.MSG_PEEK) else status
            if (left := deadline - time.monotonic()) <= 0:
                return None
            milliseconds = left * 1000 if self._pidfd >= 0 else STEP_MILLISECONDS
            if (self._end.fileno(), select.POLLIN | select.POLLHUP) in look.poll(milliseconds):
                look.unregister(self._end)  # closed without a word: what is left to wait for is its death

    def done(self) -> bool:
        """After wait(): whether the child stays and may be given another task."""
        if not self._busy:
            return self.alive
        self._busy = False
        return self._answer(0) == _STAYS and self.alive

    def signal(self, number: int) -> None:
        """Send a signal to the child and all that it has started; after a SIGKILL it is given nothing any more."""
        self._doomed = self._doomed or number == signal.SIGKILL
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def close(self) -> None:
        """End it, with all that it has started. One that is not at a task leaves by itself, in LEAVE_SECONDS at most."""
        if not self._busy and not self._doomed:
            self._end.shutdown(socket.SHUT_WR)
            deadline = time.monotonic() + LEAVE_SECONDS
            while self._status() is None and time.monotonic() < deadline:
                self._wait_for_death()
        self.signal(signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)
        self._end.close()
        if self._pidfd >= 0:
            os.close(self._pidfd)

    def _answer(self, flags: int) -> bytes:
        try:
            return self._end.recv(1, flags)
        except OSError:
            return b""

    def _wait_for_death(self) -> None:
        """Some milliseconds at most."""
        if self._pidfd < 0:
            return time.sleep(STEP_MILLISECONDS / 1000)
        look = select.poll()
        look.register(self._pidfd, select.POLLIN)
        look.poll(STEP_MILLISECONDS)

    def _status(self) -> int | None:
        """How it died, as of os.wait, leaving it to be waited for; None while it lives."""
        try:
            told = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return 1
        if told is None:
            return None
        return told.si_status << 8 if told.si_code == os.CLD_EXITED else told.si_status


def _be_child(serve: Callable[[ChildChannel], None], line: ChildChannel) -> None:
    """In the fork: serve, and never return into the parent's code."""
    status = 1
    try:
        with suppress(OSError):
            os.setpgid(0, 0)
        serve(line)
        status = 0
    except BaseException as error:
        log.exception("a worker's child could not go on: %s", error)
    finally:
        os._exit(status)


def listen() -> None:
    """In the child, when it has handlers of its own: let the signals through that were held back at the fork."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

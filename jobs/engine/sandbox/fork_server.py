"""Fork a confined child whenever asked: `python -m jobs.engine.sandbox.fork_server MODULE PARENT MORE ...`; see warm.py.

The module's `__main__` has `work`, as for confined.serve, and may have WARM: what its readers import. Standard input is a socket.
A message on it carries three files: the child's input, its output, and a socket that stands for its life. When the other end of
that is closed, the child is killed with all that it started. When the child has ended, its exit code is sent there.
"""

from __future__ import annotations

import gc
import importlib
import os
import selectors
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from jobs.engine.sandbox import confined
from jobs.engine.sandbox.parent_death import call_process, forbid_tracing

LOOK_SECONDS = 1.0  # between two looks whether the parent is still there
MOST_OPEN = 1 << 16  # number of an open file

Work = Callable[[dict[str, Any], Path], dict[str, Any]]


def main(module: str, parent: int, *more: str) -> None:
    forbid_tracing()
    call_process("fork-server")
    found = _imported(module)
    for name in (*getattr(found, "WARM", ()), *more):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    Forks(found.work, parent).serve()


def _imported(module: str) -> ModuleType:
    found = importlib.import_module(module)
    return importlib.import_module(f"{module}.__main__") if hasattr(found, "__path__") else found


class Forks:
    """It has one thread, so that its forks are whole."""

    def __init__(self, work: Work, parent: int):
        self._work, self._parent = work, parent
        self._control = socket.socket(fileno=os.dup(0))
        self._lives: dict[socket.socket, int] = {}  # and the process
        self._ended: set[int] = set()
        self._selector = selectors.DefaultSelector()

    def serve(self) -> None:
        """Until the parent is gone."""
        wake, woken = socket.socketpair()
        for one in (wake, woken):
            one.setblocking(False)
        signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for watched in (self._control, wake):
            self._selector.register(watched, selectors.EVENT_READ)
        while os.getppid() == self._parent:
            for key, _ in self._selector.select(LOOK_SECONDS):
                if key.fileobj is self._control:
                    if not self._take():
                        return
                elif key.fileobj is wake:
                    wake.recv(4096)
                    self._tell_ends()
                else:
                    self._end(key.fileobj)  # type: ignore[arg-type]

    def _take(self) -> bool:
        """Fork for a message; False at the end of all messages."""
        said, files, _, _ = socket.recv_fds(self._control, 1, 3)
        if not said:
            return False
        pid = os.fork()
        if pid == 0:
            self._be_child(*files)
        for file in files[:2]:
            os.close(file)
        with suppress(OSError):  # the child has done so already, or has ended
            os.setpgid(pid, pid)
        life = socket.socket(fileno=files[2])
        self._lives[life] = pid
        self._selector.register(life, selectors.EVENT_READ)
        return True

    def _be_child(self, input: int, output: int, life: int) -> None:
        """The fork: with nothing open but its pipes, in a group of its own."""
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            with suppress(OSError):
                os.setpgid(0, 0)
            os.dup2(input, 0)
            os.dup2(output, 1)
            os.closerange(3, MOST_OPEN)
            confined.serve(self._work)
        finally:
            os._exit(1)

    def _tell_ends(self) -> None:
        """Send the exit codes of children that have ended. They stay zombies, so that their numbers stay theirs."""
        for life, pid in self._lives.items():
            if pid in self._ended:
                continue
            if found := os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                self._ended.add(pid)
                with suppress(OSError):
                    life.send(str(found.si_status if found.si_code == os.CLD_EXITED else -found.si_status).encode())

    def _end(self, life: socket.socket) -> None:
        pid = self._lives.pop(life)
        with suppress(OSError):
            os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        self._ended.discard(pid)
        self._selector.unregister(life)
        life.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])

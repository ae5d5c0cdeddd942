"""What a process asks of the kernel for itself: to end with its parent, not to be read by others, a name for `ps`."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from functools import cache, partial

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15


def die_with_parent(parent: int, with_signal: int = signal.SIGKILL) -> None:
    """Ask the kernel for a signal when the parent dies (Linux; elsewhere nothing). Exits at once if it is dead already."""
    if sys.platform == "linux":
        _libc().prctl(_PR_SET_PDEATHSIG, int(with_signal))
    if os.getppid() != parent:
        os._exit(1)


def tied_to_this_process(with_signal: int = signal.SIGKILL) -> Callable[[], None]:
    """A `preexec_fn` for a program that does not tie itself. The signal comes when the *thread* that started it ends."""
    _libc()  # loaded before the fork: a child should not load libraries
    return partial(die_with_parent, os.getpid(), with_signal)


def forbid_tracing() -> None:
    """Keep other processes of the same user from this one's memory, environment and files (Linux; elsewhere nothing).

    Debuggers such as py-spy need root then, or ALLOW_TRACING. Forks inherit it; a program that is started does not.
    """
    if sys.platform == "linux":
        _libc().prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def call_process(name: str) -> None:
    """Name this process for `ps -o comm` and top, in at most 15 characters (Linux; elsewhere nothing)."""
    if sys.platform == "linux":
        _libc().prctl(_PR_SET_NAME, name.encode())


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)

"""Processes that do not outlive the one that started them, and that say what they do."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from functools import cache

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15


def die_with_parent(parent: int, with_signal: signal.Signals = signal.SIGKILL) -> None:
    """Ask the kernel for a signal when the parent dies (Linux; elsewhere nothing). Leaves at once if it is dead already."""
    if sys.platform == "linux":
        _system().prctl(_PR_SET_PDEATHSIG, int(with_signal))
    if os.getppid() != parent:
        os._exit(1)


def call_process(name: str) -> None:
    """Name this process for `ps -o comm` and top, in at most 15 characters (Linux; elsewhere nothing)."""
    if sys.platform == "linux":
        _system().prctl(_PR_SET_NAME, name.encode())


@cache
def _system() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)

"""Detect what a job left behind in its process, before the process is given another job."""

from __future__ import annotations

import os
import re
import resource
import signal
import socket
import sys
import threading
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

MOST_GROWTH = 200_000_000  # bytes of memory since the process was forked
THREADS_SECONDS = 0.02  # for threads that have just ended to disappear

_STATUS = Path("/proc/self/status")
_MASKS = ("Umask", "SigBlk", "SigIgn", "SigCgt")
_TOLD = re.compile(rf"^(Threads|VmRSS|{'|'.join(_MASKS)}):\s*(.*)$", re.MULTILINE)
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM, signal.SIGUSR1, signal.SIGHUP, signal.SIGCHLD)
_LIMITS = [getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")]


@dataclass(frozen=True)
class ProcessState:
    """What a process can see of itself. Without /proc, only Python's threads are counted, and memory is unknown."""

    threads: int
    memory: int
    children: str
    environment: dict[str, str]
    folder: str
    import_path: tuple[str, ...]
    signals: tuple[Any, ...]
    masks: tuple[str, ...]
    limits: tuple[tuple[int, int], ...]
    patience: float | None

    def left(self) -> list[str]:
        """The names of what differs now or has grown too much; empty if nothing was left behind."""
        now = snapshot()
        deadline = time.monotonic() + THREADS_SECONDS
        while now.threads > self.threads and time.monotonic() < deadline:
            time.sleep(0.001)
            now = snapshot()
        more = ["memory"] if now.memory > self.memory + MOST_GROWTH else []
        same = [one.name for one in fields(self) if one.name not in ("threads", "memory")]
        others = [name for name in same if getattr(now, name) != getattr(self, name)]
        return more + others + (["threads"] if now.threads > self.threads else [])


def snapshot() -> ProcessState:
    told = _status()
    return ProcessState(
        threads=int(told.get("Threads", threading.active_count())),
        memory=int(told.get("VmRSS", "0 kB").split()[0]) * 1024,
        children=_children(),
        environment=dict(os.environ),
        folder=_folder(),
        import_path=tuple(sys.path),
        signals=tuple(signal.getsignal(number) for number in _SIGNALS),
        masks=tuple(told.get(name, "") for name in _MASKS),
        limits=tuple(resource.getrlimit(limit) for limit in _LIMITS),
        patience=socket.getdefaulttimeout(),
    )


def _status() -> dict[str, str]:
    try:
        return dict(_TOLD.findall(_STATUS.read_text()))
    except OSError:
        return {}


def _children() -> str:
    """The ids of child processes that were not waited for, of all threads."""
    try:
        return "".join(sorted(map(_children_of, os.listdir("/proc/self/task"))))
    except OSError:
        return ""


def _children_of(thread: str) -> str:
    with open(f"/proc/self/task/{thread}/children") as file:
        return file.read()


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        return "gone"

"""How much memory this machine has, and the container that this process is in (Linux)."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from jobs.engine import settings

LITTLE = 768 << 20  # in a container of less, one job runs at a time unless --processes says otherwise
LEAST_LIMIT = 2 << 30  # of JOB_MEMORY_MB where it is not set
LEAST_ROOM = 128 << 20
PROGRAM = 48 << 20  # that a worker program takes beside the pages which its jobs share with it
_CGROUPS = Path("/sys/fs/cgroup")


def sizes() -> Iterator[int]:
    """The memory of this machine, and the limits of the control groups that this process is in, in bytes."""
    with suppress(OSError, StopIteration):
        told = Path("/proc/meminfo").read_text()
        yield next(int(size) * 1024 for size in re.findall(r"^MemTotal:\s+(\d+) kB", told, re.M))
    yield from _limits()


def of_container() -> int | None:
    """The least limit of this process's control groups, versions 1 and 2; None if there is none below the machine's memory."""
    least, machine = min(_limits(), default=None), next(sizes(), 0)
    return least if least is not None and least < machine else None


def job_limit() -> int:
    """Bytes that a job may take: JOB_MEMORY_MB, or half of the memory of this machine, at least LEAST_LIMIT.

    In a container with little memory it is what the container has beside the worker program itself, but at least LEAST_ROOM.
    """
    if settings.current().job_memory_bytes:
        return settings.current().job_memory_bytes
    most = max(LEAST_LIMIT, min(sizes(), default=0) // 2)
    container = of_container()
    return most if container is None else min(most, max(LEAST_ROOM, container - PROGRAM))


def default_processes(usual: int) -> int:
    """How many jobs at a time suit this container."""
    return 1 if is_little() else usual


def is_little() -> bool:
    """Whether this process is in a container of less than LITTLE."""
    container = of_container()
    return container is not None and container < LITTLE


def give_back() -> None:
    """Return what was freed to the system, where the C library can (glibc): it keeps it otherwise."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def _limits() -> Iterator[int]:
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, kinds, path = line.split(":", 2)
            inner = _CGROUPS / (f"memory{path}" if kinds == "memory" else path.lstrip("/"))
            for place in (inner, *inner.parents):
                for name in ("memory.max", "memory.limit_in_bytes"):
                    with suppress(OSError, ValueError):
                        yield int((place / name).read_text())

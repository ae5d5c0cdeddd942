"""Memory of processes: what workers take, for operators to see, and what a job may take.

A job's process has a limit of its own, a little above what is allowed (RLIMIT_DATA), which ends one that grows within a second;
its worker measures it, with all that it started, at each heartbeat (Linux).
"""

from __future__ import annotations

import re
import resource
from contextlib import suppress
from pathlib import Path

from jobs.engine.machine_memory import job_limit
from jobs.engine.sandbox.rlimits import lower

UNUSED = 1 << 30  # above the limit: what may be asked for and not used, such as the stacks of threads
FOR_THE_END = 64 << 20  # above that: to say that a job reached it
_OWN = re.compile(r"^(?:RssAnon|RssShmem|VmSwap):\s+(\d+) kB", re.M)


def memory_of_tree(pid: int) -> int | None:
    """PSS of a process and its children, in bytes: pages that processes share are divided among them.

    None if unknown: the process is gone, or this is not Linux. Where only root may read it, what is not of a file: that is more.
    """
    own = _of_one(pid)
    if own is None:
        return None
    return own + sum(_of_one(child) or 0 for child in _children(pid))


def used_by_tree(pid: int) -> int:
    """Bytes of memory of a process and all it started that are not of a file, swapped ones included; 0 if unknown."""
    return _own(pid) + sum(map(used_by_tree, _children(pid)))


def limit_this_process() -> None:
    """Have what asks for much more than a job may take raise MemoryError.

    Where all memory is used up, the kernel ends this process and what it started before the workers and their program.
    """
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")
    most = job_limit() + UNUSED
    lower(resource.RLIMIT_DATA, most + FOR_THE_END)
    with suppress(ValueError):  # a lower limit stood already
        resource.setrlimit(resource.RLIMIT_DATA, (most, resource.getrlimit(resource.RLIMIT_DATA)[1]))


def make_room() -> None:
    """After a MemoryError: let this process have the little more that it needs to say so."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))


def too_much() -> str:
    """The sentence about a job that took more."""
    return (
        f"The job needed more than {job_limit() // 1_000_000:,} MB of memory, the limit of JOB_MEMORY_MB, and was ended. "
        "What was done is kept. Give it less at a time, or ask an operator to raise the limit."
    )


def _of_one(pid: int) -> int | None:
    try:
        found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)
    except PermissionError:
        return _own(pid)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def _own(pid: int) -> int:
    try:
        return sum(int(size) * 1024 for size in _OWN.findall(Path(f"/proc/{pid}/status").read_text()))
    except OSError:
        return 0


def _children(pid: int) -> list[int]:
    """The processes that any thread of a process has started."""
    found: list[int] = []
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                found += map(int, (thread / "children").read_text().split())
    return found

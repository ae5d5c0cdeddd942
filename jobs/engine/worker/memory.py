"""Memory of a process as PSS: pages that processes share are divided among them."""

from __future__ import annotations

import re
from pathlib import Path


def memory_of_tree(pid: int) -> int | None:
    """PSS of a process and its children, in bytes. None if unknown: the process is gone, or this is not Linux."""
    own = _of_one(pid)
    if own is None:
        return None
    return own + sum(_of_one(child) or 0 for child in _children(pid))


def _of_one(pid: int) -> int | None:
    try:
        found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []

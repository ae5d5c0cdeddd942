"""What was computed of an ended job's items, remembered in this process: the items change no more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from jobs.engine import queue

Found = TypeVar("Found")
MOST = 300
_REMEMBERED: dict[str, Any] = {}


def remembered(job: queue.JobView, what: object, make: Callable[[], Found]) -> Found:
    """What `make` returns; for an ended job it is called once for each `what`, until a person's decision revises the result."""
    if not job.ended:
        return make()
    key = f"{job.id} {job.lease} {job.finished} {job.result} {what}"
    if key not in _REMEMBERED:
        _REMEMBERED[key] = make()
        while len(_REMEMBERED) > MOST:
            _REMEMBERED.pop(next(iter(_REMEMBERED)), None)
    found: Found = _REMEMBERED[key]
    return found

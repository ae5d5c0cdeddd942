"""Workers: taking messages, running kinds, watching over both; and the clock."""

from __future__ import annotations

from jobs.engine.worker.context import Context, Counts, Output
from jobs.engine.worker.micro_batches import MicroBatcher

__all__ = [
    "Context",
    "Counts",
    "MicroBatcher",
    "Output",
]

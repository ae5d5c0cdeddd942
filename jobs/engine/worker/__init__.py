"""Workers: take messages, run jobs in child processes, and recover what was lost (the clock)."""

from __future__ import annotations

from jobs.engine.worker.context import Context, Counts, Output
from jobs.engine.worker.micro_batches import MicroBatcher

__all__ = [
    "Context",
    "Counts",
    "MicroBatcher",
    "Output",
]

"""For operators: what waits, runs and serves, how the parts are, and what they may do about it. The door of this room."""

from __future__ import annotations

from jobs.engine.operations.doctor import examine, told
from jobs.engine.operations.health import Component, components
from jobs.engine.operations.overview import Overview, Problem, current_overview
from jobs.engine.operations.queue_figures import MINUTES, QueueFigures, queues
from jobs.engine.operations.worker_figures import WorkerFigures, send_away, workers
from jobs.engine.queue.pauses import pause, resume
from jobs.engine.queue.retention import periods

__all__ = ["MINUTES", "Component", "Overview", "Problem", "QueueFigures", "WorkerFigures"]
__all__ += [
    "components",
    "current_overview",
    "examine",
    "pause",
    "periods",
    "queues",
    "resume",
    "send_away",
    "told",
    "workers",
]

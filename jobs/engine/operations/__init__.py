"""For operators: figures on queues and workers, health of the components, and actions on them."""

from __future__ import annotations

from jobs.engine.operations.all_schedules import list_all_schedules, pause_any_schedule
from jobs.engine.operations.doctor import examine, format_report
from jobs.engine.operations.health import Component, check_ready, components
from jobs.engine.operations.history import HOURS, HistoryPart, Span, what_ended
from jobs.engine.operations.overview import Overview, Problem, current_overview
from jobs.engine.operations.queue_figures import MINUTES, QueueFigures, queues
from jobs.engine.operations.shared_jobs import SharedJob
from jobs.engine.operations.worker_figures import WorkerFigures, send_away, start_another, workers
from jobs.engine.queue.pauses import pause, resume
from jobs.engine.queue.retention import periods

__all__ = [
    "HOURS",
    "MINUTES",
    "Component",
    "HistoryPart",
    "Overview",
    "Problem",
    "QueueFigures",
    "SharedJob",
    "Span",
    "WorkerFigures",
    "check_ready",
    "components",
    "current_overview",
    "examine",
    "format_report",
    "list_all_schedules",
    "pause",
    "pause_any_schedule",
    "periods",
    "queues",
    "resume",
    "send_away",
    "start_another",
    "what_ended",
    "workers",
]

"""The figures of the queues, workers and parts for Prometheus. Loaded when they are first asked for: see health.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from jobs.engine import operating, queries
from jobs.engine.errors import DatabaseAway
from jobs.engine.operating import QueueFigures

CONTENT_TYPE = CONTENT_TYPE_LATEST


def exposition() -> bytes:
    """Every figure as it is now, in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures())
    return generate_latest(registry)


class _Figures(Collector):
    def collect(self) -> Iterator[GaugeMetricFamily]:
        try:
            states = queries.job_states()
        except DatabaseAway:
            yield GaugeMetricFamily("legwork_database_up", "1 while the database answers.", value=0)
            return
        yield GaugeMetricFamily("legwork_database_up", "1 while the database answers.", value=1)
        yield _family(
            "legwork_jobs", "Jobs by state.", ("state",), (((state,), count) for state, count in states.items())
        )
        state = operating.operations()
        for name, figure, text in _OF_A_QUEUE:
            yield _family(name, text, ("queue",), (((queue.name,), figure(queue)) for queue in state.queues))
        yield _family(
            "legwork_queue_wait_seconds",
            "How long the last jobs that ended had waited.",
            ("queue", "quantile"),
            (pair for queue in state.queues for pair in _waits(queue)),
        )
        yield _family(
            "legwork_worker_memory_bytes",
            "Memory of a worker and its child, shared pages by their share.",
            ("worker",),
            (((worker.name,), worker.memory) for worker in state.workers if worker.memory is not None),
        )
        yield _family(
            "legwork_part_up",
            "0 where a part is wrong, 1 where it answers or is not set up.",
            ("part",),
            (((part.name.lower(),), part.state != "wrong") for part in state.parts),
        )


_OF_A_QUEUE: tuple[tuple[str, Any, str], ...] = (
    ("legwork_queue_waiting", lambda queue: queue.waiting, "Jobs that wait in a queue."),
    ("legwork_queue_oldest_seconds", lambda queue: queue.oldest_seconds, "Age of the job that waits longest."),
    ("legwork_queue_running", lambda queue: queue.running, "Jobs that run."),
    ("legwork_queue_workers", lambda queue: queue.workers, "Workers that serve a queue."),
    ("legwork_workers_needed", lambda queue: queue.needed, "Workers that it takes for no job to wait too long."),
    ("legwork_queue_paused", lambda queue: queue.paused_at is not None, "1 while a queue is paused."),
    ("legwork_queue_ended_per_minute", lambda queue: queue.ended[-2], "Jobs that ended in the last whole minute."),
    ("legwork_queue_failed_per_minute", lambda queue: queue.failed[-2], "Jobs that failed in the last whole minute."),
    ("legwork_queue_failed_day", lambda queue: queue.failed_day, "Jobs that failed in the last 24 hours."),
)


def _waits(queue: QueueFigures) -> Iterator[tuple[tuple[str, ...], float]]:
    if queue.wait_p50 is not None and queue.wait_p95 is not None:
        yield (queue.name, "0.5"), queue.wait_p50
        yield (queue.name, "0.95"), queue.wait_p95


def _family(
    name: str, text: str, labels: tuple[str, ...], values: Iterable[tuple[tuple[str, ...], Any]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for of, figure in values:
        family.add_metric(of, float(figure or 0))
    return family

"""The figures of the queues for Prometheus. Loaded when they are first asked for: see health.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from jobs.engine import queries
from jobs.engine.errors import DatabaseAway

CONTENT_TYPE = CONTENT_TYPE_LATEST


def exposition() -> bytes:
    """Every figure as it is now, in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures())
    return generate_latest(registry)


class _Figures(Collector):
    def collect(self) -> Iterator[GaugeMetricFamily]:
        try:
            figures = queries.figures()
        except DatabaseAway:
            yield GaugeMetricFamily("legwork_database_up", "1 while the database answers.", value=0)
            return
        yield GaugeMetricFamily("legwork_database_up", "1 while the database answers.", value=1)
        yield _family("legwork_jobs", "Jobs by state.", "state", figures["jobs"])
        for name, column, text in _OF_A_QUEUE:
            yield _family(name, text, "queue", {queue: row[column] for queue, row in figures["queues"].items()})


_OF_A_QUEUE = (
    ("legwork_queue_waiting", "waiting", "Jobs that wait in a queue."),
    ("legwork_queue_oldest_seconds", "oldest_seconds", "Age of the job that waits longest."),
    ("legwork_queue_running", "running", "Jobs that run."),
    ("legwork_queue_workers", "workers", "Workers that serve a queue."),
)


def _family(name: str, text: str, label: str, values: dict[str, Any]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, figure in values.items():
        family.add_metric([value], float(figure or 0))
    return family

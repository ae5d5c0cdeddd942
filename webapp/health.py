"""For supervisors and monitors: is the process up, can it take submissions, and the figures of the queues."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from jobs.engine import queries
from jobs.engine.errors import DatabaseAway, LegworkError

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """200 while the process answers at all."""
    return _plain(200, "ok")


@blueprint.get("/readyz")
def readyz() -> Response:
    """200 while submissions can be taken. A broker that is down does not matter: the row waits for it."""
    try:
        queries.ready()
    except LegworkError as error:
        return _plain(503, error.message)
    return _plain(200, "ok")


@blueprint.get("/metrics")
def metrics() -> Response:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures())
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


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


def _plain(status: int, sentence: str) -> Response:
    return Response(
        sentence + "\n", status, content_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-store"}
    )

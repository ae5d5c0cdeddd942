"""Prometheus metrics of the queues, workers and components. Loaded at the first scrape by health.py."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable, Iterator
from typing import Any

from gevent import Greenlet
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from jobs.engine import accounts, chat, operations
from jobs.engine.operations import QueueFigures
from webapp.chat import sse
from webapp.openai_api import completions

CONTENT_TYPE = CONTENT_TYPE_LATEST


def exposition() -> bytes:
    """All metrics in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures())
    return generate_latest(registry)


class _Figures(Collector):
    def collect(self) -> Iterator[GaugeMetricFamily]:
        mine = (str(os.getpid()),)
        for name, count, text in _OF_THIS_PROCESS:
            yield _family(name, text, ("process",), [(mine, count())])
        state = operations.current_overview()
        up = bool(state.queues)
        yield GaugeMetricFamily("legwork_database_up", "1 while the database answers.", value=int(up))
        if not up:
            return
        yield _family(
            "legwork_jobs",
            "Jobs by state; if there are many, ended ones are estimated.",
            ("state",),
            (((name,), count) for name, count in state.stock.states.items()),
        )
        for name, figure, text in _OF_A_QUEUE:
            yield _family(name, text, ("queue",), (((queue.name,), figure(queue)) for queue in state.queues))
        yield _family(
            "legwork_queue_wait_seconds",
            "Waiting time of the last jobs that ended.",
            ("queue", "quantile"),
            (pair for queue in state.queues for pair in _waits(queue)),
        )
        yield from _spending()
        yield _family(
            "legwork_worker_memory_bytes",
            "Memory of a worker and its child (PSS: shared pages divided among processes).",
            ("worker",),
            (((worker.name,), worker.memory) for worker in state.workers if worker.memory is not None),
        )
        yield _family(
            "legwork_part_up",
            "0 if a component is wrong, 1 if it works or is not set up.",
            ("part",),
            (((part.name.lower(),), part.state != "wrong") for part in state.parts),
        )


def _spending() -> Iterator[GaugeMetricFamily]:
    """Of all people, in this month of UTC: a figure for each would grow with their number."""
    months = accounts.of_month()
    dollars = [((name,), sum(getattr(one, name) for one in months)) for name in ("jobs", "chats", "unsure")]
    yield _family("legwork_spending_dollars", "What calls of models cost this month.", ("part",), dollars)
    tokens = [((name,), sum(getattr(one, f"{name}_tokens") for one in months)) for name in _TOKENS]
    yield _family("legwork_spending_tokens", "Tokens this month; cached are part of prompt.", ("part",), tokens)
    unpriced = sum(one.unpriced for one in months)
    yield GaugeMetricFamily(
        "legwork_spending_unpriced", "Items and answers without a price this month.", value=unpriced
    )


def _greenlets() -> int:
    """The number of running greenlets, without those of gevent's native threads, which come and go with names looked up.

    type(), because isinstance() would resolve Flask's proxy objects.
    """
    return sum(1 for thing in gc.get_objects() if issubclass(type(thing), Greenlet) and thing)


_TOKENS = ("prompt", "completion", "cached", "reasoning")
_OF_THIS_PROCESS: tuple[tuple[str, Any, str], ...] = (
    ("legwork_web_answers", chat.count_answers, "Chat answers that this web process is writing."),
    ("legwork_web_streams", sse.count_open, "Open event streams of chat answers."),
    ("legwork_web_completions", completions.count_open, "Completions that /v1 is passing through."),
    ("legwork_web_greenlets", _greenlets, "Running greenlets."),
)

_OF_A_QUEUE: tuple[tuple[str, Any, str], ...] = (
    ("legwork_queue_waiting", lambda queue: queue.waiting, "Jobs waiting in a queue."),
    ("legwork_queue_oldest_seconds", lambda queue: queue.oldest_seconds, "Waiting time of the oldest waiting job."),
    ("legwork_queue_running", lambda queue: queue.running, "Running jobs."),
    ("legwork_queue_workers", lambda queue: queue.workers, "Workers that serve a queue."),
    ("legwork_workers_needed", lambda queue: queue.needed, "Workers needed to meet the target waiting time."),
    ("legwork_queue_paused", lambda queue: queue.paused_at is not None, "1 while a queue is paused."),
    ("legwork_queue_ended_per_minute", lambda queue: queue.ended[-2], "Jobs that ended in the last full minute."),
    ("legwork_queue_failed_per_minute", lambda queue: queue.failed[-2], "Jobs that failed in the last full minute."),
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

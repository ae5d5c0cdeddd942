"""Celery on Redis, results kept: worked by `celery -A celery_tasks worker`, which is told what it need not do."""

from __future__ import annotations

import os
import time

from celery import Celery


def _named(url: str) -> str:
    """The address of a Redis at a socket, as Celery writes it."""
    return url.replace("unix://", "redis+socket://").replace("?db=", "?virtual_host=")


app = Celery("bench", broker=_named(os.environ["REDIS_URL"]), backend=_named(os.environ["RESULTS_URL"]))
app.conf.update(
    broker_connection_retry_on_startup=True,
    worker_disable_rate_limits=True,  # its documents: they cost time where none is set
    worker_enable_remote_control=False,
    worker_prefetch_multiplier=int(os.environ.get("PREFETCH", "64")),  # its documents: many, for tasks that are short
)


@app.task
def noop(number: int) -> int:
    return number


@app.task
def wait(number: int) -> int:
    time.sleep(0.05)
    return number


@app.task
def stamp() -> float:
    return time.time()


def start() -> float:
    return float(stamp.delay().get(timeout=30))


def enqueue(count: int, name: str) -> None:
    task = {"noop": noop, "wait": wait}[name]
    for number in range(count):
        task.delay(number)

"""RQ as its documents start: worked by `rq worker bench`. REDIS_URL names the Redis."""

from __future__ import annotations

import os
import time

from redis import Redis
from rq import Queue


def noop(number: int) -> int:
    return number


def stamp() -> float:
    return time.time()


queue = Queue("bench", connection=Redis.from_url(os.environ["REDIS_URL"]))


def start() -> float:
    """Asks for the result as often as the bench asks for ours."""
    job = queue.enqueue(stamp)
    while (value := job.return_value(refresh=True)) is None:
        time.sleep(0.005)
    return float(value)


def enqueue(count: int, name: str) -> None:
    for number in range(count):
        queue.enqueue(f"rq_tasks.{name}", number)

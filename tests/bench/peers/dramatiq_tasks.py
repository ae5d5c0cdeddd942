"""dramatiq on Redis, results kept: worked by `dramatiq dramatiq_tasks --processes 1`."""

from __future__ import annotations

import os
import time

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

broker = RedisBroker(url=os.environ["REDIS_URL"])
broker.add_middleware(Results(backend=RedisBackend(url=os.environ["RESULTS_URL"]), store_results=True))
dramatiq.set_broker(broker)


@dramatiq.actor
def noop(number: int) -> int:
    return number


@dramatiq.actor
def wait(number: int) -> int:
    time.sleep(0.05)
    return number


def enqueue(count: int, name: str) -> None:
    actor = {"noop": noop, "wait": wait}[name]
    for number in range(count):
        actor.send(number)

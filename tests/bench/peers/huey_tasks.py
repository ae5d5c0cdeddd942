"""Huey on Redis lists, results kept: worked by `huey_consumer huey_tasks.huey`."""

from __future__ import annotations

import os
import time

from huey import RedisHuey

huey = RedisHuey("bench", url=os.environ["REDIS_URL"])


@huey.task()
def noop(number: int) -> int:
    return number


@huey.task()
def stamp() -> float:
    return time.time()


def start() -> float:
    return float(stamp()(blocking=True, timeout=30, backoff=1, max_delay=0.005, revoke_on_timeout=True))


def enqueue(count: int, _: str) -> None:
    for number in range(count):
        noop(number)

"""Huey on Redis lists, results kept: worked by `huey_consumer huey_tasks.huey`."""

from __future__ import annotations

import os

from huey import RedisHuey

huey = RedisHuey("bench", url=os.environ["REDIS_URL"])


@huey.task()
def noop(number: int) -> int:
    return number


def enqueue(count: int, _: str) -> None:
    for number in range(count):
        noop(number)

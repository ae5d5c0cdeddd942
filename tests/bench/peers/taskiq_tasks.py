"""taskiq on a Redis list, results kept: worked by `taskiq worker taskiq_tasks:broker`."""

from __future__ import annotations

import asyncio
import os

from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend

URL = os.environ["REDIS_URL"]
broker = ListQueueBroker(URL, queue_name="bench").with_result_backend(RedisAsyncResultBackend(URL))


@broker.task
async def noop(number: int) -> int:
    return number


@broker.task
async def wait(number: int) -> int:
    await asyncio.sleep(0.05)
    return number


def enqueue(count: int, name: str) -> None:
    asyncio.run(_enqueue(count, name))


async def _enqueue(count: int, name: str) -> None:
    await broker.startup()
    task = {"noop": noop, "wait": wait}[name]
    for first in range(0, count, 100):
        await asyncio.gather(*(task.kiq(number) for number in range(first, min(first + 100, count))))
    await broker.shutdown()

"""SAQ on Redis, results kept: worked by `saq saq_tasks.settings`."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from redis.asyncio import from_url
from saq.queue.redis import RedisQueue

queue = RedisQueue(from_url(os.environ["REDIS_URL"]), name="bench")


async def noop(_: Any, *, number: int) -> int:
    return number


async def wait(_: Any, *, number: int) -> int:
    await asyncio.sleep(0.05)
    return number


settings = {"queue": queue, "functions": [noop, wait], "concurrency": int(os.environ.get("CONCURRENCY", "10"))}


def enqueue(count: int, name: str) -> None:
    asyncio.run(_enqueue(count, name))


async def _enqueue(count: int, name: str) -> None:
    for first in range(0, count, 100):
        await asyncio.gather(*(queue.enqueue(name, number=number) for number in range(first, min(first + 100, count))))
    await queue.disconnect()

"""One limit for all workers, over a real Redis, and for each alone without it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jobs.engine.db.rate_limit import RateLimiter
from jobs.engine.embedded.redis import Redis
from jobs.engine.llm.client import Chat
from tests.fake_provider import FakeProvider


@pytest.fixture(scope="module")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A Redis of this file's own: its tests freeze it."""
    server = Redis(tmp_path_factory.mktemp("redis"))
    server.launch()
    server.wait_ready()
    yield server
    server.stop()


CALLER = """
import asyncio, sys, time
from jobs.engine.db.rate_limit import RateLimiter

async def run(url, name, per_minute, calls):
    limits = RateLimiter(url)
    async def one():
        await limits.wait(name, per_minute)
        print(time.time(), flush=True)
    await asyncio.gather(*(one() for _ in range(calls)))
    await limits.close()

asyncio.run(run(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
"""


def in_processes(url: str, name: str, per_minute: int, calls: int, processes: int) -> list[float]:
    """When each call of several processes started, in order."""

    def one(_: int) -> str:
        command = [sys.executable, "-c", CALLER, url, name, str(per_minute), str(calls)]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout

    with ThreadPoolExecutor(processes) as pool:
        return sorted(float(line) for out in pool.map(one, range(processes)) for line in out.split())


def paced(url: str, name: str, per_minute: int, calls: int) -> list[float]:
    """When each call of one client started, by the monotonic clock, in order."""
    starts: list[float] = []

    async def run() -> None:
        limits = RateLimiter(url)

        async def one() -> None:
            await limits.wait(name, per_minute)
            starts.append(time.monotonic())

        await asyncio.gather(*(one() for _ in range(calls)))
        await limits.close()

    asyncio.run(run())
    return starts


@pytest.mark.slow
def test_a_pace_is_shared_by_processes(own_redis: Redis) -> None:
    starts = in_processes(own_redis.url, "shared", 600, calls=6, processes=3)
    assert len(starts) == 18
    assert starts[-1] - starts[0] >= 17 * 0.1 - 0.2  # 18 places, a tenth of a second apart


def test_names_do_not_share(own_redis: Redis) -> None:
    async def run() -> None:
        limits = RateLimiter(own_redis.url)
        await limits.wait("one", 1)
        await asyncio.wait_for(limits.wait("another", 1), 10)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(limits.wait("one", 1), 0.1)
        await limits.close()

    asyncio.run(run())


def test_without_redis_the_same_pace_holds_in_one_process() -> None:
    starts = paced("", "alone", 600, calls=6)
    assert starts[-1] - starts[0] >= 0.45


def test_a_redis_that_is_gone_delays_nobody(tmp_path: Path) -> None:
    starts = paced(f"unix://{tmp_path}/nothing.sock", "gone", 600, calls=6)
    assert starts[-1] - starts[0] >= 0.45


def test_a_frozen_redis_is_left_alone(own_redis: Redis) -> None:
    assert own_redis.process
    os.kill(own_redis.process.pid, signal.SIGSTOP)
    try:
        starts = asyncio.run(asyncio.wait_for(_many(own_redis.url, 50), 10))
    finally:
        os.kill(own_redis.process.pid, signal.SIGCONT)
    assert starts[-1] - starts[0] >= 0.4


async def _many(url: str, calls: int) -> list[float]:
    limits, starts = RateLimiter(url), []
    for _ in range(calls):
        await limits.wait("frozen", 6_000)
        starts.append(time.monotonic())
    await limits.close()
    return starts


def test_an_emptied_redis_changes_nothing(own_redis: Redis) -> None:
    async def run() -> None:
        from redis.asyncio import Redis as Client

        limits = RateLimiter(own_redis.url)
        await limits.wait("emptied", 6000)
        async with Client.from_url(own_redis.url) as client:
            await client.flushall()
        await limits.wait("emptied", 6000)
        await limits.close()

    asyncio.run(run())


def test_a_cancelled_wait_leaves_the_pace_usable(own_redis: Redis) -> None:
    async def run() -> None:
        limits = RateLimiter(own_redis.url)
        await limits.wait("cancelled", 120)
        task = asyncio.create_task(limits.wait("cancelled", 120))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
        await asyncio.wait_for(limits.wait("cancelled", 120), 5)
        await limits.close()

    asyncio.run(run())


def test_one_clients_429_holds_back_the_others(own_redis: Redis) -> None:
    """Two clients, as two workers have: the second never met the refusal and waits all the same."""
    with FakeProvider() as provider:
        provider.script(do=[{"do": "status", "status": 429, "retry_after": 1}])

        async def run() -> None:
            async with (
                Chat(provider.base_url, "", "fake-small", own_redis.url) as one,
                Chat(provider.base_url, "", "fake-small", own_redis.url) as two,
            ):
                first = asyncio.create_task(one.complete([{"role": "user", "content": "first"}]))
                await asyncio.sleep(0.3)
                await two.complete([{"role": "user", "content": "second"}])
                await first

        asyncio.run(run())
        refused, *later = provider.calls()
    assert refused["status"] == 429
    assert {call["prompt"] for call in later} == {"first", "second"}
    assert all(call["at"] - refused["at"] >= 1 for call in later)


def test_a_pause_is_looked_up_now_and_then_only(own_redis: Redis) -> None:
    async def commands() -> int:
        from redis.asyncio import Redis as Client

        limits = RateLimiter(own_redis.url)
        async with Client.from_url(own_redis.url) as client:
            before = (await client.info("commandstats"))["cmdstat_eval"]["calls"]
            for _ in range(1000):
                await limits.wait("often")
            after = (await client.info("commandstats"))["cmdstat_eval"]["calls"]
        await limits.close()
        return int(after - before)

    assert asyncio.run(commands()) < 100

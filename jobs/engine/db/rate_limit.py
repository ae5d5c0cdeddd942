"""Rate limits for all workers together: a pause that a provider asked for (Retry-After), and calls per minute that a person set.

Both are in Redis under short-lived keys. Without Redis each process applies the same limits by itself.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.engine.db import redis

if TYPE_CHECKING:
    from redis.asyncio import Redis

REDIS_SECONDS = 0.5  # timeout of a call to Redis
AWAY_SECONDS = 5.0  # after a timeout, until Redis is tried again
LOOK_SECONDS = 0.1  # how old the news of a pause may be

_BRIEF = {"socket_timeout": REDIS_SECONDS, "socket_connect_timeout": REDIS_SECONDS}

# Keep the longer of two pauses. Milliseconds.
_PAUSE = "if redis.call('pttl', KEYS[1]) < tonumber(ARGV[1]) then redis.call('set', KEYS[1], '1', 'px', ARGV[1]) end"

# The generic cell rate algorithm (ITU-T I.371) with no burst: the key holds when the next call may start, by Redis's
# own clock. Takes microseconds between calls, books the next place and gives the microseconds until it.
_BOOK = """
local time = redis.call('time')
local now, gap = time[1] * 1000000 + time[2], tonumber(ARGV[1])
local at = math.max(now, tonumber(redis.call('get', KEYS[1]) or 0))
redis.call('set', KEYS[1], string.format('%.0f', at + gap), 'px', math.ceil((at + gap - now) / 1000) + 1000)
return at - now
"""


class RateLimiter:
    """The limits as one process sees them, for use in one event loop. Without `redis_url` they are its own alone."""

    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url
        self._redis: Redis | None = None
        self._breaker = redis.CircuitBreaker(AWAY_SECONDS)
        self._names: dict[str, _Name] = {}

    async def wait(self, name: str, per_minute: float | None = None) -> None:
        """Return when a call under this name may start. Cancelling it costs at most one place in the pace."""
        one = self._one(name)
        if per_minute:
            async with one.turn:  # one booking at a time: a killed process leaves one place unused, not dozens
                await asyncio.sleep(await self._book(one, 60 / per_minute))
        while (left := await self._pause_left(one)) > 0:
            late = random.uniform(0, min(left, 1) / 4)  # noqa: S311 - so that not all start in the same instant
            await asyncio.sleep(left + late)

    async def pause(self, name: str, seconds: float) -> None:
        """Start no call under this name for that many seconds, in any process."""
        one = self._one(name)
        one.paused_until = max(one.paused_until, time.monotonic() + seconds)
        await self._ask(_PAUSE, one.pause_key, max(1, round(seconds * 1000)))

    async def close(self) -> None:
        if self._redis is not None:
            await self._redis.aclose()
            self._redis = None

    def _one(self, name: str) -> _Name:
        if name not in self._names:
            digest = hashlib.sha256(name.encode()).hexdigest()[:16]
            self._names[name] = _Name(
                f"legwork:pause:{digest}", f"legwork:rate:{digest}", asyncio.Lock(), asyncio.Lock()
            )
        return self._names[name]

    async def _book(self, one: _Name, gap: float) -> float:
        """Seconds until the next free place. Books it in Redis, or in this process where Redis is away."""
        now = time.monotonic()
        answer = await self._ask(_BOOK, one.rate_key, round(gap * 1e6))
        wait = max(0.0, one.next_at - now) if answer is None else answer / 1e6
        one.next_at = now + wait + gap
        return wait

    async def _pause_left(self, one: _Name) -> float:
        if time.monotonic() - one.looked_at > LOOK_SECONDS:
            async with one.looking:
                await self._look(one)
        return one.paused_until - time.monotonic()

    async def _look(self, one: _Name) -> None:
        """Ask Redis for the pause, unless another task has just done so."""
        if time.monotonic() - one.looked_at <= LOOK_SECONDS:
            return
        left = await self._ask("return redis.call('pttl', KEYS[1])", one.pause_key)
        one.looked_at = time.monotonic()
        if left is not None and left > 0:
            one.paused_until = max(one.paused_until, one.looked_at + left / 1000)

    async def _ask(self, script: str, key: str, *arguments: int) -> int | None:
        """Run a script; None where Redis does not answer, and then at once for AWAY_SECONDS."""
        from redis.exceptions import RedisError

        if not self._redis_url or self._breaker.is_open:
            return None
        try:
            if self._redis is None:
                self._redis = redis.connect_async(self._redis_url, **_BRIEF)
            answer: int | None = await self._redis.eval(script, 1, key, *arguments)
            return answer
        except (RedisError, OSError):
            self._breaker.trip()
            return None


@dataclass
class _Name:
    pause_key: str
    rate_key: str
    turn: asyncio.Lock
    looking: asyncio.Lock
    paused_until: float = 0.0  # these three by this process's monotonic clock
    looked_at: float = float("-inf")
    next_at: float = 0.0

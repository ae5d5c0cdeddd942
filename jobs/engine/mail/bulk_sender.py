"""Sends many messages in a run's event loop: over several connections, with one rate limit, and with retries.

A message that the server defers (4xx) is retried, because it was not accepted. Once the message's data has been sent there is
no retry, whatever the reply.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any
from uuid import UUID

from jobs.engine import settings
from jobs.engine.db.rate_limit import RateLimiter
from jobs.engine.errors import DatabaseUnavailable, JobFailed, RunEnded, Transient
from jobs.engine.mail import smtp
from jobs.engine.mail.outbox import SmtpReply

PAUSES = (2.0, 8.0, 30.0, 60.0)  # seconds before retries, each plus up to 50 % of jitter
STOP_SECONDS = 2.0  # how long messages in flight may wait for their replies when the run must end
GROWTH = 1.5  # of the messages in an hour, while a server warms up
MOST_HOURS = 240
AWAY_SECONDS = 0.25  # between retries while the database does not answer


@dataclass(frozen=True)
class SendingPace:
    """How fast messages may go. warm_up: as many in the first hour, then half as many again each hour. began: epoch seconds."""

    per_second: float | None = None
    per_hour: int | None = None
    warm_up: int | None = None
    began: float = 0.0

    def per_minute(self, now: float) -> float | None:
        """The lowest of the limits; None: as fast as the server takes them."""
        hours = max(0, int((now - self.began) // 3600))
        limits = [
            self.per_second * 60 if self.per_second else None,
            self.per_hour / 60 if self.per_hour else None,
            self.warm_up * GROWTH**hours / 60 if self.warm_up else None,
        ]
        return min((one for one in limits if one is not None), default=None)

    def seconds(self, messages: int) -> float:
        """How long so many messages take at least."""
        now, left = self.began, float(messages)
        while (limit := self.per_minute(now)) is not None:
            if left <= limit * 60 or (now - self.began) / 3600 > MOST_HOURS:
                return now - self.began + left / limit * 60
            left, now = left - limit * 60, now + 3600
        return 0.0


class BulkSender:
    """`async with` opens the connections; each sends one message at a time, by `hand_over`."""

    def __init__(
        self,
        owner: str,
        job_id: UUID,
        check: Callable[[], None],
        *,
        connections: int,
        pace: SendingPace,
        tries: int,
    ):
        self._senders = [smtp.sender(owner, job_id) for _ in range(connections)]
        self._free = list(self._senders)
        self._check = check
        self._pace = pace
        self._name = f"mail:{smtp.delivery_target()}"
        self._pauses = PAUSES[: tries - 1]
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="mail")
        self._limits = RateLimiter(settings.current().redis_url)
        self.refused: JobFailed | None = None  # why no further message can be sent

    async def __aenter__(self) -> BulkSender:
        """Open one connection. Raises Transient or JobFailed if that is not possible."""
        await self.thread(self._senders[0].open)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for sender in self._free:  # the others are in use by threads that are not waited for
            sender.close()
        await self._limits.close()

    async def turn(self) -> None:
        """Wait until the rate limit, which all workers share, allows the next message."""
        await self._limits.wait(self._name, self._pace.per_minute(time.time()))

    async def hand_over(self, message: EmailMessage) -> SmtpReply:
        """Send a message. BadInput, Transient: it was not accepted. OutcomeUnknown, CancelledError: it may have been."""
        for pause in self._pauses:
            try:
                return await self._try(message)
            except Transient as error:
                if error.__cause__ is not None and error.__cause__ is self.refused:
                    raise  # no try can succeed
                if self.refused is not None or not await self._pause(pause * random.uniform(1, 1.5)):  # noqa: S311 - jitter
                    raise Transient(
                        f"{error.message}. The job ended before another try.", reason=error.reason
                    ) from error
        return await self._try(message)

    async def thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    async def asked(self, query: Callable[..., Any], *arguments: Any) -> Any:
        """Call the function, and again while the database does not answer: an outage must not fail a recipient."""
        while True:
            try:
                return await self.thread(query, *arguments)
            except DatabaseUnavailable:
                self._check()
                await asyncio.sleep(AWAY_SECONDS)

    async def _try(self, message: EmailMessage) -> SmtpReply:
        sender = self._free.pop()
        flying = asyncio.ensure_future(self.thread(sender.send, message))
        try:
            await asyncio.wait({flying})
        except asyncio.CancelledError:
            await asyncio.wait({flying}, timeout=STOP_SECONDS)
            if not flying.done():
                raise
        self._free.append(sender)
        try:
            reply: SmtpReply = flying.result()
        except JobFailed as error:
            self.refused = error
            raise Transient(error.message, reason=error.reason) from error
        return reply

    async def _pause(self, seconds: float) -> bool:
        """Wait; returns False at once if the run must end."""
        try:
            until = asyncio.get_running_loop().time() + seconds
            while (left := until - asyncio.get_running_loop().time()) > 0:
                self._check()
                await asyncio.sleep(min(left, 0.2))
        except (RunEnded, asyncio.CancelledError):
            return False
        return True

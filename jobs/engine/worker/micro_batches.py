"""Micro-batching: collect values that a job's items produce one at a time, and process many at once, such as in one transaction.

    async with MicroBatcher(write_them, 250) as writes:
        came = await writes.of(row)     # in a batch with the rows of other items that wait

One batch is processed at a time, in the order of the values. Values that come meanwhile make up the next batch. After a JobFailed
there is no next batch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from jobs.engine.errors import JobFailed, LegworkError
from jobs.engine.llm.embeddings.batching import run_in_thread


class MicroBatcher:
    """`work` runs in a thread. It takes a list of values and returns their results or exceptions, in the same order."""

    def __init__(self, work: Callable[[list[Any]], Sequence[Any]], most: int):
        self._work = work
        self._most = most
        self._waiting: list[tuple[Any, asyncio.Future[Any]]] = []

    async def __aenter__(self) -> Self:
        self._came = asyncio.Event()
        self._task = asyncio.create_task(self._go_on())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def of(self, value: Any) -> Any:
        """The result of this value. Raises its exception."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((value, future))
        self._came.set()
        return await future

    async def _go_on(self) -> None:
        while True:
            await self._came.wait()
            batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            if not self._waiting:
                self._came.clear()
            outcomes = await self._outcomes([value for value, _ in batch])
            for (_, future), came in zip(batch, outcomes, strict=True):
                if not future.done():
                    future.set_exception(came) if isinstance(came, Exception) else future.set_result(came)
            if any(isinstance(came, JobFailed) for came in outcomes):
                return

    async def _outcomes(self, values: list[Any]) -> Sequence[Any]:
        """If the whole batch fails, try each value alone, so that a bad one fails alone."""
        try:
            return await run_in_thread(lambda: self._work(values))
        except LegworkError as error:
            return [error] * len(values)
        except Exception as error:
            if len(values) == 1:
                return [error]
            return [came for value in values for came in await self._outcomes([value])]

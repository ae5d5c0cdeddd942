"""Many texts, one at a time from the outside and in batches to the model: for the items of a job.

    async with Vectors("") as vectors:
        one = await vectors.of("a red kettle")      # waits a moment for others to go along with

What the cache knows is not asked for. A batch that is refused is asked for again text by text, so that one text that cannot
be embedded fails alone.

The model that comes along does a batch for each of a few callers, and pads each text to the longest beside it. So texts wait
here until it is free, and go with those of about their length: the more that wait, the less is padded.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from decimal import Decimal
from types import TracebackType
from typing import Any, Self, TypeVar

from jobs.engine import machine_memory
from jobs.engine.billing import Bill, CallUsage
from jobs.engine.errors import BadInput, DatabaseUnavailable, JobFailed, Transient
from jobs.engine.llm import providers, router
from jobs.engine.llm.batch_answers import BatchChat
from jobs.engine.llm.embeddings import builtin, cache, provider
from jobs.engine.llm.embeddings.builtin import Embedded
from jobs.engine.llm.embeddings.models import embedder

GATHER_SECONDS = 0.01
CALLS = 4  # at a time, to a provider
AWAY_SECONDS = 0.25
BUILT_IN_WINDOW = 1024  # texts that may wait for the model that comes along
BUILT_IN_FLYING = builtin.AT_ONCE + 2  # batches: those with the model, one looked for in the cache, one kept

Found = TypeVar("Found")


@dataclass(frozen=True)
class Vector:
    """One text's vector, as the model gave it. `known`: the cache had it, and it took nothing; `cut`: its end was not read.

    share: of the price; a half out of a provider's batch.
    """

    numbers: list[float]
    tokens: int
    cut: bool
    known: bool
    share: Decimal = Decimal(1)


class Vectors:
    """One model for one event loop. `dimension` is known after the first vector; another one later ends the job.

    answers: of a provider's batch, which are read instead of asking it. before: awaited before each request to a provider.
    """

    def __init__(
        self,
        model: str,
        batch_size: int = 32,
        dimension: int | None = None,
        answers: BatchChat | None = None,
        before: Callable[[], Awaitable[None]] | None = None,
    ):
        self.embedder = embedder(model)
        self.dimension = dimension
        self._size = batch_size
        self._answers = answers
        self._before = before
        # One with answers, so that equal texts find the vector of the first in the cache.
        self._most_flying = BUILT_IN_FLYING if self.embedder.built_in else 1 if answers else sys.maxsize
        self._waiting: list[tuple[str, asyncio.Future[Vector]]] = []
        self._flying: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def at_once(self) -> int:
        """How many texts should be asked for at a time, for no batch to wait for texts."""
        return max(BUILT_IN_WINDOW, self._size * CALLS) if self.embedder.built_in else self._size * CALLS

    async def __aenter__(self) -> Self:
        self._open = AsyncExitStack()
        one = self.embedder.built_in and machine_memory.is_little()
        self._room = asyncio.Semaphore(1 if one else builtin.AT_ONCE if self.embedder.built_in else CALLS)
        client = None if self.embedder.built_in else self._answers or router.open_client()
        self._client = await self._open.enter_async_context(client) if client else None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._flying:
            task.cancel()
        await asyncio.gather(*self._flying, return_exceptions=True)
        await self._open.aclose()

    def bill(self, *vectors: Vector) -> Bill:
        """What vectors took; their provider counts a whole request, of which each text has its share."""
        usage = CallUsage(sum(one.tokens for one in vectors))
        rates = None if self.embedder.built_in or not usage.prompt else providers.rates(self.embedder.model)
        if rates is None:
            return Bill(usage)
        return Bill(usage, sum((rates.cost(CallUsage(one.tokens)) * one.share for one in vectors), Decimal(0)))

    async def of(self, text: str) -> Vector:
        """Raises BadInput or Transient for this text alone, JobFailed where none can be embedded."""
        future: asyncio.Future[Vector] = asyncio.get_running_loop().create_future()
        self._waiting.append((text, future))
        self._send_or_wait()
        return await future

    def _send_or_wait(self) -> None:
        """Send what fills a batch; what does not has a moment for more to come."""
        if len(self._waiting) >= self._size:
            self._send()
        elif self._waiting and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GATHER_SECONDS, self._send)

    def _send(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting and len(self._flying) < self._most_flying:
            task = asyncio.create_task(self._settle(self._taken()))
            self._flying.add(task)
            task.add_done_callback(self._landed)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._flying.discard(task)
        if not task.cancelled():
            self._send_or_wait()

    def _taken(self) -> list[tuple[str, asyncio.Future[Vector]]]:
        """A batch of those that wait: the one that has waited longest, and those nearest to it in length."""
        length = len(self._waiting[0][0])
        nearest = sorted(range(len(self._waiting)), key=lambda place: abs(len(self._waiting[place][0]) - length))
        chosen = set(nearest[: self._size])
        batch = [one for place, one in enumerate(self._waiting) if place in chosen]
        self._waiting = [one for place, one in enumerate(self._waiting) if place not in chosen]
        return batch

    async def _settle(self, batch: list[tuple[str, asyncio.Future[Vector]]]) -> None:
        """Give every text of the batch its vector, or its error."""
        wanted = list(dict.fromkeys(text for text, _ in batch))
        try:
            found = await self._found(wanted)
        except Exception as error:
            found = dict.fromkeys(wanted, error)
        for text, future in batch:
            came = found[text]
            if isinstance(came, Vector):
                found[text] = replace(came, tokens=0, known=True)  # for those that say the same
            if not future.done():
                future.set_exception(came) if isinstance(came, Exception) else future.set_result(came)

    async def _found(self, texts: list[str]) -> dict[str, Any]:
        """What is known, then what the model says. Values are vectors or the exceptions of single texts."""
        hashes = {text: cache.digest(text) for text in texts}
        known = await run_in_thread(lambda: cache.look(self.embedder.model, list(hashes.values())))
        found: dict[str, Any] = {
            text: self._agreed(Vector(known[digest], 0, False, True))
            for text, digest in hashes.items()
            if digest in known
        }
        new = [text for text in texts if text not in found]
        if new:
            async with self._room:
                made = await self._made(new)
            fine = {hashes[text]: one.numbers for text, one in made.items() if isinstance(one, Vector)}
            if fine:
                await run_in_thread(lambda: cache.keep(self.embedder.model, fine))
            found |= made
        return found

    async def _made(self, texts: list[str]) -> dict[str, Any]:
        if self._answers is not None:
            came = await asyncio.gather(*(self._out_of_batch(self._answers, text) for text in texts))
            return dict(zip(texts, came, strict=True))
        try:
            return self._by_text(texts, await self._asked(texts))
        except BadInput as error:
            if len(texts) == 1:
                return {texts[0]: error}
            return {text: one for single in texts for text, one in (await self._made([single])).items()}

    async def _out_of_batch(self, answers: BatchChat, text: str) -> Vector | Exception:
        body = provider.request(self.embedder.model, [text])
        try:
            came, share = await answers.post_shared(provider.PATH, body, provider.parse)
        except (BadInput, Transient) as error:
            return error
        return replace(self._by_text([text], came)[text], share=share)

    async def _asked(self, texts: list[str]) -> Embedded:
        if self._client is None:
            return await asyncio.to_thread(self.embedder.raw, texts)
        parts = []
        for some in provider.batches(texts):
            if self._before is not None:
                await self._before()
            parts.append(await provider.ask(self._client, self.embedder.model, some))
        return provider.joined(parts)

    def _by_text(self, texts: list[str], came: Embedded) -> dict[str, Vector]:
        return {
            text: self._agreed(Vector(numbers, tokens, cut, False))
            for text, numbers, tokens, cut in zip(texts, came.vectors, came.tokens, came.cut, strict=True)
        }

    def _agreed(self, vector: Vector) -> Vector:
        """The vector, if it has as many numbers as those before it."""
        self.dimension = self.dimension or len(vector.numbers)
        if len(vector.numbers) != self.dimension:
            raise JobFailed(
                f"{self.embedder.model} gave a vector of {len(vector.numbers):,} numbers after vectors of "
                f"{self.dimension:,}. They cannot be compared, so the job ends here; look at what the provider serves.",
                reason="mixed_dimensions",
            )
        return vector


class VectorsOfModels:
    """Vectors of several models, each opened when it is first asked for. `usual`: the one that an empty name means."""

    def __init__(self, model: str, batch_size: int = 32, before: Callable[[], Awaitable[None]] | None = None):
        self.usual = embedder(model).model
        self._size = batch_size
        self._before = before
        self._vectors: dict[str, Vectors] = {}

    async def __aenter__(self) -> Self:
        self._open = AsyncExitStack()
        self._opening = asyncio.Lock()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()

    def bill(self, model: str, vectors: list[Vector]) -> Bill:
        """What vectors of a model took that was asked before."""
        return self._vectors[model or self.usual].bill(*vectors)

    async def of(self, model: str, texts: list[str]) -> list[Vector]:
        """Raises BadInput for a model that there is not, and what `Vectors.of` raises."""
        async with self._opening:
            name = model or self.usual
            if name not in self._vectors:
                try:
                    self._vectors[name] = await self._open.enter_async_context(
                        Vectors(name, self._size, before=self._before)
                    )
                except JobFailed as error:
                    raise BadInput(error.message, reason=error.reason) from None
        try:
            return list(await asyncio.gather(*map(self._vectors[name].of, texts)))
        except JobFailed as error:
            if error.reason != "no_model":
                raise
            raise BadInput(error.message, reason=error.reason) from None


async def run_in_thread(ask: Callable[[], Found]) -> Found:
    """Ask the database, for as long as it is away: without it nothing of the job can be kept anyway."""

    def until_there() -> Found:
        while True:
            try:
                return ask()
            except DatabaseUnavailable:
                time.sleep(AWAY_SECONDS)

    return await asyncio.to_thread(until_there)

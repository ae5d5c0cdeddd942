"""A limit of tokens that holds: a call starts only when the most it can take still fits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from jobs.engine.errors import BudgetSpent, LegworkError


@dataclass
class Spend:
    """What a call really took; 0 until it is known. again: keep room for one more try of it; False if there is none."""

    again: Callable[[], bool]
    tokens: int = 0


class Budget:
    """The tokens of one job, for use in one event loop. limit: None for none. used: by earlier attempts."""

    def __init__(self, limit: int | None, used: int = 0) -> None:
        self.limit = limit
        self.used = used
        self._reserved = 0
        self._flying = 0
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def room_for(self, most: int) -> AsyncIterator[Spend]:
        """Wait for room, and keep it until the block ends; the block says what was spent.

        An error of the block that was paid for counts as well. Raises BudgetSpent when there is no room and nothing is in
        flight that could leave some.
        """
        while not self._fits(most):
            if not self._flying:
                raise BudgetSpent(self._sentence(most))
            self._freed.clear()
            await self._freed.wait()
        reserved = most
        self._reserved += most
        self._flying += 1

        def again() -> bool:
            nonlocal reserved
            if not self._fits(most):
                return False
            reserved += most
            self._reserved += most
            return True

        spend = Spend(again)
        try:
            yield spend
        except LegworkError as error:
            spend.tokens = error.prompt_tokens + error.completion_tokens
            raise
        finally:
            self._reserved -= reserved
            self._flying -= 1
            self.used += spend.tokens
            self._freed.set()

    def _fits(self, most: int) -> bool:
        return self.limit is None or self.used + self._reserved + most <= self.limit

    def _sentence(self, most: int) -> str:
        return (
            f"The token budget is reached: {self.used:,} of {self.limit:,} tokens are used, and the next call could "
            f"take up to {most:,}. What is done is kept."
        )


def most_tokens(body: Mapping[str, Any]) -> int:
    """The most that a request for a chat completion can take: a token for two bytes, and the longest answer.

    With a schema an answer that does not fit is asked for a second time.
    """
    tries = 2 if isinstance(body.get("response_format"), dict) else 1
    return tries * (_bytes(body) // 2 + _longest(body))


def about_tokens(body: Mapping[str, Any]) -> int:
    """What a request is likely to take: a token for four bytes, and half the longest answer."""
    return _bytes(body) // 4 + _longest(body) // 2


def _bytes(body: Mapping[str, Any]) -> int:
    return len(json.dumps(body["messages"], ensure_ascii=False).encode(errors="replace"))


def _longest(body: Mapping[str, Any]) -> int:
    asked = body.get("max_completion_tokens") or body.get("max_tokens")
    answers = body.get("n")
    return (asked if isinstance(asked, int) else 0) * (answers if isinstance(answers, int) and answers > 0 else 1)

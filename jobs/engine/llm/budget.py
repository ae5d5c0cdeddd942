"""Limits that hold, of tokens and of dollars: a call starts only when the most it can take still fits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from jobs.engine.billing import NO_BILL, Bill, CallUsage
from jobs.engine.errors import BudgetSpent, JobFailed, LegworkError
from jobs.engine.llm.prices import BATCH_SHARE

NO_PRICE = (
    "has no price, so a limit in dollars cannot hold. Give it a price on its connection, or leave the limit empty."
)
ALLOWANCE = "The allowance of this month is used up. What is done is kept; an admin can raise the allowance."
OVERHEAD = 16  # tokens that a message may take beside its own


@dataclass
class Spend:
    """What a call really took, once it is known. again: keep room for one more try of it; False if there is none."""

    again: Callable[[], Awaitable[bool]]
    bill: Bill = NO_BILL


@dataclass
class MoneyLimit:
    """limit: dollars; None where only `hold` limits. used: by earlier attempts.

    hold: records that so many dollars may be spent from now on; False where an allowance leaves no room.
    sent: dollars that requests in a provider's batch may cost whose answers were not read yet; they are recorded already.
    """

    limit: Decimal | None
    used: Decimal
    hold: Callable[[Decimal], Awaitable[bool]]
    sent: Decimal = Decimal(0)


class Budget:
    """What one job may take, for use in one event loop. limit: of tokens; None for none. used: by earlier attempts."""

    def __init__(self, limit: int | None, used: int = 0, money: MoneyLimit | None = None) -> None:
        self.limit = limit
        self.used = used
        self.money = money
        self._reserved = 0
        self._dollars = Decimal(0)  # that are reserved
        self._flying = 0
        self._asking = 0  # calls that wait for the answer of `hold`
        self._ended = 0  # calls that are over
        self._freed = asyncio.Event()

    @property
    def limits(self) -> bool:
        """Whether there is any limit."""
        return self.limit is not None or self.money is not None

    @asynccontextmanager
    async def room_for(self, most: int, dollars: Decimal | None = None, *, sent: bool = False) -> AsyncIterator[Spend]:
        """Wait for room, and keep it until the block ends; the block says what was spent. dollars: None without a price.

        sent: its request is in a provider's batch, and has had its room since then. An error of the block that was paid for
        counts as well. Raises BudgetSpent when there is no room and nothing is in flight that could leave some, JobFailed
        where there is a limit in dollars and no price.
        """
        if self.money is not None and self.money.limit is not None and dollars is None:
            raise JobFailed(f"The model {NO_PRICE}", reason="no_price")
        dollars = dollars or Decimal(0)
        if sent:
            self._flying += 1
        else:
            await self._take(most, dollars)
        tries = 0 if sent else 1

        async def again() -> bool:
            nonlocal tries
            if not self._fits(most, dollars):
                return False
            if not await self._try(most, dollars):
                return False
            self._flying -= 1  # it is the same call
            tries += 1
            return True

        spend = Spend(again)
        lost = True
        try:
            yield spend
            lost = False
        except LegworkError as error:
            spend.bill, lost = error.bill, False
            error.bill = self._settled(spend.bill, tries, dollars)
            raise
        finally:
            self._keep(-tries * most, -tries * dollars)
            self._flying -= 1
            self._ended += 1
            spend.bill = self._settled(spend.bill, tries, dollars)
            self.used += spend.bill.usage.tokens
            if self.money is not None and sent:
                self.money.sent = max(self.money.sent - dollars * BATCH_SHARE, Decimal(0))
            if self.money is not None:  # what ended in another way stays reserved: it may have been spent
                self.money.used += tries * dollars if lost else (spend.bill.cost or 0) + spend.bill.unsure
            self._freed.set()

    async def _take(self, most: int, dollars: Decimal) -> None:
        while True:
            ended = self._ended
            if self._fits(most, dollars):
                if await self._try(most, dollars):
                    return
                if not await self._until(lambda: self._ended != ended):  # noqa: B023  # awaited in the same round
                    raise BudgetSpent(ALLOWANCE)
            elif not await self._until(lambda: self._fits(most, dollars)):
                raise BudgetSpent(self._sentence(most, dollars))

    async def _until(self, changed: Callable[[], bool]) -> bool:
        """Wait for what another call can bring about; False when no other call is left."""
        while not changed():
            if not self._flying and not self._asking:
                return False
            self._freed.clear()
            await self._freed.wait()
        return True

    async def _try(self, most: int, dollars: Decimal) -> bool:
        """Reserve; False where an allowance leaves no room."""
        self._keep(most, dollars)
        self._asking += 1
        held = False
        try:
            held = await self._hold(dollars)
        finally:
            self._asking -= 1
            if not held:
                self._keep(-most, -dollars)
                self._freed.set()  # there is room again for one that waits
        self._flying += held
        return held

    async def _hold(self, dollars: Decimal) -> bool:
        return self.money is None or not dollars or await self.money.hold(dollars)

    def _settled(self, bill: Bill, tries: int, dollars: Decimal) -> Bill:
        """The bill, with what is not reserved any more and what of it stays in doubt."""
        if self.money is None:
            return bill
        return replace(bill, held=tries * dollars, unsure=min(bill.doubtful, tries) * dollars)

    def _keep(self, most: int, dollars: Decimal) -> None:
        self._reserved += most
        self._dollars += dollars

    def _fits(self, most: int, dollars: Decimal) -> bool:
        money = self.money
        fits = money is None or money.limit is None or money.used + money.sent + self._dollars + dollars <= money.limit
        return fits and (self.limit is None or self.used + self._reserved + most <= self.limit)

    def _sentence(self, most: int, dollars: Decimal) -> str:
        money = self.money
        if money is not None and money.limit is not None and money.used + money.sent + dollars > money.limit:
            used = money.used + money.sent
            return (
                f"The limit in dollars is reached: {used:.4f} of {money.limit:.2f} are used, and the next call could "
                f"cost up to {dollars:.4f}. What is done is kept."
            )
        return (
            f"The token budget is reached: {self.used:,} of {self.limit or 0:,} tokens are used, and the next call could "
            f"take up to {most:,}. What is done is kept."
        )


def most_usage(body: Mapping[str, Any]) -> CallUsage:
    """No model takes more than a token for each byte that it is sent. A request without a longest answer has no bound.

    With a schema an answer that does not fit is asked for a second time.
    """
    tries = 2 if isinstance(body.get("response_format"), dict) else 1
    sent = len(json.dumps(body, ensure_ascii=False).encode(errors="replace"))
    return CallUsage(tries * (sent + OVERHEAD * (1 + len(body.get("messages", [])))), tries * _longest(body))


def most_tokens(body: Mapping[str, Any]) -> int:
    """The most that a request for a chat completion can take: a token for two bytes, and the longest answer.

    With a schema an answer that does not fit is asked for a second time.
    """
    tries = 2 if isinstance(body.get("response_format"), dict) else 1
    return tries * (_bytes(body) // 2 + _longest(body))


def request_bytes(body: Mapping[str, Any]) -> int:
    """The bytes of what is said in a request."""
    return _bytes(body)


def about_tokens(body: Mapping[str, Any]) -> int:
    """What a request is likely to take: a token for four bytes, and half the longest answer."""
    return _bytes(body) // 4 + _longest(body) // 2


def _bytes(body: Mapping[str, Any]) -> int:
    return len(json.dumps(body["messages"], ensure_ascii=False).encode(errors="replace"))


def _longest(body: Mapping[str, Any]) -> int:
    asked = body.get("max_completion_tokens") or body.get("max_tokens")
    answers = body.get("n")
    return (asked if isinstance(asked, int) else 0) * (answers if isinstance(answers, int) and answers > 0 else 1)

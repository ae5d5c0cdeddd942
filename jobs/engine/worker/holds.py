"""Reservations of money before calls of a model, in the database, where they survive a kill: many calls in one commit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal

from jobs.engine.accounts import spending
from jobs.engine.db import postgres
from jobs.engine.errors import BudgetSpent, DatabaseUnavailable
from jobs.engine.llm.budget import ALLOWANCE, MoneyLimit
from jobs.engine.queue import ledger

AWAY_SECONDS = 0.25


def money_limit(claim: ledger.Claim, dollars: Decimal | None) -> MoneyLimit | None:
    """The limit in dollars of a job, and of its owner's month; None where there is neither."""
    if dollars is None and spending.allowance(claim.owner) is None:
        return None
    with postgres.session() as session:
        used = ledger.spent(session.connection(), claim.job_id)
    return MoneyLimit(dollars, used.known, Holds(claim).hold, used.sent)


def allowance_check(claim: ledger.Claim) -> Callable[[], Awaitable[None]] | None:
    """For one event loop, before calls whose cost is small and known afterwards; None where there is no allowance.

    What it returns raises BudgetSpent where the owner's allowance of the month is used up.
    """
    if spending.allowance(claim.owner) is None:
        return None
    holds = Holds(claim)

    async def check() -> None:
        if not await holds.hold(Decimal(0)):
            raise BudgetSpent(ALLOWANCE)

    return check


class Holds:
    """For one event loop."""

    def __init__(self, claim: ledger.Claim) -> None:
        self._claim = claim
        self._waiting: list[tuple[Decimal, asyncio.Future[bool]]] = []
        self._task: asyncio.Task[None] | None = None

    async def hold(self, dollars: Decimal) -> bool:
        """Record that so much may be spent from now on; False where an allowance leaves no room. Raises LeaseLost."""
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((dollars, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._reserve())
        return await future

    async def _reserve(self) -> None:
        while self._waiting:
            some, self._waiting = self._waiting, []
            try:
                await self._record(some)
            except BaseException as error:
                for _, future in some:
                    if not future.done():
                        future.set_exception(error)
                if isinstance(error, asyncio.CancelledError):
                    raise

    async def _record(self, some: list[tuple[Decimal, asyncio.Future[bool]]]) -> None:
        """All in one, or where they do not fit together one by one."""
        whole = len(some) > 1 and await asyncio.to_thread(self._ask, sum((one for one, _ in some), Decimal(0)))
        for dollars, future in some:
            fits = whole or await asyncio.to_thread(self._ask, dollars)
            if not future.done():
                future.set_result(fits)

    def _ask(self, dollars: Decimal) -> bool:
        while True:
            try:
                with postgres.session() as session:
                    return ledger.hold(session.connection(), self._claim, dollars)
            except DatabaseUnavailable:
                time.sleep(AWAY_SECONDS)

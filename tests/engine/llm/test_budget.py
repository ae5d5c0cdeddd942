"""A limit of tokens that is never passed."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.engine.billing import Bill, CallUsage
from jobs.engine.errors import BudgetSpent
from jobs.engine.llm.budget import Budget, MoneyLimit, about_tokens, most_tokens


def spend_all(budget: Budget, calls: list[tuple[int, int]], concurrency: int) -> tuple[int, bool]:
    """Run calls of (most, really spent) until the budget ends them. Returns how many ran, and whether it did."""
    left, ran = iter(calls), 0

    async def worker() -> None:
        nonlocal ran
        for most, spent in left:
            async with budget.room_for(most) as spend:
                await asyncio.sleep(0)
                spend.bill = Bill(CallUsage(spent))
            ran += 1

    async def run() -> bool:
        ends = await asyncio.gather(*(worker() for _ in range(concurrency)), return_exceptions=True)
        assert all(end is None or isinstance(end, BudgetSpent) for end in ends)
        return any(ends)

    ended = asyncio.run(run())
    return ran, ended


@pytest.mark.slow
@given(
    calls=st.lists(
        st.integers(1, 50).flatmap(lambda most: st.tuples(st.just(most), st.integers(0, most))), max_size=40
    ),
    limit=st.integers(1, 500),
    concurrency=st.integers(1, 8),
)
def test_it_is_never_passed(calls: list[tuple[int, int]], limit: int, concurrency: int) -> None:
    budget = Budget(limit)
    ran, ended = spend_all(budget, calls, concurrency)
    assert budget.used <= limit
    assert ended or ran == len(calls)


def test_calls_in_flight_are_waited_for_before_it_is_called_spent() -> None:
    assert spend_all(Budget(100), [(60, 10)] * 9, concurrency=4) == (5, True)


def test_what_earlier_attempts_took_counts() -> None:
    assert spend_all(Budget(100, used=95), [(10, 10)], concurrency=1) == (0, True)


def test_without_a_limit_all_run() -> None:
    assert spend_all(Budget(None), [(10**9, 10**9)] * 5, concurrency=3) == (5, False)


def test_the_sentence_has_the_figures() -> None:
    async def run() -> None:
        async with Budget(5000, used=4812).room_for(260):
            pass

    with pytest.raises(BudgetSpent, match=r"4,812 of 5,000 tokens are used, and the next call could take up to 260\."):
        asyncio.run(run())


def test_a_failed_call_gives_its_room_back() -> None:
    budget = Budget(10)

    async def run() -> None:
        with pytest.raises(ValueError, match="broken"):
            async with budget.room_for(10):
                raise ValueError("broken")
        async with budget.room_for(10) as spend:
            spend.bill = Bill(CallUsage(10))

    asyncio.run(run())
    assert budget.used == 10


def test_the_most_is_more_than_the_likely() -> None:
    body = {"messages": [{"role": "user", "content": "x" * 400}], "max_tokens": 100}
    assert most_tokens(body) > 2 * about_tokens(body) - 2 > 100
    assert most_tokens(body | {"response_format": {"type": "json_schema"}}) == 2 * most_tokens(body)


def test_one_that_waits_hears_of_an_allowance_that_refused_another() -> None:
    """The first asks for all the room there is; while it is asked about, the second waits for it."""

    async def both() -> list[BaseException | None]:
        async def refused(_: Decimal) -> bool:
            await asyncio.sleep(0.01)
            return False

        budget = Budget(None, 0, MoneyLimit(Decimal(1), Decimal(0), refused))

        async def call() -> None:
            async with budget.room_for(1, Decimal(1)):
                pytest.fail("It has no room.")

        return await asyncio.wait_for(asyncio.gather(call(), call(), return_exceptions=True), 30)

    assert [type(one) for one in asyncio.run(both())] == [BudgetSpent, BudgetSpent]


def test_who_is_refused_asks_again_only_after_a_call_has_ended() -> None:
    """An allowance with room for three calls: each of the others asks once at the start, and once for each that ends."""
    asked: list[Decimal] = []

    async def all_of_them() -> list[str]:
        async def hold(dollars: Decimal) -> bool:
            asked.append(dollars)
            given = len(asked) <= 3
            await asyncio.sleep(0.001 * len(asked))
            return given

        budget = Budget(None, 0, MoneyLimit(None, Decimal(0), hold))

        async def call() -> str:
            try:
                async with budget.room_for(1, Decimal(1)):
                    await asyncio.sleep(0.05)
            except BudgetSpent:
                return "refused"
            return "called"

        return await asyncio.wait_for(asyncio.gather(*(call() for _ in range(20))), 30)

    answers = asyncio.run(all_of_them())
    assert (answers.count("called"), answers.count("refused")) == (3, 17)
    assert 20 <= len(asked) <= 20 + 3 * 17

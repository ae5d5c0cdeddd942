"""What a streamed answer cost, and what all rows will cost, by the first few that were really asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from statistics import mean, pstdev
from typing import Any, NamedTuple

from jobs.engine.billing import Bill, CallUsage
from jobs.engine.errors import BadInput, Skip
from jobs.engine.llm import prices, responses
from jobs.engine.llm.budget import about_tokens, request_bytes
from jobs.engine.llm.prices import Rates
from jobs.engine.llm.stream import Stream

LEAST_SPREAD, MOST_SPREAD = 0.1, 0.5  # of the range, both ways


@dataclass(frozen=True)
class TriedRow:
    """A row that was asked: the bytes of its request, and what it took."""

    bytes: int
    usage: CallUsage


def expected_cost(tried: Sequence[TriedRow], rates: Rates, items: int, all_bytes: int) -> tuple[Decimal, Decimal]:
    """From what to what so many items will cost, whose requests have so many bytes together.

    Prompts grow with their bytes. Answers do so too, as translations do, or are about as long as one another, as labels are:
    the former is taken where it explains half of how they differ.
    """
    prompt = sum(one.usage.prompt for one in tried) / sum(one.bytes for one in tried) * all_bytes
    lengths = [float(one.usage.completion) for one in tried]
    shares = [one.usage.completion / one.bytes for one in tried]
    grows = 2 * _variation(shares) < _variation(lengths)
    completion = mean(shares) * all_bytes if grows else mean(lengths) * items
    cached = sum(one.usage.cached for one in tried) / max(sum(one.usage.prompt for one in tried), 1)
    at = rates.long if rates.long is not None and prompt / items > rates.long_from else rates
    whole = replace(at, long=None).cost(CallUsage(round(prompt), round(completion), round(cached * prompt)))
    varies = 2 * min(_variation(shares), _variation(lengths)) / len(tried) ** 0.5
    spread = Decimal(str(round(min(max(varies, LEAST_SPREAD), MOST_SPREAD), 3)))
    return whole * (1 - spread), whole * (1 + spread)


class RowSize(NamedTuple):
    """Of an average row: the bytes of its request, and about how many tokens it takes."""

    bytes: float
    tokens: float


def measured(ask: Callable[[dict[str, Any]], dict[str, Any]], rows: Iterable[dict[str, Any]]) -> RowSize:
    """Of these rows; one that cannot be used is not asked and takes nothing. ask: makes the request body of a row."""
    count, sizes, tokens = 0, 0, []
    for count, row in enumerate(rows, 1):  # noqa: B007 - counted
        with suppress(Skip, BadInput):
            body = ask(row)
            sizes += request_bytes(body)
            tokens.append(about_tokens(body))
    return RowSize(sizes / count if count else 0, mean(tokens) if tokens else 0)


def _variation(values: Sequence[float]) -> float:
    return pstdev(values) / mean(values) if mean(values) else 0.0


def bill_of(stream: Stream, tokens: int) -> Bill:
    """As the provider counted; else about a token for four bytes that were sent, and so many that came.

    The first price of a model is asked of another process, which takes half a second.
    """
    sent = len(json.dumps(stream.body.get("messages", []), ensure_ascii=False).encode(errors="replace"))
    usage = responses.usage_of(stream.usage) or CallUsage(sent // 4, tokens)
    rates = rates_of(stream)
    return Bill(usage, rates.cost(usage) if rates else None)


def rates_of(stream: Stream) -> Rates | None:
    """The price of the model that was asked; None where none is known."""
    model, named = str(stream.body["model"]), stream.provider.connection
    own = named.own_rates(model) if named is not None else prices.own_rates(model)
    return own or prices.rates_by_child(model, stream.provider.base_url)

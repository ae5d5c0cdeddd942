"""What a streamed answer took, and what it cost."""

from __future__ import annotations

import json

from jobs.engine.billing import Bill, CallUsage
from jobs.engine.llm import prices, responses
from jobs.engine.llm.prices import Rates
from jobs.engine.llm.stream import Stream


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

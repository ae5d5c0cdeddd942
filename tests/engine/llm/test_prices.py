from __future__ import annotations

from decimal import Decimal
from typing import Any

import genai_prices
import pytest

from jobs.engine.billing import CallUsage
from jobs.engine.llm import prices
from jobs.engine.llm.prices import Rates

OPENAI, ANTHROPIC = "https://api.openai.com/v1", "https://api.anthropic.com"


@pytest.mark.parametrize(
    ("model", "url", "prompt", "cached", "written"),
    [
        ("gpt-4o-mini", OPENAI, 1_234, 1_000, 0),
        ("gpt-4o-mini", OPENAI, 7, 0, 0),
        ("claude-sonnet-4-5", ANTHROPIC, 5_000, 1_111, 2_222),
        ("claude-sonnet-4-5", ANTHROPIC, 200_000, 0, 0),
        ("claude-sonnet-4-5", ANTHROPIC, 200_001, 100_000, 1),
        ("gemini-2.5-pro", "https://generativelanguage.googleapis.com/v1beta/openai", 250_000, 3, 0),
        ("text-embedding-3-small", OPENAI, 999, 0, 0),
    ],
)
def test_a_call_costs_what_the_package_says(model: str, url: str, prompt: int, cached: int, written: int) -> None:
    completion = 0 if "embedding" in model else 321
    given = {"input_tokens": prompt, "cache_read_tokens": cached, "cache_write_tokens": written}
    theirs = genai_prices.calc_price(
        genai_prices.Usage(**given, output_tokens=completion), model, provider_api_url=url
    ).total_price
    usage = CallUsage(prompt, completion, cached, written, reasoning=completion)
    ours = prices.cost(model, usage, url=url)
    assert ours == theirs > 0
    assert prices.cost(model, usage, url=url, batch=True) == theirs / 2
    rates = prices.public_rates(model, url)
    assert rates is not None and rates.most(usage) >= ours
    assert Rates.of(rates.as_json()) == rates


@pytest.mark.parametrize(("model", "url"), [("gpt-4o-mini", "http://10.0.0.5:8000/v1"), ("my-own", OPENAI)])
def test_an_unknown_price_is_none(model: str, url: str) -> None:
    assert prices.cost(model, CallUsage(10, 10), url=url) is None


def test_a_web_process_asks_another_one() -> None:
    assert prices.rates_by_child("gpt-4o-mini", OPENAI) == prices.public_rates("gpt-4o-mini", OPENAI)
    assert prices.rates_by_child("my-own", OPENAI) is None


@pytest.mark.parametrize(
    ("given", "usage", "dollars"),
    [
        ({"input": "0.10", "output": 0.4}, CallUsage(3, 1), "0.0000007"),
        ({"input": 0, "output": 0}, CallUsage(3, 1), "0"),
        ({"input": 1}, CallUsage(3, 100), "0.000003"),
        (
            {"input": 1, "cached": "0.1", "output": 0},
            CallUsage(10, 0, cached=20),
            "0.000001",
        ),  # more than the prompt has
    ],
)
def test_a_price_of_ones_own(given: dict[str, Any], usage: CallUsage, dollars: str) -> None:
    assert Rates.of(given).cost(usage) == Decimal(dollars)

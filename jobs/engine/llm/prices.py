"""What calls cost: tokens times the price of a model, exactly, in US dollars.

    cost("gpt-4o-mini", CallUsage(prompt=1_200, cached=1_000, completion=80), url="https://api.openai.com/v1")

Prices come from the connection or the setting PRICES, else from the package genai-prices, which has them as data and asks
nobody. A model without a known price has no cost: None, never 0. Loading the package takes 0.3 s of the processor, which a web
process must not stand still for: there `rates_by_child` asks another process once for each model.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Self
from urllib.parse import urlsplit

from jobs.engine import settings
from jobs.engine.billing import CallUsage

MILLION = Decimal(1_000_000)
BATCH_SHARE = Decimal("0.5")  # of the price, where the answer may take a day
CHILD_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Rates:
    """Dollars for a million tokens. Above `long_from` tokens of a prompt, all of a call costs `long`."""

    input: Decimal
    output: Decimal
    cached: Decimal | None = None  # None: as `input`
    written: Decimal | None = None
    long_from: int = 0
    long: Rates | None = None

    def cost(self, usage: CallUsage, *, batch: bool = False) -> Decimal:
        """The exact cost of one call. batch: its provider may take a day for it, for half."""
        if self.long is not None and usage.prompt > self.long_from:
            return self.long.cost(usage, batch=batch)
        cached = min(usage.cached, usage.prompt)
        written = min(usage.written, usage.prompt - cached)
        whole = (
            self.input * (usage.prompt - cached - written)
            + _or(self.cached, self.input) * cached
            + _or(self.written, self.input) * written
            + self.output * usage.completion
        )
        return whole / MILLION * (BATCH_SHARE if batch else 1)

    def most(self, usage: CallUsage) -> Decimal:
        """The most that a call of so many tokens can cost, whatever of it the provider caches."""
        dearest = max(self.input, _or(self.written, self.input), _or(self.cached, self.input))
        most = (dearest * usage.prompt + self.output * usage.completion) / MILLION
        return max(most, self.long.most(usage)) if self.long is not None else most

    def as_json(self) -> dict[str, Any]:
        return json.loads(json.dumps(asdict(self), default=str))  # type: ignore[no-any-return]

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Rates as `as_json` wrote them, or as a person did."""
        long = given.get("long")
        money = {name: _decimal(given.get(name)) for name in ("input", "output", "cached", "written")}
        return cls(
            money["input"] or Decimal(0),
            money["output"] or Decimal(0),
            money["cached"],
            money["written"],
            int(given.get("long_from") or 0),
            cls.of(long) if long else None,
        )


def cost(model: str, usage: CallUsage, *, url: str = "", batch: bool = False) -> Decimal | None:
    """What one call cost by the public prices; None where none is known. url: the address of the provider."""
    found = public_rates(model, url)
    return found.cost(usage, batch=batch) if found else None


def own_rates(model: str) -> Rates | None:
    """The price of a model by the setting PRICES."""
    found = settings.current().prices.get(model)
    return Rates.of(found) if isinstance(found, dict) else None


def public_rates(model: str, url: str = "") -> Rates | None:
    """The public price of a model of the provider at this address, of today; None where none is known."""
    return None if _is_own(url) else _public_rates(model, url, datetime.now(UTC).date())


@lru_cache(maxsize=256)
def _public_rates(model: str, url: str, _: date) -> Rates | None:
    from genai_prices.data_snapshot import get_snapshot

    try:
        _provider, found = get_snapshot().find_provider_model(model, None, None, url)
    except LookupError:
        return None
    return _rates_of(found.get_prices(datetime.now(UTC)))


def rates_by_child(model: str, url: str = "") -> Rates | None:
    """As `public_rates`, by a process of its own; None also where that fails."""
    return None if _is_own(url) else _by_child(model, url, datetime.now(UTC).date())


def _is_own(url: str) -> bool:
    """Whether this is a server of one's own, for which nobody has a public price."""
    return settings.is_loopback(urlsplit(url).hostname or "")


@lru_cache(maxsize=256)
def _by_child(model: str, url: str, _: date) -> Rates | None:
    command = [sys.executable, "-m", __name__, model, url]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=CHILD_SECONDS, check=True)
        found = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return Rates.of(found) if found else None


def _rates_of(price: Any) -> Rates | None:
    """The package's price of a model as rates; None for one that has none for both directions."""
    names = {"input": "input_mtok", "output": "output_mtok", "cached": "cache_read_mtok", "written": "cache_write_mtok"}
    given = {name: getattr(price, attribute, None) for name, attribute in names.items()}
    if given["input"] is None:
        return None
    tiers: dict[str, Any] = {name: one for name, one in given.items() if hasattr(one, "tiers")}
    starts = sorted({tier.start for one in tiers.values() for tier in one.tiers})
    rates, long_from = None, 0
    for start in (*reversed(starts), -1):  # from the longest prompts down
        at = given | {name: _tier(one, start) for name, one in tiers.items()}
        rates, long_from = Rates(**_filled(at), long_from=long_from, long=rates), max(start, 0)
    return rates


def _filled(given: Mapping[str, Decimal | None]) -> dict[str, Any]:
    return {**given, "output": given["output"] or Decimal(0)}  # embeddings have no output


def _tier(price: Any, start: int) -> Decimal:
    """The price above so many tokens of a prompt."""
    below = [tier.price for tier in price.tiers if tier.start <= start]  # they are in order
    return below[-1] if below else price.base  # type: ignore[no-any-return]


def _or(price: Decimal | None, instead: Decimal) -> Decimal:
    return instead if price is None else price


def _decimal(value: Any) -> Decimal | None:
    return None if value in (None, "") else Decimal(str(value))


if __name__ == "__main__":
    asked = public_rates(*sys.argv[1:3])
    print(json.dumps(asked.as_json() if asked else None))

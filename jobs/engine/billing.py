"""What calls of a model took: tokens, and dollars where their price is known. Part of results and of errors alike."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class CallUsage:
    """The tokens of some calls. `cached` and `written` are a part of `prompt`: read from, and written to, the provider's cache;
    `reasoning` is a part of `completion`."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    written: int = 0
    reasoning: int = 0

    def __add__(self, other: CallUsage) -> CallUsage:
        return CallUsage(
            self.prompt + other.prompt,
            self.completion + other.completion,
            self.cached + other.cached,
            self.written + other.written,
            self.reasoning + other.reasoning,
        )

    @property
    def tokens(self) -> int:
        return self.prompt + self.completion


@dataclass(frozen=True, slots=True)
class Bill:
    """The tokens of some calls and what they cost. cost: None where a price is not known.

    doubtful: calls that broke off, which the provider may have counted all the same. held: what was reserved for these calls,
    and ends with them; unsure: the part of it that may have been spent by those that are doubtful. reused: answers that were kept
    from earlier jobs, and what they cost then.
    """

    usage: CallUsage = field(default_factory=CallUsage)
    cost: Decimal | None = None
    doubtful: int = 0
    held: Decimal = Decimal(0)
    unsure: Decimal = Decimal(0)
    reused: int = 0
    saved: Decimal = Decimal(0)

    def __add__(self, other: Bill) -> Bill:
        return Bill(
            self.usage + other.usage,
            _sum(self, other),
            self.doubtful + other.doubtful,
            self.held + other.held,
            self.unsure + other.unsure,
            self.reused + other.reused,
            self.saved + other.saved,
        )

    @property
    def unpriced(self) -> bool:
        """Whether tokens were taken whose price is not known."""
        return self.cost is None and self.usage.tokens > 0


NO_BILL = Bill()


def _sum(one: Bill, other: Bill) -> Decimal | None:
    """The cost of both; None where that of either is not known."""
    if one.unpriced or other.unpriced:
        return None
    return None if one.cost is None and other.cost is None else (one.cost or Decimal(0)) + (other.cost or Decimal(0))

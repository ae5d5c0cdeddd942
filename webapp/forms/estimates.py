"""What a job will take: from what its kind says, and from the last jobs of this kind with this model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from jobs.engine import kinds, queue
from webapp.ui import words

LIKE = 10  # times as many items or fewer: such runs tell more than others
MANY = 5  # runs from which the extremes are left out
SPREAD = 0.25  # of a single run, both ways


@dataclass(frozen=True)
class Expected:
    """Seconds and tokens from `low` to `high`; runs: how many earlier jobs say so. most_tokens: the kind's upper bound."""

    items: int | None = None
    calls: int | None = None
    low: float | None = None
    high: float | None = None
    low_tokens: int = 0
    high_tokens: int = 0
    most_tokens: int | None = None
    runs: int = 0
    low_cost: float | None = None  # dollars
    high_cost: float | None = None

    @property
    def cost(self) -> str:
        """$0.40 to $0.55."""
        if self.low_cost is None or self.high_cost is None:
            return ""
        return between(Decimal(str(self.low_cost)), Decimal(str(self.high_cost)), words.dollars)

    @property
    def time(self) -> str:
        """2 to 4 min."""
        if self.low is None or self.high is None:
            return ""
        return between(self.low, self.high, rough) if self.runs else between(self.high, self.high, rough)

    @property
    def tokens(self) -> str:
        most = f"at most {words.number(self.most_tokens)} tokens" if self.most_tokens else ""
        if not self.high_tokens:
            return most
        return f"{between(self.low_tokens, self.high_tokens, words.number)} tokens{f', {most}' if most else ''}"

    @property
    def source(self) -> str:
        if not self.runs:
            return ""
        return "from your last run" if self.runs == 1 else f"from your last {self.runs} runs"

    def as_json(self) -> dict[str, Any] | None:
        """What the job keeps of it."""
        return None if self.low is None else {"low": round(self.low, 2), "high": round(self.high or 0, 2)}


def expected(kind: str, params: Mapping[str, Any], about: kinds.Estimate | None, owner: str) -> Expected:
    """What a job with these params will take. about: what its kind says, if it says anything."""
    model = str(params.get("model") or "")
    runs = [run for run in queue.earlier_runs(owner, kind) if run.model == model]
    items = about.items if about else None
    if items is not None:
        runs = [run for run in runs if run.finished]
        runs = [run for run in runs if items / LIKE <= run.finished <= items * LIKE] or runs
    share: Callable[[queue.EarlierRun], float] = (
        (lambda run: items / run.finished) if items is not None else lambda run: 1
    )
    low, high = _bounds([run.seconds * share(run) for run in runs])
    low_cost, high_cost = _bounds([float(run.cost) * share(run) for run in runs if run.cost is not None])
    low_tokens, high_tokens = _bounds([run.tokens * share(run) for run in runs])
    if not runs and about and about.seconds:
        low = high = about.seconds
    return Expected(
        items=items,
        calls=about.calls if about else None,
        low=low,
        high=high,
        low_tokens=int(low_tokens or 0),
        high_tokens=int(high_tokens or 0),
        most_tokens=about.tokens if about else None,
        runs=len(runs),
        low_cost=low_cost,
        high_cost=high_cost,
    )


def verdict(estimated: Mapping[str, Any] | None) -> str:
    """What was expected of a job: 2 to 4 min."""
    if not estimated or "low" not in estimated:
        return ""
    low, high = float(estimated["low"]), float(estimated["high"])
    return between(low, high, rough)


def rough(seconds: float) -> str:
    """A duration as one says it beforehand: 40 s, 3 min, 2.5 h."""
    if seconds < 1.5:
        return "under 2 s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5_400 else f"{seconds / 3600:.1f} h"


def between(low: Any, high: Any, written: Callable[[Any], str]) -> str:
    """2 to 4 min; about 2 min where both read the same."""
    first, last = written(low), written(high)
    if first == last:
        return first if first.startswith("under") else f"about {first}"
    if first.startswith("under"):
        return f"up to {last}"
    unit = last.rpartition(" ")[2]
    return f"{first.removesuffix(f' {unit}')} to {last}"


def _bounds(values: Sequence[float]) -> tuple[float | None, float | None]:
    """Least and most; of many values, of the middle eight tenths; around a single one."""
    if not values:
        return None, None
    if len(values) == 1:
        return values[0] * (1 - SPREAD), values[0] * (1 + SPREAD)
    ordered = sorted(values)
    cut = len(ordered) // 10 if len(ordered) >= MANY else 0
    return ordered[cut], ordered[len(ordered) - 1 - cut]

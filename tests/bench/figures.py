"""A figure: what was measured, beside a peer's best and a target; and the table of them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Target:
    """`of` is what is held against `value`: our own figure, or ours divided by the peer's best."""

    of: Literal["ours", "ratio"]
    at: Literal["<=", ">="]
    value: float

    def __str__(self) -> str:
        times = "×" if self.of == "ratio" else ""
        return f"{'≤' if self.at == '<=' else '≥'} {shown(self.value)}{times}"

    def met(self, figure: float) -> bool:
        return figure <= self.value if self.at == "<=" else figure >= self.value


@dataclass
class Figure:
    """`ours` and each of `peers` are the runs one by one; what is shown and judged is their median.

    `also`: a second target, or the step that comes after the first.
    """

    what: str
    unit: str
    ours: Sequence[float]
    peers: Mapping[str, Sequence[float]] = field(default_factory=dict)
    target: Target | None = None
    best: Literal["highest", "lowest"] = "highest"
    also: Target | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.ours)

    @property
    def peer(self) -> tuple[str, float] | None:
        medians = [(name, statistics.median(runs)) for name, runs in self.peers.items()]
        return (max if self.best == "highest" else min)(medians, key=lambda pair: pair[1]) if medians else None

    @property
    def ratio(self) -> float | None:
        return self.median / self.peer[1] if self.peer else None

    @property
    def targets(self) -> list[Target]:
        return [target for target in (self.target, self.also) if target]

    @property
    def verdict(self) -> str:
        """One word for all targets where they agree, else one for each."""
        words = ["met" if self._meets(target) else "missed" for target in self.targets]
        return ", ".join(words if len(set(words)) > 1 else words[:1])

    def _meets(self, target: Target) -> bool:
        judged = self.median if target.of == "ours" else self.ratio
        return judged is not None and target.met(judged)

    def as_json(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "unit": self.unit,
            "ours": self.median,
            "peer": self.peer and {"name": self.peer[0], "median": self.peer[1]},
            "ratio": self.ratio,
            "target": ", ".join(map(str, self.targets)),
            "verdict": self.verdict,
            "runs": {"ours": list(self.ours), **{name: list(runs) for name, runs in self.peers.items()}},
        }

    def cells(self) -> list[str]:
        peer = f"{shown(self.peer[1])} ({self.peer[0]})" if self.peer else ""
        ratio = f"{self.ratio:.2f}×" if self.ratio is not None else ""
        targets = ", ".join(map(str, self.targets))
        return [f"{self.what}, {self.unit}", shown(self.median), peer, ratio, targets, self.verdict]


def shown(value: float) -> str:
    """About three digits."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3g}"


def table(figures: Sequence[Figure]) -> str:
    """As Markdown, so that it can go into docs/performance.md as it is."""
    head = ["what", "ours", "a peer's best", "ratio", "target", "verdict"]
    lines = [head, *(figure.cells() for figure in figures)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    rows = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    return "\n".join([rows[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *rows[1:]])

"""What a chapter found: a promise, the figure that was measured, and whether the promise was kept; None: it could not be tried."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Verdict:
    promise: str
    figure: str
    kept: bool | None
    timed: bool = False  # what a busy machine may break: long runs look at it, tests do not

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def at_most(promise: str, seconds: float, limit: float, what: str) -> Verdict:
    """A promise about time: kept if what was measured is within the limit, both in seconds."""
    return Verdict(promise, f"{what} {seconds:.1f} s (at most {limit:g} s)", seconds <= limit, timed=True)


def all_kept(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """The verdicts, for a test: fails naming those that were not kept, apart from times."""
    found = [verdict for verdict in verdicts if not verdict.timed]
    broken = [f"{verdict.promise}: {verdict.figure}" for verdict in found if verdict.kept is not True]
    assert found and not broken, "\n".join(broken)
    return found


def table(verdicts: Iterable[Verdict]) -> str:
    """The verdicts as a Markdown table."""
    words = {True: "kept", False: "NOT KEPT", None: "not tried"}
    rows = [(verdict.promise, verdict.figure, words[verdict.kept]) for verdict in verdicts]
    lines = [("Promise", "Figure", "Verdict"), ("---", "---", "---"), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)

"""Thresholds from examples: texts of a job of which somebody said whether they break a rule.

The threshold to review is the lowest that sends at most a given share of the harmless examples to a person. The one to block is
the lowest at which BLOCKED_RIGHTLY of the blocked examples break a rule. How good they are is measured in FOLDS parts: each is
judged by thresholds that were picked from the others. Thresholds of single categories stay; only `default` is picked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobs.engine.display import as_text
from jobs.engine.kits.moderation import thresholds as limits
from jobs.engine.kits.moderation.thresholds import DEFAULT, OwnWord, Threshold

HARMFUL = frozenset(("yes", "y", "true", "1", "block", "blocked", "harmful", "bad", "toxic", "abusive"))
HARMLESS = frozenset(("no", "n", "false", "0", "allow", "allowed", "harmless", "good", "ok", "fine", "clean"))
FEWEST = 10  # examples of each sort
FOLDS = 5
BLOCKED_RIGHTLY = 0.95
STEP = 0.0001  # scores have four digits


@dataclass(frozen=True)
class Example:
    """harmful: whether it breaks a rule. rest: the rank of the verdict that everything but `default` gives. score: what counts
    against `default`."""

    harmful: bool
    rest: int
    score: float

    def rank(self, picked: Threshold) -> int:
        """0: allowed, 1: to review, 2: blocked."""
        if picked.block is not None and self.score >= picked.block:
            return 2
        return max(self.rest, int(picked.review is not None and self.score >= picked.review))


def label_of(value: Any) -> bool | None:
    """Whether a cell says that the text breaks a rule. None: it is empty. Raises ValueError if it says neither."""
    text = as_text(value).strip().casefold() if not isinstance(value, bool) else str(value).lower()
    text = text.removesuffix(".0")
    if text in HARMFUL or text in HARMLESS:
        return text in HARMFUL
    if text:
        raise ValueError(f"“{text[:40]}” is neither yes nor no.")
    return None


def label_error(rows: Iterable[Mapping[str, Any]], column: str) -> str | None:
    """What is wrong with the first label that cannot be read, as a sentence."""
    for row in rows:
        try:
            label_of(row.get(column))
        except ValueError as error:
            return f"{error} Write yes where a text breaks a rule, and no where it does not."
    return None


def example(harmful: bool, output: Mapping[str, Any], given: Mapping[str, Threshold]) -> Example:
    """An example of a judged item. given: the thresholds of which `default` is to be picked."""
    others = {name: one for name, one in given.items() if name != DEFAULT}
    own = OwnWord(output["word"], output["word_verdict"]) if output.get("word") else None
    scores: dict[str, float] = output["scores"]
    rest = limits.VERDICTS.index(limits.decide(scores, others, own).verdict)
    named = {category for category in scores if category in others or category.partition("/")[0] in others}
    return Example(harmful, rest, max((score for name, score in scores.items() if name not in named), default=0.0))


def pick(examples: Sequence[Example], most: float) -> Threshold:
    """The thresholds. most: the share of harmless examples that may be reviewed or blocked."""
    harmless = sorted((one.score for one in examples if not one.harmful and not one.rest), reverse=True)
    taken = sum(1 for one in examples if not one.harmful and one.rest)
    spare = int(most * (len(harmless) + taken) + 1e-9) - taken
    review = 0.0 if spare >= len(harmless) else min(harmless[max(spare, 0)] + STEP, 1.0)
    return Threshold(review=round(review, 4), block=_block(examples, review))


def _block(examples: Iterable[Example], least: float) -> float | None:
    found, right = None, 0
    ordered = sorted(examples, key=lambda one: -one.score)
    for place, one in enumerate(ordered, start=1):
        right += one.harmful
        whole = place == len(ordered) or ordered[place].score < one.score
        if whole and one.score >= least and right >= BLOCKED_RIGHTLY * place and one.score > 0:
            found = round(one.score, 4)
    return found


def measure(examples: Sequence[Example], most: float) -> dict[str, Any]:
    """The counts and shares for examples that were not used to pick, each part in turn."""
    ranks: list[tuple[bool, int]] = []
    parts = _parts(examples)
    for part in parts:
        picked = pick([one for other in parts if other is not part for one in other], most)
        ranks += [(one.harmful, one.rank(picked)) for one in part]
    flagged, blocked = [bad for bad, rank in ranks if rank], [bad for bad, rank in ranks if rank == 2]
    harmful = sum(bad for bad, _ in ranks)
    return {
        "harmful": harmful,
        "harmless": len(ranks) - harmful,
        "found": sum(flagged),
        "disturbed": len(flagged) - sum(flagged),
        "blocked": len(blocked),
        "blocked_rightly": sum(blocked),
        "recall": _share(sum(flagged), harmful),
        "precision": _share(sum(flagged), len(flagged)),
        "harmless_flagged": _share(len(flagged) - sum(flagged), len(ranks) - harmful),
    }


def _parts(examples: Sequence[Example]) -> list[list[Example]]:
    """FOLDS parts with as many harmful and harmless ones each."""
    ordered = [*(one for one in examples if one.harmful), *(one for one in examples if not one.harmful)]
    return [ordered[start::FOLDS] for start in range(FOLDS)]


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def fit(
    labelled: Iterable[tuple[Any, Mapping[str, Any]]], given: Mapping[str, Threshold], most: float
) -> dict[str, Any]:
    """Thresholds from labelled items: each the cell with its label, and its output. Without `thresholds` if there are too few."""
    examples, unread = [], 0
    for label, output in labelled:
        try:
            harmful = label_of(label)
        except ValueError:
            unread += 1
            continue
        if harmful is not None:
            examples.append(example(harmful, output, given))
    bad = sum(one.harmful for one in examples)
    counts = {"harmful": bad, "harmless": len(examples) - bad, "unread": unread, "most": most}
    if min(bad, len(examples) - bad) < FEWEST:
        return counts
    picked = pick(examples, most)
    thresholds = {name: one.model_dump() for name, one in {**given, DEFAULT: picked}.items()}
    return counts | {"thresholds": thresholds, **picked.model_dump()} | measure(examples, most)

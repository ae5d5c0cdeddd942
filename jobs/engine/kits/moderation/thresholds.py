"""Thresholds, which turn scores into a verdict: allow, review or block.

Each category can have its own. Otherwise those of the part before its slash count (`harassment` for
`harassment/threatening`), or else those of `default`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

VERDICTS = ("allow", "review", "block")
DEFAULT = "default"
VERDICT_WORDS = {"allow": "Allowed", "review": "To review", "block": "Blocked"}
CATEGORY_WORDS = {
    "harassment": "Harassment",
    "harassment/threatening": "Threats",
    "hate": "Hate",
    "hate/threatening": "Hate with threats",
    "illicit": "Illicit advice",
    "illicit/violent": "Violent illicit advice",
    "self-harm": "Self-harm",
    "self-harm/intent": "Intent of self-harm",
    "self-harm/instructions": "Instructions for self-harm",
    "sexual": "Sexual content",
    "sexual/minors": "Sexual content with minors",
    "spam": "Spam",
    "violence": "Violence",
    "violence/graphic": "Graphic violence",
}
MOST_CATEGORIES = 100
LONGEST_NAME = 80


class Threshold(BaseModel):
    """The scores from which a text is reviewed by a person, and blocked. None: never for this category."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    review: float | None = Field(default=None, ge=0, le=1, title="Review from")
    block: float | None = Field(default=None, ge=0, le=1, title="Block from")


Thresholds = Mapping[str, Threshold]


@dataclass(frozen=True)
class Verdict:
    """A verdict. category and score: the decisive ones, or the highest if no threshold is reached."""

    verdict: str
    category: str
    score: float
    rule: str

    def columns(self) -> dict[str, Any]:
        return {"verdict": self.verdict, "category": self.category, "score": self.score, "rule": self.rule}


def read_thresholds(given: Mapping[str, Any]) -> dict[str, Threshold]:
    """Thresholds from stored JSON."""
    return {name: Threshold.model_validate(one) for name, one in given.items()}


def threshold_of(category: str, thresholds: Thresholds) -> Threshold:
    """The thresholds for a category."""
    for name in (category, category.partition("/")[0], DEFAULT):
        if name in thresholds:
            return thresholds[name]
    return Threshold()


def decide(scores: Mapping[str, float], thresholds: Thresholds) -> Verdict:
    """The most severe verdict of all categories; among equals, that of the category furthest above its threshold."""
    found = []
    for category, score in scores.items():
        limits = threshold_of(category, thresholds)
        if limits.block is not None and score >= limits.block:
            found.append((2, score - limits.block, category, score, f"the threshold to block, {limits.block:g}"))
        elif limits.review is not None and score >= limits.review:
            found.append((1, score - limits.review, category, score, f"the threshold to review, {limits.review:g}"))
        else:
            found.append((0, score, category, score, ""))
    rank, _, category, score, reached = max(found)
    if rank == 0:
        return Verdict(
            "allow", category, score, f"{named(category)} is highest with {_shown(score)} and below its thresholds"
        )
    return Verdict(VERDICTS[rank], category, score, f"{named(category)} has {_shown(score)} and reaches {reached}")


def named(category: str) -> str:
    """What people call a category: a provider's own name as it is, but for its marks."""
    words = re.sub(r"[/_]+", ", ", category).strip(", ")
    return CATEGORY_WORDS.get(category) or words[:1].upper() + words[1:]


def threshold_errors(thresholds: Thresholds, categories: Collection[str] = ()) -> str | None:
    """The first error in thresholds beyond their types, as a sentence. categories: the existing ones, if known."""
    if len(thresholds) > MOST_CATEGORIES:
        return f"There are too many categories; the limit is {MOST_CATEGORIES}."
    for name, one in thresholds.items():
        if not name.strip() or len(name) > LONGEST_NAME:
            return f"A category needs a name of 1 to {LONGEST_NAME} characters."
        if categories and name not in (*categories, DEFAULT):
            return f"There is no category “{name}”. There are: {', '.join([*categories, DEFAULT])}."
        if one.review is not None and one.block is not None and one.block < one.review:
            return f"{name}: the threshold to block, {one.block:g}, is below the one to review, {one.review:g}."
    return None


def _shown(score: float) -> str:
    return f"{score:.2f}"

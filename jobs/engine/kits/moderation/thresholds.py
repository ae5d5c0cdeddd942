"""Thresholds, which turn scores into a verdict: allow, review or block.

Each category can have its own. Otherwise those of the part before its slash count (`harassment` for
`harassment/threatening`), or else those of `default`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
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
OWN_WORDS = "own words"  # stands in for a category where a word of a list decided
SEVERITY_WORDS = {"low": "Low", "medium": "Medium", "high": "High"}
MOST_CATEGORIES = 100
LONGEST_NAME = 80


class Threshold(BaseModel):
    """The scores from which a text is reviewed by a person, and blocked. None: never for this category."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    review: float | None = Field(default=None, ge=0, le=1, title="Review from")
    block: float | None = Field(default=None, ge=0, le=1, title="Block from")


Thresholds = Mapping[str, Threshold]


@dataclass(frozen=True)
class OwnWord:
    """A word or phrase of a list of one's own that was found in a text, and the verdict of that list."""

    word: str
    verdict: str

    @property
    def severity(self) -> str:
        return "high" if self.verdict == "block" else "medium"


@dataclass(frozen=True)
class Verdict:
    """A verdict. category and score: the decisive ones, or the highest if no threshold is reached. severity: of that category."""

    verdict: str
    category: str
    score: float
    rule: str
    severity: str | None = None

    def columns(self) -> dict[str, Any]:
        return asdict(self)


def read_thresholds(given: Mapping[str, Any]) -> dict[str, Threshold]:
    """Thresholds from stored JSON."""
    return {name: Threshold.model_validate(one) for name, one in given.items()}


def threshold_of(category: str, thresholds: Thresholds) -> Threshold:
    """The thresholds for a category."""
    for name in (category, category.partition("/")[0], DEFAULT):
        if name in thresholds:
            return thresholds[name]
    return Threshold()


def severity_of(score: float, limits: Threshold) -> str | None:
    """How severe a text is within a category; None if a person need not look at it.

    The part of the scale from the lowest threshold of the category up to 1, in thirds: low, medium, high.
    """
    reached = [limit for limit in (limits.review, limits.block) if limit is not None and score >= limit]
    if not reached:
        return None
    least = min(reached)
    third = int(3 * (score - least) / (1 - least)) if least < 1 else 2
    return ("low", "medium", "high")[min(third, 2)]


def decide(scores: Mapping[str, float], thresholds: Thresholds, own: OwnWord | None = None) -> Verdict:
    """The most severe verdict of all categories; among equals, that of the category furthest above its threshold.

    own: the word of a list that the text has. It decides, unless the scores block a text that is only to be reviewed.
    """
    judged = _decide(scores, thresholds) if scores else None
    if own is None or (judged and judged.verdict == "block" != own.verdict):
        return judged or Verdict("allow", "", 0.0, "It was not scored")
    list_name = "blocks" if own.verdict == "block" else "goes to a person"
    return Verdict(own.verdict, OWN_WORDS, 1.0, f"Your list says that “{own.word}” {list_name}", own.severity)


def _decide(scores: Mapping[str, float], thresholds: Thresholds) -> Verdict:
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
    severity = severity_of(score, threshold_of(category, thresholds))
    rule = f"{named(category)} has {_shown(score)} and reaches {reached}"
    return Verdict(VERDICTS[rank], category, score, rule, severity)


def named(category: str) -> str:
    """What people call a category: a provider's own name as it is, but for its marks."""
    if category == OWN_WORDS:
        return "Your words"
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

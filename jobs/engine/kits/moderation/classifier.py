"""The built-in classifier: logistic regression on sentence embeddings, one for each category, and a lexicon. See training.py.

It is small and reads English only. It lets a machine without a provider moderate; for decisions about people's texts use a
provider's model, or a person.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from jobs.engine.kits.moderation import training
from jobs.engine.llm.embeddings import unit


@dataclass(frozen=True)
class Classifier:
    """weights: by category, one for each dimension of the vector, then the constant. measured: see training.py."""

    model: str
    measured: dict[str, int]
    weights: dict[str, list[float]]

    @property
    def categories(self) -> tuple[str, ...]:
        return tuple(self.weights)

    def scores(self, vector: Sequence[float], around: str) -> dict[str, float]:
        """The probability of each category, from 0 to 1, of a passage. around: the text where it stands."""
        found = training.probabilities([*unit(vector), 1.0], self.weights, around)
        return {name: round(score, 4) for name, score in found.items()}


@cache
def built_in_classifier() -> Classifier:
    return Classifier(**json.loads(training.WEIGHTS.read_text("utf-8")))


def readable(text: str) -> bool:
    """Whether most letters are Latin; the classifier cannot judge other scripts."""
    letters = [letter for letter in text if letter.isalpha()]
    latin = sum(letter.isascii() or unicodedata.name(letter, "").startswith("LATIN") for letter in letters)
    return not letters or latin * 2 >= len(letters)

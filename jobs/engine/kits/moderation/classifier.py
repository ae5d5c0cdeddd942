"""The classifier that comes along: a weighted sum of a sentence vector's numbers for each category. training.py makes it.

It is small and reads English only. It is there so that a machine without a provider judges for real; what decides over
people's texts should be a provider's model, or a person.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from jobs.engine.kits.moderation import training
from jobs.engine.llm.embeddings import unit


@dataclass(frozen=True)
class Classifier:
    """weights: by category, one for each number of a vector and then the constant. measured: see training.py."""

    model: str
    measured: dict[str, int]
    weights: dict[str, list[float]]

    @property
    def categories(self) -> tuple[str, ...]:
        return tuple(self.weights)

    def scores(self, vector: Sequence[float]) -> dict[str, float]:
        """How likely each category is, from 0 to 1."""
        numbers = [*unit(vector), 1.0]
        sums = {name: math.fsum(a * b for a, b in zip(numbers, own, strict=True)) for name, own in self.weights.items()}
        return {name: round(1 / (1 + math.exp(-total)), 4) for name, total in sums.items()}


@cache
def built_in_classifier() -> Classifier:
    return Classifier(**json.loads(training.WEIGHTS.read_text("utf-8")))


def readable(text: str) -> bool:
    """Whether most of its letters are of the Latin script: of others the classifier knows nothing."""
    letters = [letter for letter in text if letter.isalpha()]
    latin = sum(letter.isascii() or unicodedata.name(letter, "").startswith("LATIN") for letter in letters)
    return not letters or latin * 2 >= len(letters)

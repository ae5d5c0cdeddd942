"""How offensive the words of a text are: a linear model over its words, weighted by TF-IDF.

The weights in lexicon.tsv are those of the package alt-profanity-check (MIT), which needs scikit-learn to be read; see
tests/accuracy/lexicon.py, which writes the file.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import cache
from pathlib import Path

LEXICON = Path(__file__).with_name("lexicon.tsv")

_WORD = re.compile(r"\b\w\w+\b")


def offence_of(text: str) -> float:
    """About -1 for plain words, 0 for those that tell nothing, above 1 for offensive ones."""
    known = _weights()
    counts = Counter(word for word in _WORD.findall(text.lower()) if word in known)
    parts = {word: count * known[word][0] for word, count in counts.items()}
    length = math.sqrt(sum(part * part for part in parts.values()))
    return sum(part * known[word][1] for word, part in parts.items()) / length if length else 0.0


@cache
def _weights() -> dict[str, tuple[float, float]]:
    """By word: its inverse document frequency, and its weight."""
    lines = [line.split("\t") for line in LEXICON.read_text("utf-8").splitlines() if not line.startswith("#")]
    return {word: (float(rarity), float(weight)) for word, rarity, weight in lines}

"""Training of the built-in classifier: one logistic regression on sentence embeddings for each category.

`python -m jobs.engine.kits.moderation vaderSentiment-3.3.2.tar.gz` makes weights.json from sentences.tsv, and from sentences of
newspapers and of reviews in that source distribution, which are in no category. A quarter of each category's sentences is held
out from the training; the accuracy that the page shows was measured on them.
"""

from __future__ import annotations

import json
import math
import re
import tarfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from jobs.engine.kits.moderation import lexicon
from jobs.engine.llm.embeddings import builtin, unit

SENTENCES = Path(__file__).with_name("sentences.tsv")  # categories joined by +, a tab, a sentence
WEIGHTS = Path(__file__).with_name("weights.json")
FINE = "ok"
WORDS = 1.0  # weight of the lexicon beside a category's own sum
SHIFT = -0.6  # so that at the default thresholds 15 % of the clean texts of OpenAI's evaluation set go to a person
NOT_RUDE = ("self-harm",)  # for which offensive words do not count, only plain ones against it
BY_MEANING = ("spam",)  # for which no word of the lexicon counts
HELD_OUT = 4  # every fourth sentence is held out
STIFFNESS = 0.5  # L2 regularisation, against overfitting with few sentences and many dimensions
STEPS = 50
REVIEW, BLOCK = 0.2, 0.7  # thresholds for the measurement
ARCHIVE = "additional_resources/hutto_ICWSM_2014.tar.gz"  # in the source distribution of vaderSentiment, which is MIT-licensed
FINE_TEXTS = ("nytEditorialSnippets_GroundTruth.txt", "amazonReviewSnippets_GroundTruth.txt")
FINE_SENTENCES = 800  # of each
FINE_CHARACTERS = (15, 300)


class Sentence(NamedTuple):
    text: str
    categories: frozenset[str]
    held_out: bool


def sentences() -> list[Sentence]:
    seen: Counter[str] = Counter()
    found = []
    for line in SENTENCES.read_text("utf-8").splitlines():
        named, text = line.split("\t")
        first = named.split("+")[0]
        seen[first] += 1
        found.append(Sentence(text, frozenset(named.split("+")) - {FINE}, seen[first] % HELD_OUT == 0))
    return found


def fine_sentences(archive: IO[bytes]) -> list[Sentence]:
    """Sentences that are in no category, out of vaderSentiment's archive of texts."""
    with tarfile.open(fileobj=archive) as opened:
        files = [opened.extractfile(f"hutto_ICWSM_2014/{name}") for name in FINE_TEXTS]
        texts = [file.read().decode("utf-8", "replace") for file in files if file]
    return [Sentence(one, frozenset(), False) for text in texts for one in _some_sentences(text)]


def _some_sentences(text: str) -> list[str]:
    """FINE_SENTENCES of them, evenly from all in alphabetical order."""
    lines = "\n".join(line.rpartition("\t")[2] for line in text.splitlines())
    pieces = {piece.strip() for piece in re.split(r"(?<=[.!?])\s+|\n", lines)}
    least, most = FINE_CHARACTERS
    found = sorted(piece for piece in pieces if least <= len(piece) <= most)
    return found[:: max(1, len(found) // FINE_SENTENCES)][:FINE_SENTENCES]


def train(fine: Sequence[Sentence]) -> dict[str, Any]:
    """The weights by category, and their results on the held-out sentences. fine: see fine_sentences."""
    import numpy

    known = [*sentences(), *fine]
    vectors = numpy.array([[*unit(vector), 1.0] for vector in builtin.embed([one.text for one in known]).vectors])
    learnt = numpy.array([not one.held_out for one in known])
    categories = sorted({name for one in known for name in one.categories})
    fitted = {}
    for name in categories:
        answers = numpy.array([float(name in one.categories) for one in known])
        fitted[name] = [round(float(number), 4) for number in _fit(vectors[learnt], answers[learnt])]
    held, tested = vectors[~learnt], [one for one in known if one.held_out]
    highest = numpy.array(
        [max(probabilities(row, fitted, one.text).values()) for row, one in zip(held, tested, strict=True)]
    )
    bad = numpy.array([bool(one.categories) for one in tested])
    return {"model": builtin.MODEL, "measured": _measured(highest, bad), "weights": fitted}


def _fit(vectors: Any, answers: Any) -> Any:
    """Newton's method on the log-likelihood, with a ridge penalty on all weights except the constant, which is last."""
    import numpy

    ridge = numpy.eye(vectors.shape[1]) * STIFFNESS
    ridge[-1, -1] = 1e-6
    weights = numpy.zeros(vectors.shape[1])
    for _ in range(STEPS):
        likely = 1 / (1 + numpy.exp(-vectors @ weights))
        slope = vectors.T @ (likely - answers) + ridge @ weights
        bend = (vectors * (likely * (1 - likely))[:, None]).T @ vectors + ridge
        step = numpy.linalg.solve(bend, slope)
        weights -= step
        if abs(step).max() < 1e-10:
            break
    return weights


def _measured(highest: Any, bad: Any) -> dict[str, int]:
    """Of the held-out sentences, how many harmful and how many harmless ones reach each threshold."""
    return {
        "bad": int(bad.sum()),
        "bad_found": int((highest[bad] >= REVIEW).sum()),
        "bad_blocked": int((highest[bad] >= BLOCK).sum()),
        "fine": int((~bad).sum()),
        "fine_found": int((highest[~bad] >= REVIEW).sum()),
        "fine_blocked": int((highest[~bad] >= BLOCK).sum()),
    }


def probabilities(numbers: Sequence[float], weights: Mapping[str, Sequence[float]], around: str) -> dict[str, float]:
    """The probability of each category. numbers: the vector of a passage, and 1. around: the text where the passage stands."""
    words = WORDS * lexicon.offence_of(around) + SHIFT
    sums = {name: math.fsum(a * b for a, b in zip(numbers, own, strict=True)) for name, own in weights.items()}
    return {name: 1 / (1 + math.exp(-total - _part(name, words))) for name, total in sums.items()}


def _part(category: str, words: float) -> float:
    """What the words of a text add for this category."""
    if category in BY_MEANING:
        return 0.0
    return min(words, 0.0) if category in NOT_RUDE else words


def write(distribution: Path) -> dict[str, Any]:
    """distribution: the file vaderSentiment-3.3.2.tar.gz."""
    with tarfile.open(distribution) as opened:
        inner = opened.extractfile(f"{distribution.name.removesuffix('.tar.gz')}/{ARCHIVE}")
        assert inner
        made = train(fine_sentences(inner))
    WEIGHTS.write_text(json.dumps(made, indent=None, separators=(",", ":")) + "\n", "utf-8")
    return made

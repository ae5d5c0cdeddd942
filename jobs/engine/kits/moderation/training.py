"""Training of the built-in classifier: one logistic regression on sentence embeddings for each category.

`python -m jobs.engine.kits.moderation` makes weights.json from sentences.tsv. A quarter of each category's sentences is held
out from the training; the accuracy that the page shows was measured on them.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from jobs.engine.llm.embeddings import builtin, unit

SENTENCES = Path(__file__).with_name("sentences.tsv")  # categories joined by +, a tab, a sentence
WEIGHTS = Path(__file__).with_name("weights.json")
FINE = "ok"
HELD_OUT = 4  # every fourth sentence is held out
STIFFNESS = 0.1  # L2 regularisation, against overfitting with few sentences and many dimensions
STEPS = 50
REVIEW, BLOCK = 0.2, 0.7  # thresholds for the measurement


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


def train() -> dict[str, Any]:
    """The weights by category, and their results on the held-out sentences."""
    import numpy

    known = sentences()
    vectors = numpy.array([[*unit(vector), 1.0] for vector in builtin.embed([one.text for one in known]).vectors])
    learnt = numpy.array([not one.held_out for one in known])
    categories = sorted({name for one in known for name in one.categories})
    fitted = {}
    for name in categories:
        answers = numpy.array([float(name in one.categories) for one in known])
        fitted[name] = [round(float(number), 4) for number in _fit(vectors[learnt], answers[learnt])]
    held = vectors[~learnt]
    highest = (1 / (1 + numpy.exp(-held @ numpy.array([fitted[name] for name in categories]).T))).max(axis=1)
    bad = numpy.array([bool(one.categories) for one in known if one.held_out])
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


def write() -> dict[str, Any]:
    made = train()
    WEIGHTS.write_text(json.dumps(made, indent=None, separators=(",", ":")) + "\n", "utf-8")
    return made

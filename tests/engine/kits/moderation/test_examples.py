"""Thresholds picked from texts with known answers."""

from __future__ import annotations

import random

import pytest

from jobs.engine.kits.moderation import Threshold, examples
from jobs.engine.kits.moderation.examples import Example, label_of


def some(count: int, seed: int = 3) -> list[Example]:
    chance = random.Random(seed)
    return [
        Example(bad, 0, round(chance.betavariate(4, 2) if bad else chance.betavariate(2, 5), 4))
        for bad in (True, False) * count
    ]


@pytest.mark.parametrize("most", [0, 0.02, 0.1, 0.5, 1])
def test_no_more_harmless_texts_than_wished_go_to_a_person(most: float) -> None:
    given = some(200)
    picked = examples.pick(given, most)
    ranks = [(one.harmful, one.rank(picked)) for one in given]
    assert sum(1 for bad, rank in ranks if rank and not bad) <= most * 200
    assert picked.review is not None
    milder = Threshold(review=max(0.0, picked.review - 2 * examples.STEP))
    assert (
        most == 1 or sum(1 for one in given if not one.harmful and one.rank(milder)) > most * 200
    )  # and none is lower
    blocked = [bad for bad, rank in ranks if rank == 2]
    assert sum(blocked) >= examples.BLOCKED_RIGHTLY * len(blocked)


def test_the_measure_is_of_examples_that_were_left_out() -> None:
    found = examples.measure(some(500), 0.1)
    assert (found["harmful"], found["harmless"]) == (500, 500)
    assert 0.05 < found["harmless_flagged"] < 0.15 and found["recall"] > 0.8 and found["precision"] > 0.85
    assert found["recall"] == round(found["found"] / 500, 4)
    nothing = examples.measure([Example(bad, 0, 0.5) for bad in (True, False) * 20], 0)
    assert (nothing["found"], nothing["precision"]) == (0, None)


def test_thresholds_of_single_categories_and_words_stay() -> None:
    given = {"default": Threshold(review=0.2), "spam": Threshold(review=0.5)}
    spam = examples.example(True, {"scores": {"spam": 0.9, "hate": 0.1}}, given)
    word = examples.example(True, {"scores": {}, "word": "idiot", "word_verdict": "block"}, given)
    assert (spam, word) == (Example(True, 1, 0.1), Example(True, 2, 0.0))
    outputs = [({"scores": {"hate": score}}, label) for score, label in [(0.9, "yes"), (0.1, "no")] * 12]
    found = examples.fit(
        [(label, output) for output, label in outputs] + [("perhaps", {"scores": {}}), ("", {})], given, 0.1
    )
    assert found["thresholds"] == {"default": {"review": 0.1001, "block": 0.9}, "spam": {"review": 0.5, "block": None}}
    assert (found["unread"], found["recall"], found["harmless_flagged"]) == (1, 1.0, 0.0)
    assert "thresholds" not in examples.fit([("yes", {"scores": {"hate": 0.9}})] * 50, given, 0.1)


def test_labels_are_read_in_several_words() -> None:
    assert [label_of(one) for one in ("Yes", " block ", 1, 1.0, True, "no", "ALLOW", 0, False, "", None)] == [
        True
    ] * 5 + [False] * 4 + [None] * 2
    with pytest.raises(ValueError, match="“perhaps” is neither yes nor no"):
        label_of("perhaps")

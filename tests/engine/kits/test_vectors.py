"""The map of vectors, and which are most alike."""

from __future__ import annotations

import pytest

from jobs.engine.kits import vectors


def test_near_ones_are_near_and_pairs_are_in_order() -> None:
    found = vectors.look([[1, 0, 0], [0.99, 0.1, 0], [0, 1, 0], [0, 0.98, 0.05], [0, 0, 0]])
    assert [(pair.one, pair.other) for pair in found.pairs[:2]] == [(2, 3), (0, 1)]
    (x0, y0), (x1, y1), (x2, y2) = found.points[:3]
    assert abs(x0 - x1) + abs(y0 - y1) < 0.3 < abs(x0 - x2) + abs(y0 - y2)
    likeness = [pair.likeness for pair in found.pairs]
    assert likeness == sorted(likeness, reverse=True) and max(likeness) <= 1.0001


@pytest.mark.parametrize("few", [[], [[1.0, 2.0]]])
def test_few_vectors_have_no_pairs(few: list[list[float]]) -> None:
    assert vectors.look(few).pairs == [] and len(vectors.look(few).points) == len(few)

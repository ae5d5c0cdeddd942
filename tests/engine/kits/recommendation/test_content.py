"""Items that nobody has yet: their features, and what they score."""

from __future__ import annotations

import numpy
import pytest

from jobs.engine.kits.recommendation import Gathering, WithNewItems, features_of, recommenders


def test_a_cell_is_read_as_several_values_or_as_words() -> None:
    row = {"genre": "Sea; Crime / sea", "year": 1994.0, "text": "An old ship that never came home", "empty": None}
    assert features_of(row, ["genre", "year", "empty"]) == ["genre=crime", "genre=sea", "year=1994"]
    assert features_of(row, ["text"]) == [f"text={word}" for word in ("came", "home", "never", "old", "ship", "that")]


def test_a_new_item_scores_as_those_that_are_like_it() -> None:
    gathering = Gathering()
    for user in range(12):
        for item in ("a", "b", "c") if user % 2 else ("x", "y", "z"):
            gathering.add(f"u{user}", item)
    for item in ("new", "alien"):
        gathering.item(item)
    data = gathering.done()
    features = [
        {"new": ["k=abc"], "alien": ["k=?"]}.get(item, ["k=abc" if item in "abc" else "k=xyz"]) for item in data.items
    ]
    known = recommenders.fit("ease", data, lambda: None)
    model = WithNewItems(known, data, features, lambda: None)
    fan, other = (model.scores(*data.of(data.users.index(user))) for user in ("u1", "u0"))
    new, alien = data.items.index("new"), data.items.index("alien")
    assert fan[new] > other[new] and fan[alien] == other[alien] == 0
    assert fan[new] <= fan[[data.items.index(item) for item in "abc"]].max() + 1e-9
    assert numpy.argmax(model.likeness(new)) in [data.items.index(item) for item in "abc"]
    assert model.likeness(0) == pytest.approx(known.likeness(0))

"""Items that nobody has yet, by what their table says of them.

Each item is a set of features out of the columns that describe it; rare features count more (inverse document frequency), and
two items are as alike as the cosine of their features. A new item gets the mean score of the items that are most alike, each by
its likeness: what a user would have got for them, the user gets for it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jobs.engine.kits.recommendation.interactions import Interactions, text
from jobs.engine.kits.recommendation.recommenders import Recommender

if TYPE_CHECKING:
    from numpy import ndarray

NEAREST = 20  # known items that speak for a new one
MOST_NEW = 50_000
LONG = 5  # words: a text with more is taken word by word

_PARTS = re.compile(r"\s*[|;,/]\s*")
_WORDS = re.compile(r"\w{3,}")


def features_of(row: Mapping[str, Any], columns: Iterable[str]) -> list[str]:
    """What these columns say of an item. A cell may have several values, divided by a comma, semicolon, slash or bar."""
    found = []
    for column in columns:
        cell = text(row.get(column)).casefold()
        parts = _WORDS.findall(cell) if len(cell.split()) > LONG else _PARTS.split(cell)
        found += [f"{column}={part.strip()}" for part in parts if part.strip()]
    return sorted(set(found))


class WithNewItems:
    """A recommender that scores new items too."""

    def __init__(
        self, known: Recommender, data: Interactions, features: Sequence[Sequence[str]], check: Callable[[], None]
    ):
        """features: of each of the data's items."""
        import numpy

        self.name = known.name
        self._known = known
        self._count = len(data.items)
        rarity = _rarity(features)
        lengths = numpy.array([math.sqrt(sum(rarity[one] ** 2 for one in own)) or 1.0 for own in features])
        uses = data.uses()
        postings = _postings(features, [column for column in range(self._count) if uses[column]])
        self._place: dict[int, int] = {}  # of a new item in the arrays
        rows: list[tuple[ndarray, ndarray]] = []
        for column in [column for column in range(self._count) if not uses[column] and features[column]][:MOST_NEW]:
            check()
            near, likeness = self._nearest(column, features[column], postings, rarity, lengths)
            if len(near):
                self._place[column] = len(rows)
                rows.append((near, likeness))
        self._near = numpy.zeros((len(rows), NEAREST), "int64")
        self._likeness = numpy.zeros((len(rows), NEAREST))
        for place, (near, likeness) in enumerate(rows):
            self._near[place, : len(near)], self._likeness[place, : len(near)] = near, likeness
        self._new = numpy.array(list(self._place), "int64")

    def scores(self, columns: ndarray, weights: ndarray) -> ndarray:
        import numpy

        found = self._known.scores(columns, weights)
        means = (found[self._near] * self._likeness).sum(axis=1) / NEAREST
        found[self._new] = numpy.minimum(means, found.max(initial=0.0))
        return found

    def likeness(self, column: int) -> ndarray:
        import numpy

        if column not in self._place:
            return self._known.likeness(column)
        place = self._place[column]
        likeness = self._likeness[place][self._likeness[place] > 0]
        near = self._near[place][: len(likeness)]
        found = numpy.zeros(self._count)
        for other, share in zip(near, likeness, strict=True):
            found += share / NEAREST * self._known.likeness(int(other))
        found[near] += likeness
        return found

    def _nearest(
        self,
        column: int,
        own: Sequence[str],
        postings: Mapping[str, ndarray],
        rarity: Mapping[str, float],
        lengths: ndarray,
    ) -> tuple[ndarray, ndarray]:
        """The known items that are most alike, and how much."""
        import numpy

        shared = numpy.zeros(self._count)
        for feature in own:
            if feature in postings:
                shared[postings[feature]] += rarity[feature] ** 2
        cosine = shared / (lengths * lengths[column])
        near = numpy.argpartition(-cosine, min(NEAREST, self._count) - 1)[:NEAREST]
        near = near[cosine[near] > 0]
        return near, cosine[near]


def _rarity(features: Sequence[Sequence[str]]) -> dict[str, float]:
    counts = Counter(feature for own in features for feature in own)
    return {feature: math.log((1 + len(features)) / count) for feature, count in counts.items()}


def _postings(features: Sequence[Sequence[str]], columns: Iterable[int]) -> dict[str, ndarray]:
    import numpy

    found: dict[str, list[int]] = {}
    for column in columns:
        for feature in features[column]:
            found.setdefault(feature, []).append(column)
    return {feature: numpy.array(having) for feature, having in found.items()}

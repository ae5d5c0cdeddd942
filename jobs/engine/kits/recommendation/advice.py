"""Recommendations to users, with names and titles instead of indexes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs.engine.kits.recommendation import recommenders
from jobs.engine.kits.recommendation.interactions import Interactions
from jobs.engine.kits.recommendation.recommenders import Pick, Recommender

if TYPE_CHECKING:
    from numpy import ndarray

ALIKE = 10  # items in the table of similar ones


@dataclass(frozen=True)
class Wishes:
    """top_n: items for each user. new_items: of these, at least so many that nobody has, where there are any that suit the user.

    least_items: users with fewer get popular items.
    """

    top_n: int
    exclude_seen: bool
    least_items: int
    new_items: int = 0


class Advisor:
    """Recommends items to users, with names and titles instead of indexes."""

    def __init__(
        self, model: Recommender, popular: ndarray, data: Interactions, titles: Mapping[str, str], wanted: Wishes
    ):
        self._model = model
        self._popular = popular
        self._data = data
        self._titles = titles
        self._wanted = wanted
        self._new = [column for column, count in enumerate(data.uses()) if not count]

    def row(self, user: int) -> dict[str, Any]:
        return {"user": self._data.users[user]}

    def named(self, column: int) -> str:
        item = self._data.items[column]
        return self._titles.get(item, item)

    def advise(self, user: int) -> dict[str, Any]:
        columns, weights = self._data.of(user)
        has = self._data.has(user)
        cold = len(columns) < self._wanted.least_items
        known = (columns[:0], weights[:0]) if cold else (columns, weights)
        without = has if self._wanted.exclude_seen else has[:0]
        picks = recommenders.recommend(self._model, self._popular, known, self._wanted.top_n, without)
        picks = self._with_new(picks, known, without)
        picked: list[dict[str, Any]] = [
            {
                "item": self._data.items[pick.column],
                "title": self.named(pick.column),
                "score": round(pick.score, 4),
                "because": "popular" if pick.because is None else self.named(pick.because),
            }
            for pick in picks
        ]
        return {"would_like": ", ".join(one["title"] for one in picked), "has": len(has), "recommendations": picked}

    def _with_new(self, picks: list[Pick], known: tuple[ndarray, ndarray], without: ndarray) -> list[Pick]:
        """The same list, its last ones replaced where it has too few of the items that nobody has."""
        if not self._wanted.new_items:
            return picks
        lacking = self._wanted.new_items - sum(pick.column in self._new for pick in picks)
        taken = {pick.column for pick in picks} | set(without.tolist())
        more = recommenders.best_of(
            self._model, [column for column in self._new if column not in taken], known, lacking
        )
        keep = [pick for pick in picks if pick.column in self._new]
        room = self._wanted.top_n - len(keep) - len(more)
        kept = [pick for pick in picks if pick.column not in self._new][: max(room, 0)]
        return sorted([*kept, *keep], key=lambda pick: -pick.score) + more

    def alike(self, check: Callable[[], None]) -> Iterator[dict[str, Any]]:
        """Each item with its most similar items."""
        import numpy

        for column, item in enumerate(self._data.items):
            check()
            likeness = self._model.likeness(column)
            near = numpy.argpartition(-likeness, min(ALIKE, len(likeness) - 1))[:ALIKE]
            near = near[numpy.argsort(-likeness[near], kind="stable")]
            for rank, other in enumerate((int(at) for at in near if likeness[at] > 0), start=1):
                names = {"similar": self._data.items[other], "similar_title": self.named(other)}
                similar = {
                    "item": item,
                    "title": self.named(column),
                    "rank": rank,
                    "score": round(float(likeness[other]), 4),
                }
                yield similar | names

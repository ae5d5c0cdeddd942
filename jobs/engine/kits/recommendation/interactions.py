"""Interactions: rows of a table as pairs of users and items."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from jobs.engine.kits.recommendation.cells import CellReader

if TYPE_CHECKING:
    from numpy import ndarray


MOST_TIMES = 10


@dataclass(frozen=True)
class Interactions:
    """Distinct pairs of user and item, sorted by user. `rows` and `columns` are indexes into `users` and `items`.

    seen: other pairs, of items that a user has and did not like; they count for nothing, and are not offered again.
    """

    users: list[str]
    items: list[str]
    rows: ndarray
    columns: ndarray
    weights: ndarray
    times: ndarray
    fresh: ndarray | None = None  # decay of each pair by its age, 0 to 1; None: no decay
    seen: dict[int, set[int]] = field(default_factory=dict)  # user -> items

    @cached_property
    def _starts(self) -> ndarray:
        import numpy

        return numpy.searchsorted(self.rows, numpy.arange(len(self.users) + 1))

    @cached_property
    def counts(self) -> ndarray:
        """What each pair counts: its weight multiplied by the decay."""
        return self.weights if self.fresh is None else self.weights * self.fresh

    def of(self, user: int) -> tuple[ndarray, ndarray]:
        """The items of a user, and what each counts."""
        start, end = self._starts[user : user + 2]
        return self.columns[start:end], self.counts[start:end]

    def has(self, user: int) -> ndarray:
        """All items that a user has, also those that do not count."""
        import numpy

        seen = numpy.fromiter(self.seen.get(user, ()), "int64")
        return numpy.union1d(self.of(user)[0], seen)

    def only(self, chosen: ndarray) -> Interactions:
        """The pairs selected by a mask, with the same users and items."""
        parts = self.rows[chosen], self.columns[chosen], self.weights[chosen], self.times[chosen]
        return Interactions(
            self.users, self.items, *parts, None if self.fresh is None else self.fresh[chosen], self.seen
        )

    def aged(self, half_life: float) -> Interactions:
        """The same pairs with exponential decay, relative to the latest one. half_life: in the unit of the times.

        A pair without a time counts as the oldest.
        """
        import numpy

        known = self.times[numpy.isfinite(self.times)]
        if not known.size:
            return self
        age = known.max() - numpy.maximum(self.times, known.min())
        return replace(self, fresh=numpy.exp2(-age / half_life))

    def uses(self) -> ndarray:
        """The number of users of each item."""
        import numpy

        return numpy.bincount(self.columns, minlength=len(self.items))

    def popularity(self) -> ndarray:
        """What the pairs of each item count together."""
        import numpy

        return numpy.bincount(self.columns, self.counts, len(self.items))


class Gathering:
    """Builds Interactions from single ones."""

    def __init__(self) -> None:
        self._users: dict[str, int] = {}
        self._items: dict[str, int] = {}
        self._rows, self._columns = array("i"), array("i")
        self._weights, self._times = array("d"), array("d")
        self._seen: dict[int, set[int]] = {}

    def user(self, name: str) -> int:
        """The user's index. A user without interactions counts too."""
        return self._users.setdefault(name, len(self._users))

    def item(self, name: str) -> int:
        """The item's index. An item that nobody has counts too."""
        return self._items.setdefault(name, len(self._items))

    def see(self, user: str, item: str) -> None:
        """The user has this item, and it is to count for nothing."""
        self._seen.setdefault(self.user(user), set()).add(self.item(item))

    def add(self, user: str, item: str, weight: float = 1.0, time: float = 0.0) -> None:
        self._rows.append(self.user(user))
        self._columns.append(self.item(item))
        self._weights.append(weight)
        self._times.append(time)

    def done(self, alike: bool = False) -> Interactions:
        """The interactions, with weights from 0 to 1. For repeated pairs the weights are added and the latest time is used.

        alike: all pairs count the same, however often they are repeated.
        """
        import numpy

        rows, columns = numpy.array(self._rows, "int64"), numpy.array(self._columns, "int64")
        pairs, place = numpy.unique(rows * max(len(self._items), 1) + columns, return_inverse=True)
        times = numpy.full(len(pairs), -numpy.inf)
        numpy.maximum.at(times, place, numpy.array(self._times))
        added = numpy.bincount(place, numpy.array(self._weights), len(pairs))
        weights = numpy.ones(len(pairs)) if alike else _scaled(added)
        apart = numpy.divmod(pairs, max(len(self._items), 1))
        return Interactions(list(self._users), list(self._items), *apart, weights, times, seen=self._seen)


def _scaled(weights: ndarray) -> ndarray:
    """Weights divided by the largest. One beyond MOST_TIMES the median would make nothing of the others; it counts as that."""
    import numpy

    if not weights.size:
        return weights
    most = min(weights.max(), MOST_TIMES * float(numpy.median(weights)))
    scaled: ndarray = numpy.minimum(weights, most) / most
    return scaled


def gathered(
    rows: Iterable[Mapping[str, Any]], columns: tuple[str, str], cells: CellReader, least_weight: float
) -> tuple[Gathering, int]:
    """The rows with a user and an item, and how many rows do not count. columns: those of the user and of the item."""
    gathering, skipped = Gathering(), 0
    for row in rows:
        user, item = text(row.get(columns[0])), text(row.get(columns[1]))
        weight = cells.weight(row)
        if user and not item:
            gathering.user(user)  # a new user without items
        elif user and weight is not None and weight > 0 and weight >= least_weight:
            gathering.add(user, item, weight, cells.moment(row))
        else:
            skipped += 1
            if user and item:
                gathering.see(user, item)
    return gathering, skipped


def text(value: Any) -> str:
    """The normalised name of a user or an item: 7.0 and "7 " become 7."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value).strip()

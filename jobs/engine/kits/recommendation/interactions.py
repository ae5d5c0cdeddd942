"""Interactions: rows of a table as pairs of users and items."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import inf, isfinite
from typing import TYPE_CHECKING, Any

from jobs.engine.errors import BadInput

if TYPE_CHECKING:
    from numpy import ndarray


@dataclass(frozen=True)
class Interactions:
    """Distinct pairs of user and item, sorted by user. `rows` and `columns` are indexes into `users` and `items`."""

    users: list[str]
    items: list[str]
    rows: ndarray
    columns: ndarray
    weights: ndarray
    times: ndarray
    fresh: ndarray | None = None  # decay of each pair by its age, 0 to 1; None: no decay

    def __post_init__(self) -> None:
        import numpy

        starts = numpy.searchsorted(self.rows, numpy.arange(len(self.users) + 1))
        object.__setattr__(self, "_starts", starts)

    def of(self, user: int) -> tuple[ndarray, ndarray]:
        """The items of a user and their weights, at most 1, multiplied by the decay."""
        import numpy

        start, end = self._starts[user : user + 2]  # type: ignore[attr-defined]
        counts = numpy.minimum(self.weights[start:end], 1.0)
        return self.columns[start:end], counts if self.fresh is None else counts * self.fresh[start:end]

    def only(self, chosen: ndarray) -> Interactions:
        """The pairs selected by a mask, with the same users and items."""
        parts = self.rows[chosen], self.columns[chosen], self.weights[chosen], self.times[chosen]
        return Interactions(self.users, self.items, *parts, None if self.fresh is None else self.fresh[chosen])

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
        """The number of users of each item, with decay."""
        import numpy

        return numpy.bincount(self.columns, self.fresh, len(self.items))


class Gathering:
    """Builds Interactions from single ones."""

    def __init__(self) -> None:
        self._users: dict[str, int] = {}
        self._items: dict[str, int] = {}
        self._rows, self._columns = array("i"), array("i")
        self._weights, self._times = array("d"), array("d")

    def user(self, name: str) -> int:
        """The user's index. A user without interactions counts too."""
        return self._users.setdefault(name, len(self._users))

    def add(self, user: str, item: str, weight: float = 1.0, time: float = 0.0) -> None:
        self._rows.append(self.user(user))
        self._columns.append(self._items.setdefault(item, len(self._items)))
        self._weights.append(weight)
        self._times.append(time)

    def done(self) -> Interactions:
        """The interactions. For repeated pairs the weights are added and the latest time is used."""
        import numpy

        rows, columns = numpy.array(self._rows, "int64"), numpy.array(self._columns, "int64")
        pairs, place = numpy.unique(rows * max(len(self._items), 1) + columns, return_inverse=True)
        times = numpy.full(len(pairs), -numpy.inf)
        numpy.maximum.at(times, place, numpy.array(self._times))
        weights = numpy.bincount(place, numpy.array(self._weights), len(pairs))
        apart = numpy.divmod(pairs, max(len(self._items), 1))
        return Interactions(list(self._users), list(self._items), *apart, weights, times)


def text(value: Any) -> str:
    """The normalised name of a user or an item: 7.0 and "7 " become 7."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value).strip()


def number(value: Any) -> float | None:
    """The value as a number, also from text; None if it is not a finite one."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if isfinite(found) else None


def moment(value: Any, row: int) -> float:
    """A time in seconds, or a plain number in its own unit; -inf if it is empty. Raises BadInput naming the row."""
    if value in (None, ""):
        return -inf
    if (seconds := number(value)) is not None:
        return seconds
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        raise BadInput(
            f"“{str(value)[:40]}” in row {row:,} is not a time. Write 2026-03-01 14:00, or a number."
        ) from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()

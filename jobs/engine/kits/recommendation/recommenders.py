"""Recommenders from implicit feedback: popularity, item cosine and EASE, and their evaluation.

EASE is the closed-form autoencoder of Steck (Embarrassingly Shallow Autoencoders for Sparse Data, 2019): with the Gram matrix
G of the users' items, each with its weight, and P the inverse of G + l I, the weight of item i for item j is
-P[i, j] / P[j, j], and 0 for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol

from jobs.engine.kits.recommendation.interactions import Interactions

if TYPE_CHECKING:
    from numpy import ndarray

EASE_ITEMS = 2_000  # the most popular ones, because the dense matrix is inverted
RIDGE = 200.0
NEIGHBOURS = 100  # stored for each item by item cosine
HISTORY = 500  # items of a user used by item cosine
AT_ONCE = 512  # users


class Recommender(Protocol):
    """Scores every item for a user with these items; 0 means unknown."""

    name: str

    def scores(self, columns: ndarray, weights: ndarray) -> ndarray: ...

    def likeness(self, column: int) -> ndarray:
        """How much each item contributes to the score of this one."""


class Popular:
    """Popularity: what an item counts with all users, the same for everybody."""

    name = "popular"

    def __init__(self, data: Interactions):
        self._uses = data.popularity().astype(float)

    def scores(self, columns: ndarray, weights: ndarray) -> ndarray:
        return self._uses.copy()

    def likeness(self, column: int) -> ndarray:
        return self._uses * 0


class Ease:
    """See the module's docstring."""

    name = "ease"

    def __init__(self, data: Interactions, check: Callable[[], None]):
        import numpy

        kept = numpy.sort(numpy.argsort(-data.uses(), kind="stable")[:EASE_ITEMS])
        self._kept = kept
        self._place = numpy.full(len(data.items), -1)
        self._place[kept] = numpy.arange(len(kept))
        gram = self._gram(data, check)
        gram[numpy.diag_indices_from(gram)] += RIDGE
        inverse = numpy.linalg.inv(gram)
        self._weights = (-inverse / numpy.diag(inverse)).astype("float32")
        numpy.fill_diagonal(self._weights, 0)

    def scores(self, columns: ndarray, weights: ndarray) -> ndarray:
        import numpy

        found = numpy.zeros(len(self._place))
        known = self._place[columns] >= 0
        found[self._kept] = weights[known] @ self._weights[self._place[columns[known]]]
        return found

    def likeness(self, column: int) -> ndarray:
        import numpy

        found = numpy.zeros(len(self._place))
        if self._place[column] >= 0:
            found[self._kept] = self._weights[:, self._place[column]]
        return found

    def _gram(self, data: Interactions, check: Callable[[], None]) -> ndarray:
        """The Gram matrix: the products of the weights of two items, summed over the users who have both."""
        import numpy

        gram = numpy.zeros((len(self._kept), len(self._kept)), "float64")
        for start in range(0, len(data.users), AT_ONCE):
            check()
            block = numpy.zeros((AT_ONCE, len(self._kept)), "float32")
            for user in range(start, min(start + AT_ONCE, len(data.users))):
                columns, weights = data.of(user)
                places = self._place[columns]
                block[user - start, places[places >= 0]] = weights[places >= 0]
            gram += block.T @ block
        return gram


class ItemCosine:
    """Cosine similarity of two items by their weights with each user, for the NEIGHBOURS nearest of each item."""

    name = "item_cosine"

    def __init__(self, data: Interactions, check: Callable[[], None]):
        import numpy

        self._count = len(data.items)
        most = min(NEIGHBOURS, self._count)
        self._near = numpy.zeros((self._count, most), "int32")
        self._cosine = numpy.zeros((self._count, most), "float32")
        squares = numpy.bincount(data.columns, data.counts**2, len(data.items))
        lengths = numpy.sqrt(numpy.where(squares > 0, squares, 1))
        for column, shared in self._shared(data, check):
            cosine = shared / (lengths * lengths[column])
            cosine[column] = 0
            near = numpy.argpartition(-cosine, most - 1)[:most]
            self._near[column], self._cosine[column] = near, cosine[near]

    def scores(self, columns: ndarray, weights: ndarray) -> ndarray:
        import numpy

        spoken = (self._cosine[columns] * weights[:, None]).ravel()
        return numpy.bincount(self._near[columns].ravel(), spoken, self._count)

    def likeness(self, column: int) -> ndarray:
        import numpy

        found = numpy.zeros(self._count)
        found[self._near[column]] = self._cosine[column]
        return found

    def _shared(self, data: Interactions, check: Callable[[], None]) -> Iterator[tuple[int, ndarray]]:
        """Each item, with the products of its weights and those of every item, summed over the users who have both."""
        import numpy

        order = numpy.argsort(data.columns, kind="stable")
        ends = numpy.cumsum(data.uses())
        for column, end in enumerate(ends):
            check()
            pairs = order[ends[column - 1] if column else 0 : end]
            theirs = [data.of(int(user)) for user in data.rows[pairs]]
            found = numpy.zeros(self._count)
            for weight, (columns, weights) in zip(data.counts[pairs], theirs, strict=True):
                found[columns[:HISTORY]] += weight * weights[:HISTORY]
            yield column, found


def fit(name: str, data: Interactions, check: Callable[[], None]) -> Recommender:
    """Fit the model of that name: popular, ease or item_cosine. `check` is called repeatedly and may raise."""
    if name == "popular":
        return Popular(data)
    return (Ease if name == "ease" else ItemCosine)(data, check)


def fitting(data: Interactions) -> str:
    """The recommended model: EASE, unless it would ignore more than a quarter of the interactions."""
    uses = data.uses()
    uses.sort()
    return "ease" if uses[-EASE_ITEMS:].sum() >= 0.75 * uses.sum() else "item_cosine"


class Pick(NamedTuple):
    """A recommended item. `because`: the user's item that contributes most; None if it is only popular."""

    column: int
    score: float
    because: int | None


def recommend(
    model: Recommender, popular: ndarray, mine: tuple[ndarray, ndarray], most: int, without: ndarray, why: bool = True
) -> list[Pick]:
    """The best items for a user, filled up with the most popular ones.

    popular: items, most popular first. mine: the user's items and their weights. without: items that are not to be offered.
    why: whether to compute `because`.
    """
    import numpy

    columns, weights = mine
    scores = model.scores(columns, weights)
    scores[without] = 0
    best = numpy.argpartition(-scores, min(most, len(scores) - 1))[:most]
    best = best[numpy.argsort(-scores[best], kind="stable")]
    picks = [
        Pick(int(at), float(scores[at]), _because(model, int(at), columns) if why else None)
        for at in best
        if scores[at] > 0
    ]
    passed = {pick.column for pick in picks} | set(without.tolist())
    others = (int(column) for column in popular if int(column) not in passed)
    return picks + [Pick(column, 0.0, None) for column, _ in zip(others, range(most - len(picks)), strict=False)]


def best_of(model: Recommender, among: list[int], mine: tuple[ndarray, ndarray], most: int) -> list[Pick]:
    """The best of these items for a user, those with a score."""
    import numpy

    scores = model.scores(*mine)[among]
    best = [int(at) for at in numpy.argsort(-scores, kind="stable")[: max(most, 0)] if scores[at] > 0]
    return [Pick(among[at], float(scores[at]), _because(model, among[at], mine[0])) for at in best]


def _because(model: Recommender, column: int, columns: ndarray) -> int | None:
    speaking = model.likeness(column)[columns]
    if not speaking.size or speaking.max() <= 0:
        return None
    return int(columns[speaking.argmax()])


def by_popularity(data: Interactions) -> ndarray:
    """The items, most popular first, without those that users only have and did not like."""
    import numpy

    order = numpy.argsort(-data.popularity(), kind="stable")
    disliked = set().union(*data.seen.values()) - set(data.columns.tolist())
    liked: ndarray = order[~numpy.isin(order, list(disliked))]
    return liked


def split(data: Interactions, share: float, seed: int) -> ndarray:
    """A mask of the held-out pairs: that share of each user's pairs, the latest ones, but never all of them."""
    import numpy

    chance = numpy.random.default_rng(seed).random(len(data.rows))
    order = numpy.lexsort((chance, -data.times, data.rows))
    counts = numpy.bincount(data.rows, minlength=len(data.users))
    place = numpy.arange(len(order)) - numpy.repeat(numpy.cumsum(counts) - counts, counts)
    held = numpy.minimum(numpy.ceil(counts * share), counts - 1)
    chosen = numpy.zeros(len(order), bool)
    chosen[order] = place < held[data.rows[order]]
    return chosen


def judge(
    model: Recommender, known: Interactions, held: Interactions, users: list[int], most: int, check: Callable[[], None]
) -> dict[str, float]:
    """Mean precision, recall and NDCG at `most` over these users, and the share of all items that were recommended.

    NDCG counts a hit by its weight.
    """
    import numpy

    popular = by_popularity(known)
    gains = 1 / numpy.log2(numpy.arange(most) + 2)
    sums, offered = numpy.zeros(3), set()
    for user in users:
        check()
        wanted = dict(zip(*(some.tolist() for some in held.of(user)), strict=True))
        picks = [pick.column for pick in recommend(model, popular, known.of(user), most, known.has(user), why=False)]
        counts = numpy.array([wanted.get(column, 0.0) for column in picks] + [0.0] * (most - len(picks)))
        hits, ideal = (counts > 0).sum(), sorted(wanted.values(), reverse=True)[:most]
        sums += hits / most, hits / len(wanted), (gains * counts).sum() / (gains[: len(ideal)] * ideal).sum()
        offered.update(picks)
    precision, recall, ndcg = (float(value) for value in sums / max(len(users), 1))
    return {"precision": precision, "recall": recall, "ndcg": ndcg, "coverage": len(offered) / len(known.items)}

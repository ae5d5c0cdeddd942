"""Rank correlations between inputs, by the method of Iman and Conover (1982).

Each input keeps its own distribution: its samples are only put into another order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import pi, sin, sqrt
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from jobs.engine.kinds.params import param

if TYPE_CHECKING:
    from numpy import ndarray
    from numpy.random import Generator


class Correlation(BaseModel):
    """How strongly two inputs go together."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    first: str = param("Input", min_length=1, max_length=100)
    second: str = param("And input", min_length=1, max_length=100)
    rank_correlation: float = param("Rank correlation", "From -1 to 1.", gt=-1, lt=1)


def matrix(pairs: Sequence[Correlation]) -> tuple[list[str], list[list[float]]]:
    """The names, and the matrix of the correlations of normal scores that give these rank correlations."""
    names = list(dict.fromkeys(name for pair in pairs for name in (pair.first, pair.second)))
    of = {frozenset((pair.first, pair.second)): 2 * sin(pi * pair.rank_correlation / 6) for pair in pairs}
    return names, [[1.0 if a == b else of.get(frozenset((a, b)), 0.0) for b in names] for a in names]


def root(of: Sequence[Sequence[float]]) -> list[list[float]] | None:
    """The lower triangular root (Cholesky) of a matrix; None if no variables can have such correlations."""
    lower: list[list[float]] = []
    for place, row in enumerate(of):
        mine: list[float] = []
        for other in range(place):
            mine.append((row[other] - _product(mine, lower[other])) / lower[other][other])
        rest = row[place] - _product(mine, mine)
        if rest <= 1e-9:
            return None
        lower.append([*mine, sqrt(rest)])
    return [[*row, *[0.0] * (len(of) - len(row))] for row in lower]


def reordered(drawn: Mapping[str, ndarray], pairs: Sequence[Correlation], random: Generator) -> dict[str, ndarray]:
    """The samples, with those of the correlated inputs in an order that has these rank correlations."""
    import numpy

    names, wanted = matrix(pairs)
    size = len(next(iter(drawn.values())))
    scores = random.standard_normal((size, len(names)))
    if size > len(names) + 1:  # what the scores have by chance is taken out
        scores = scores @ numpy.linalg.inv(numpy.linalg.cholesky(numpy.corrcoef(scores.T))).T
    scores = scores @ numpy.asarray(root(wanted)).T
    ranks = scores.argsort(axis=0).argsort(axis=0)
    return {**drawn, **{name: numpy.sort(drawn[name])[ranks[:, place]] for place, name in enumerate(names)}}


def _product(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=False))

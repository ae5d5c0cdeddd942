"""A map of vectors in two dimensions, and the pairs that are most alike. All vectors are in memory, so there are at most MOST."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

MOST = 1_000
PAIRS = 8


class Alike(NamedTuple):
    """Two places in the list, and their cosine similarity."""

    one: int
    other: int
    likeness: float


class VectorView(NamedTuple):
    """points: a place for each vector, across and up; near ones are alike. pairs: the most alike first."""

    points: list[tuple[float, float]]
    pairs: list[Alike]


def look(vectors: Sequence[Sequence[float]]) -> VectorView:
    """The two directions in which the vectors differ most, by their principal components."""
    import numpy

    if len(vectors) < 2:
        return VectorView([(0.0, 0.0)] * len(vectors), [])
    matrix = numpy.asarray(vectors[:MOST], dtype="float64")
    lengths = numpy.linalg.norm(matrix, axis=1, keepdims=True)
    unit = matrix / numpy.where(lengths == 0, 1, lengths)
    centred = unit - unit.mean(axis=0)
    sizes, directions = numpy.linalg.eigh(
        centred @ centred.T
    )  # of the rows: there are fewer of them than numbers, or as many
    points = directions[:, -2:][:, ::-1] * numpy.sqrt(numpy.maximum(sizes[-2:][::-1], 0))
    points = points * numpy.where(points.sum(axis=0) < 0, -1, 1)
    alike = unit @ unit.T
    rows, columns = numpy.triu_indices(len(matrix), 1)
    likeness = alike[rows, columns]
    first = numpy.argsort(-likeness, kind="stable")[:PAIRS]
    pairs = [Alike(int(rows[at]), int(columns[at]), float(likeness[at])) for at in first]
    places = [(round(float(across), 4), round(float(up), 4)) for across, up in points]
    return VectorView(places, pairs)

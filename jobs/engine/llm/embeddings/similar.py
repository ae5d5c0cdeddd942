"""Texts that say nearly the same: those whose vectors point nearly the same way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from jobs.engine.llm.embeddings.models import unit

MOST_NUMBERS = 60_000_000  # in memory: 150,000 vectors of 384 numbers
BLOCK = 1_000  # vectors that are compared with all before them at once


class NearDuplicate(NamedTuple):
    """place: of a vector, from 0. of: the most similar one before it. similarity: their cosine."""

    place: int
    of: int
    similarity: float


def near_duplicates(vectors: Iterable[list[float]], least: float) -> Iterator[NearDuplicate]:
    """The vectors that are at least so similar to one before them, each with the most similar one.

    Raises OverflowError where they do not fit into memory.
    """
    import numpy

    rows = []
    for vector in vectors:
        rows.append(numpy.asarray(unit(vector), dtype=numpy.float32))
        if len(rows) * rows[0].size > MOST_NUMBERS:
            raise OverflowError(f"{len(rows):,}")
    if len(rows) < 2:
        return
    every = numpy.stack(rows)
    for start in range(0, len(every), BLOCK):
        block = every[start : start + BLOCK]
        found = block @ every[: start + len(block)].T
        own = numpy.arange(start, start + len(block))[:, None]
        found[numpy.arange(found.shape[1]) >= own] = -2  # itself, and those after it
        best = found.argmax(axis=1)
        for at, of in enumerate(best):
            if found[at, of] >= least:
                yield NearDuplicate(start + at, int(of), round(float(found[at, of]), 4))

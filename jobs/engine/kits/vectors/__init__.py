"""What vectors say about their texts: which rows are near-duplicates of which, a map, and which are most alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from jobs.engine.formats import exports
from jobs.engine.kinds.columns import ItemColumn
from jobs.engine.kinds.shown import Table
from jobs.engine.kits.vectors.likeness import MOST, look
from jobs.engine.kits.vectors.similar_rows import nearest
from jobs.engine.kits.vectors.writing import as_json, npy_head, rounded
from jobs.engine.llm import embeddings

__all__ = [
    "ALIKE",
    "COLUMNS",
    "MOST",
    "as_csv",
    "as_json",
    "as_table",
    "look",
    "nearest",
    "npy_head",
    "pairs",
    "rounded",
]

SHOWN = 300  # characters of a text
COLUMNS = (
    ItemColumn("row", "Row", "number", decimals=0),
    ItemColumn("of_row", "Nearly the same as", "number", decimals=0),
    ItemColumn("similarity", "Similarity", "number", decimals=3),
    ItemColumn("text", "Text", "text"),
    ItemColumn("of_text", "Earlier text", "text"),
)

ALIKE = (
    ItemColumn("one", "Text", "text"),
    ItemColumn("other", "Is like", "text"),
    ItemColumn("likeness", "Likeness", "percent"),
)


def pairs(texts: Sequence[str], places: Sequence[int], vectors: Iterable[list[float]], least: float) -> list[list[Any]]:
    """A row for each text that is at least so similar to an earlier one. Raises OverflowError where there are too many."""
    found = embeddings.near_duplicates(vectors, least)
    return [
        [places[one.place], places[one.of], one.similarity, texts[one.place][:SHOWN], texts[one.of][:SHOWN]]
        for one in found
    ]


def as_csv(rows: Iterable[Sequence[Any]]) -> bytes:
    names = [column.name for column in COLUMNS]
    return b"".join(exports.export((dict(zip(names, row, strict=True)) for row in rows), names, "csv"))


def as_table(rows: Sequence[Sequence[Any]]) -> Table | None:
    return Table(COLUMNS, rows, "Texts that are nearly the same") if rows else None

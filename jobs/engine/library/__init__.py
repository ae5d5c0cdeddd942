"""The library: documents, their passages, and search over them."""

from __future__ import annotations

from jobs.engine.db.models.library import Document, Generation
from jobs.engine.library.documents import (
    DEFAULT_COLLECTION,
    Collection,
    Duplicate,
    add,
    add_text,
    collections,
    count,
    delete,
    document,
    documents,
    each,
    live,
    refuse_same,
    thumbnail,
)
from jobs.engine.library.search import Alike, Passage, Stock, alike, among, passages, search

__all__ = [
    "DEFAULT_COLLECTION",
    "Alike",
    "Collection",
    "Document",
    "Duplicate",
    "Generation",
    "Passage",
    "Stock",
    "add",
    "add_text",
    "alike",
    "among",
    "collections",
    "count",
    "delete",
    "document",
    "documents",
    "each",
    "live",
    "passages",
    "refuse_same",
    "search",
    "thumbnail",
]

"""The library: documents, their passages, and search over them."""

from __future__ import annotations

from jobs.engine.db.models.library import Document, Generation
from jobs.engine.library import bulk, chunking, edits, fields, indexing, prepared, terms, upkeep
from jobs.engine.library.documents import (
    Collection,
    Duplicate,
    add,
    add_text,
    collections,
    count,
    delete,
    document,
    each,
    list_documents,
    live,
    refuse_same,
    thumbnail,
)
from jobs.engine.library.hybrid_search import (
    Passage,
    SearchScope,
    SimilarDocument,
    passages,
    search,
    search_scopes,
    similar_documents,
)
from jobs.engine.library.listing import COUNTED_DOCUMENTS, DocumentPage, DocumentQuery, document_page, document_values

__all__ = [
    "COUNTED_DOCUMENTS",
    "Collection",
    "Document",
    "DocumentPage",
    "DocumentQuery",
    "Duplicate",
    "Generation",
    "Passage",
    "SearchScope",
    "SimilarDocument",
    "add",
    "add_text",
    "bulk",
    "chunking",
    "collections",
    "count",
    "delete",
    "document",
    "document_page",
    "document_values",
    "each",
    "edits",
    "fields",
    "indexing",
    "list_documents",
    "live",
    "passages",
    "prepared",
    "refuse_same",
    "search",
    "search_scopes",
    "similar_documents",
    "terms",
    "thumbnail",
    "upkeep",
]

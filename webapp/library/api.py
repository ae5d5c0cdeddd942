"""The library in JSON, under /api/v1."""

from __future__ import annotations

from flask import Blueprint

from jobs.engine import library
from webapp.api.operation import operation
from webapp.api.parameters import AFTER, Limit, TextParameter
from webapp.http import parsing
from webapp.http.guards import current_owner
from webapp.library.records import (
    DocumentRecord,
    DocumentRow,
    Documents,
    PassageRecord,
    Passages,
    SimilarDocumentRecord,
    SimilarDocuments,
)

COLLECTION = TextParameter("collection", "Only documents of this collection.", 100)
WORDS = TextParameter("q", "Only documents with this text in title, name or tags.", 200)
QUESTION = TextParameter("q", "A question, or words.", 2_000, required=True)
LIMIT = Limit("documents", 200)
PASSAGES_LIMIT = Limit("passages", 50, 8)
SIMILAR_LIMIT = Limit("documents", 50, 8)

blueprint = Blueprint("library_api", __name__, url_prefix="/api/v1")


@blueprint.get("/documents")
@operation(
    "List your documents, newest first",
    "A page of documents, without their text.",
    Documents,
    parameters=(COLLECTION, WORDS, AFTER, LIMIT),
    problems=(404,),
)
def list_documents() -> Documents:
    page = library.list_documents(
        current_owner(), collection=COLLECTION.read(), q=WORDS.read(), after=AFTER.read(), limit=LIMIT.read()
    )
    return Documents(documents=[DocumentRow.of(one) for one in page.rows], next=page.next)


@blueprint.get("/documents/<document_id>")
@operation("Show a document with its text", "The document.", DocumentRecord)
def show_document(document_id: str) -> DocumentRecord:
    return DocumentRecord.of(library.document(document_id, current_owner(), with_text=True))


@blueprint.get("/documents/<document_id>/similar")
@operation(
    "List other documents of the same collection, the most similar first",
    "The documents; none while the collection has no index.",
    SimilarDocuments,
    parameters=(SIMILAR_LIMIT,),
)
def similar_documents(document_id: str) -> SimilarDocuments:
    found = library.similar_documents(current_owner(), document_id, SIMILAR_LIMIT.read())
    return SimilarDocuments(documents=[SimilarDocumentRecord.of(one) for one in found], next=None)


@blueprint.delete("/documents/<document_id>")
@operation("Delete a document and its passages; its file stays", "The document is deleted.")
def delete_document(document_id: str) -> None:
    library.delete(document_id, current_owner())


@blueprint.get("/search")
@operation(
    "Find the passages that answer a question best",
    "The passages, the best first; there is one page.",
    Passages,
    parameters=(QUESTION, COLLECTION, PASSAGES_LIMIT),
)
def search() -> Passages:
    q = QUESTION.read()
    if not q:
        raise parsing.invalid("q", "Write what to search for in q.")
    found = library.search(current_owner(), q, COLLECTION.read(), PASSAGES_LIMIT.read())
    return Passages(passages=[PassageRecord.of(one) for one in found], next=None)

"""The library in JSON, under /api/v1. openapi.py describes it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from jobs.engine import library
from webapp.api.serializers import moment
from webapp.http import parsing
from webapp.http.guards import current_owner

blueprint = Blueprint("library_api", __name__, url_prefix="/api/v1")


@blueprint.get("/documents")
def index() -> Response:
    page = library.list_documents(
        current_owner(),
        collection=parsing.text("collection", 100),
        q=parsing.text("q", 200),
        after=parsing.text("after", 200),
        limit=parsing.whole_number("limit", 50, 1, 200),
    )
    return jsonify(documents=[document_row(one) for one in page.rows], next=page.next)


@blueprint.get("/documents/<id>")
def show(id: str) -> Response:
    document = library.document(id, current_owner(), with_text=True)
    return jsonify(document_row(document) | {"text": document.text})


@blueprint.get("/documents/<id>/similar")
def similar(id: str) -> Response:
    """Other documents of its collection, the most like it first."""
    found = library.similar_documents(current_owner(), id, parsing.whole_number("limit", 8, 1, 50))
    return jsonify(documents=[_alike(one) for one in found], next=None)


@blueprint.delete("/documents/<id>")
def delete(id: str) -> Response:
    """The document and its passages; the file it came from stays."""
    library.delete(id, current_owner())
    return Response(status=204)


@blueprint.get("/search")
def search() -> Response:
    q = parsing.text("q", 2_000)
    if not q:
        raise parsing.invalid("q", "Write what to search for in q.")
    collection, limit = parsing.text("collection", 100), parsing.whole_number("limit", 8, 1, 50)
    found = library.search(current_owner(), q, collection, limit)
    return jsonify(passages=[_passage(one) for one in found], next=None)


def document_row(document: Any) -> dict[str, Any]:
    return {
        "id": str(document.id),
        "collection": document.collection,
        "title": document.title,
        "name": document.name,
        "media_type": document.media_type,
        "language": document.language,
        "pages": document.pages,
        "words": document.words,
        "bytes": document.bytes,
        "sha256": document.sha256,
        "tags": document.tags,
        "meta": document.meta,
        "file": f"/api/v1/files/{document.file_id}" if document.file_id else None,
        "created_at": moment(document.created_at),
        "updated_at": moment(document.updated_at),
        "url": f"/api/v1/documents/{document.id}",
    }


def _alike(one: library.SimilarDocument) -> dict[str, Any]:
    return {
        "document": str(one.document_id),
        "title": one.title,
        "collection": one.collection,
        "position": one.position,
        "text": one.text,
        "score": one.score,
        "url": f"/api/v1/documents/{one.document_id}",
    }


def _passage(passage: library.Passage) -> dict[str, Any]:
    return {
        "document": str(passage.document_id),
        "title": passage.title,
        "collection": passage.collection,
        "headings": passage.headings,
        "position": passage.position,
        "text": passage.text,
        "score": passage.score,
        "url": f"/api/v1/documents/{passage.document_id}",
    }

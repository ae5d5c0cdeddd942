"""The library: collections, documents, one document, and search over all of them."""

from __future__ import annotations

import re
from urllib.parse import urlencode
from uuid import UUID

from flask import Blueprint, Response, abort, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from jobs.engine import files, library
from jobs.engine.db import models
from jobs.engine.errors import NotFound
from webapp.http.guards import current_owner
from webapp.library import document_grid

blueprint = Blueprint("library", __name__)
TEXT_PAGE = 40_000  # characters of a document shown at a time
FOUND = 12  # passages of a search
ALIKE = 6  # similar documents shown
LONGEST = 2_000  # characters of a query
_WORD = re.compile(r"\w+")

Parts = list[tuple[bool, str]]


@blueprint.get("/library")
def index() -> str:
    """The collections, and the documents of one or of all."""
    owner = current_owner()
    return render_template(
        "library/page.html",
        collections=library.collections(owner),
        grid=document_grid.view(owner, request.args),
        collection=_asked("collection", 100),
    )


@blueprint.get("/library/<document_id>")
def show(document_id: str) -> str:
    """One document with its text, a page of it at a time: with `?passage=`, the page with that passage, which is marked."""
    document = library.document(document_id, current_owner(), with_text=True)
    passages = library.passages(current_owner(), document.id)
    asked = request.args.get("passage", "")
    cited = next((one.text for one in passages if str(one.position) == asked), None)
    begin, end = _place(document.text, cited) if cited else (0, 0)
    start = begin // TEXT_PAGE * TEXT_PAGE if end else _offset(len(document.text))
    return render_template(
        "library/document.html",
        document=document,
        file=_file(document.file_id),
        passages=passages,
        alike=library.similar_documents(current_owner(), document.id, ALIKE),
        text=[document.text[one].replace("\f", "\n\n") for one in _around(start, begin, end)],
        marked=marked,
        start=start,
        step=TEXT_PAGE,
        characters=len(document.text),
    )


@blueprint.get("/library/<document_id>/thumbnail.png")
def thumbnail(document_id: str) -> Response:
    picture = library.thumbnail(document_id, current_owner())
    if picture is None:
        abort(404)
    return Response(picture, content_type="image/png", headers={"Cache-Control": "private, max-age=3600"})


@blueprint.get("/library/<document_id>/delete")
def ask_delete(document_id: str) -> str:
    return render_template("library/delete.html", document=library.document(document_id, current_owner()))


@blueprint.post("/library/<document_id>/delete")
def delete(document_id: str) -> BaseResponse:
    """Delete a document and its passages. Its file stays."""
    collection = library.document(document_id, current_owner()).collection
    library.delete(document_id, current_owner())
    return redirect(f"/library?{urlencode({'collection': collection})}", 303)


@blueprint.get("/search")
def search() -> str:
    """Search results: passages, best first."""
    q, collection = _asked("q", LONGEST), _asked("collection", 100)
    owner = current_owner()
    return render_template(
        "library/search.html",
        q=q or "",
        collection=collection,
        collections=library.collections(owner),
        passages=library.search(owner, q, collection, FOUND) if q else [],
        marked=lambda text: marked(text, q or ""),
    )


def _place(text: str, passage: str) -> tuple[int, int]:
    """Where the passage stands in the text, whatever is between its words; (0, 0) where it is not found."""
    found = re.search(r"\s+".join(map(re.escape, passage.split())), text)
    return found.span() if found else (0, 0)


def _around(start: int, begin: int, end: int) -> tuple[slice, slice, slice]:
    """The page of text that begins at `start`, in three: what is before a passage, the passage, and what is after it."""
    last = start + TEXT_PAGE
    if not end:
        return slice(start, last), slice(0, 0), slice(0, 0)
    return slice(start, begin), slice(begin, min(end, last)), slice(min(end, last), last)


def marked(text: str, q: str) -> Parts:
    """The text in parts, each with whether to highlight it: words of the query of four letters or more, or with a digit."""
    wanted = {word.casefold() for word in _WORD.findall(q) if len(word) > 3 or any(map(str.isdigit, word))}
    parts: Parts = []
    end = 0
    for found in _WORD.finditer(text):
        if found[0].casefold() in wanted:
            parts += [(False, text[end : found.start()]), (True, found[0])]
            end = found.end()
    return [part for part in (*parts, (False, text[end:])) if part[1]]


def _asked(name: str, most: int) -> str | None:
    return request.args.get(name, "").replace("\x00", "").strip()[:most] or None


def _offset(characters: int) -> int:
    """The start of the page of text: a multiple of TEXT_PAGE within the text."""
    asked = request.args.get("from", "0")
    start = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 10 else 0
    return min(start, max(characters - 1, 0)) // TEXT_PAGE * TEXT_PAGE


def _file(file_id: UUID | None) -> models.File | None:
    try:
        return files.file(file_id, current_owner()) if file_id else None
    except NotFound:
        return None

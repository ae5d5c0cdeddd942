"""A document as its index has it: its passages, and a digest of all that they are made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from jobs.engine.db.models.library import Document
from jobs.engine.formats import language as language_module
from jobs.engine.library import chunking, terms
from jobs.engine.library.chunking import Chunk

VERSION = 2  # of how passages are made: another one indexes every document again
LONGEST_MORE = 300  # characters of the name and the meta that a document is found by
LONGEST_TITLE = 200


def digest(document: Document) -> bytes:
    """The same for the same passages. The document needs its text."""
    parts = [VERSION, document.title, document.name, document.meta, document.language, document.text]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode(errors="surrogatepass")).digest()


def passages(document: Document, size: int, overlap: int) -> list[Chunk]:
    """The passages of a document; its title goes along with each, its name and meta with the first."""
    title = document.title[:LONGEST_TITLE]
    language = document.language if document.language in terms.STEMMERS else _language(document.text)
    found = chunking.chunks(document.text, size, overlap)
    return [
        replace(piece, title=title, more="" if piece.position else _more(document), language=language)
        for piece in found
    ]


def _language(text: str) -> str | None:
    return language_module.language(text) or terms.language_of(text)


def _more(document: Document) -> str:
    """The name, where the title is another, and the values of the meta."""
    stem = PurePath(document.name).stem
    name = "" if stem.casefold() in document.title.casefold() else document.name
    values = (f"{key}: {value}" for key, value in _plain(document.meta))
    return "\n".join(filter(None, (name, *values)))[:LONGEST_MORE]


def _plain(meta: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in meta.items():
        if isinstance(value, dict):
            yield from _plain(value)
        elif isinstance(value, list):
            yield key, ", ".join(str(one) for one in value if isinstance(one, str | int | float))
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            yield key, value

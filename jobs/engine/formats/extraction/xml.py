"""XML, and feeds of news (RSS, Atom): the text in it, without the names of its elements."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.engine.formats.extraction import plain
from jobs.engine.formats.extraction.office.ooxml import found, local
from jobs.engine.formats.extraction.plain import of_html
from jobs.engine.formats.extraction.runner import MOST_TEXT, Extracted

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MARKUP = re.compile(r"\ufeff?\s*<(\?xml\b|rss\b|feed\b|rdf:RDF\b)", re.I)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_DECLARATION = re.compile(r"^\s*<[?]xml[^>]*[?]>")
_ENTRIES = ("item", "entry")
_TITLES = ("title",)
_TEXTS = ("description", "summary", "content", "encoded", "pubDate", "published", "updated", "creator", "author")


def read(path: Path, name: str, ocr: bool) -> Extracted:
    from xml.etree import ElementTree

    try:
        root = _root(path)
    except ElementTree.ParseError:  # not well formed: as it stands
        return plain.read(path, name, ocr)
    if local(root).lower() in ("rss", "feed", "rdf"):
        channel = next(found(root, "channel"), root)
        return Extracted("application/rss+xml", "\n\n".join(_feed(root, channel)), _first(channel, _TITLES))
    return Extracted("application/xml", "\n".join(_lines(root)), _first(root, _TITLES))


def _root(path: Path) -> Element:
    from xml.etree import ElementTree

    try:
        return ElementTree.parse(path).getroot()  # noqa: S314 - in a confined child
    except (
        ElementTree.ParseError,
        ValueError,
        LookupError,
    ):  # another encoding than it says, or one that the parser lacks
        written = plain.decoded(path, 4 * MOST_TEXT, marked_up=True)
        return ElementTree.fromstring(_DECLARATION.sub("", written, count=1))  # noqa: S314 - in a confined child


def _feed(root: Element, channel: Element) -> Iterator[str]:
    if title := _first(channel, _TITLES):
        yield f"# {title}"
    yield from _texts(channel)
    for entry in found(root, *_ENTRIES):
        yield f"## {_first(entry, _TITLES)}"
        yield from _texts(entry)


def _texts(element: Element) -> Iterator[str]:
    """The texts of an entry, each once; HTML in them as its text."""
    texts = [" ".join("".join(child.itertext()).split()) for child in element if local(child) in _TEXTS]
    for text in dict.fromkeys(filter(None, texts)):
        yield of_html(text)[1] if _TAG.search(text) else text


def _first(element: Element, names: tuple[str, ...]) -> str:
    return next((" ".join("".join(child.itertext()).split()) for child in element if local(child) in names), "")[:500]


def _lines(root: Element) -> Iterator[str]:
    """The texts of the elements, in their order; an element whose text has marked words in it is one line."""
    if (root.text or "").strip() or any((child.tail or "").strip() for child in root):
        yield " ".join(" ".join(root.itertext()).split())
        return
    for child in root:
        yield from _lines(child)

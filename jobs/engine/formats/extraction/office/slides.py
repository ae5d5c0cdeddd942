"""PPTX: what stands on each slide, in its tables, charts and diagrams, in its notes and comments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.engine.formats.extraction.markup import table
from jobs.engine.formats.extraction.office import ooxml, word
from jobs.engine.formats.extraction.office.ooxml import Package, attribute, found, local, paragraphs

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

FURNITURE = ("sldNum", "dt", "sldImg")  # placeholders of the slide's number, date and picture
TITLES = ("title", "ctrTitle")


def read(path: Path) -> tuple[str, str, int]:
    """The title, the text, and the number of slides."""
    with Package(path) as package:
        slides = _in_order(package)
        titles = [_title(package, name) for name in slides]
        text = "\n\n\f".join(
            "\n\n".join(_slide(package, name, title)) for name, title in zip(slides, titles, strict=True)
        )
        return next((title for title in titles if title), ""), text, len(slides)


def _in_order(package: Package) -> list[str]:
    related = package.related("ppt/presentation.xml")
    listed = [related.get(_relation(one), "") for one in found(package.root("ppt/presentation.xml"), "sldId")]
    return [name for name in listed if name in package.names] or package.matching(r"ppt/slides/slide\d+\.xml")


def _relation(element: Element) -> str:
    """The id of the relationship: the attribute `id` that has a namespace."""
    return next((value for key, value in element.attrib.items() if key.endswith("}id")), "")


def _title(package: Package, name: str) -> str:
    for shape in found(package.root(name), "sp"):
        if _placeholder(shape) in TITLES and (lines := paragraphs(shape)):
            return " ".join(lines)
    return ""


def _slide(package: Package, name: str, title: str) -> Iterator[str]:
    root, related = package.root(name), package.related(name)
    for block in (block for tree in found(root, "spTree") for block in _shapes(package, tree, related)):
        is_title = bool(title) and " ".join(block.split("\n")) == title
        yield f"## {title}" if is_title else block
        title = "" if is_title else title
    for target in related.values():
        if "/notesSlides/" in target:
            lines = [line for shape in found(package.root(target), "sp") for line in _lines(shape)]
            if lines:
                yield f"Notes: {' '.join(lines)}"
        elif "/comments/" in target:
            yield from (f"Comment: {line}" for line in _comments(package.root(target)))


def _shapes(package: Package, tree: Element, related: dict[str, str]) -> Iterator[str]:
    for shape in tree:
        match local(shape):
            case "sp":
                yield from filter(None, ["\n".join(_lines(shape))])
            case "grpSp" | "AlternateContent" | "Choice":
                yield from _shapes(package, shape, related)
            case "graphicFrame":
                yield from _frame(package, shape, related)
            case "pic":
                yield from filter(None, [_described(shape)])


def _frame(package: Package, frame: Element, related: dict[str, str]) -> Iterator[str]:
    for one in found(frame, "tbl"):
        yield table(
            [" ".join(paragraphs(cell)) for cell in row if local(cell) == "tc"] for row in one if local(row) == "tr"
        )
    for one in found(frame, "chart"):
        yield ooxml.chart(package.root(related.get(_relation(one), "")))
    for one in found(frame, "relIds"):
        yield "\n".join(paragraphs(package.root(related.get(attribute(one, "dm"), ""))))


def _lines(shape: Element) -> list[str]:
    return [] if _placeholder(shape) in FURNITURE else paragraphs(shape)


def _placeholder(shape: Element) -> str:
    return next((attribute(one, "type") or "body" for one in found(shape, "ph")), "")


def _described(picture: Element) -> str:
    """The words that stand for a picture, where somebody wrote some."""
    return next((attribute(one, "descr") for one in found(picture, "cNvPr")), "")


def _comments(root: Element | None) -> Iterator[str]:
    for comment in found(root, "cm"):
        said = [*paragraphs(comment), *(one.text or "" for one in found(comment, "text"))]
        yield from filter(None, [" ".join(said).strip()])


def embedded(path: Path) -> tuple[str, ...]:
    """The names of files within the presentation, which are not read."""
    with Package(path) as package:
        return word.embedded(package, "ppt")

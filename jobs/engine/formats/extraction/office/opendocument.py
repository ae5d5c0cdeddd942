"""OpenDocument: sheets (ODS), presentations and drawings (ODP, ODG), and what a text (ODT) has besides its body."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.engine.errors import BadInput
from jobs.engine.formats.extraction.markup import table
from jobs.engine.formats.extraction.office.ooxml import Package, attribute, found, has, local
from jobs.engine.formats.extraction.office.word import Besides

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

BLANKS = {"s": " ", "tab": "\t", "line-break": " "}
APART = ("annotation", "tracked-changes", "notes", "desc", "title")  # within a paragraph or page, and not of its text
LOCKED = "The document is locked with a password. Remove it and upload again."
MOST_REPEATED = 1_000  # cells or rows; a sheet is filled up with more of them, which are empty
EMBEDDED = r"(Object[ \w]*|ObjectReplacements/[^/]+)/content\.xml"


def read(path: Path) -> tuple[str, int]:
    """The text of a presentation or drawing, and the number of its pages."""
    with Package(path) as package:
        pages = list(found(package.root("content.xml"), "page"))
        return "\n\n\f".join("\n\n".join(_page(page)) for page in pages), len(pages)


def refuse_locked(path: Path) -> None:
    """Raises BadInput for a document whose parts are encrypted."""
    with Package(path) as package:
        if has(package.root("META-INF/manifest.xml"), "encryption-data"):
            raise BadInput(LOCKED, reason="locked")


def sheets(path: Path) -> Iterator[tuple[str, list[list[str]]]]:
    """The name of each sheet, and its rows as the sheet shows them."""
    from xml.etree import ElementTree

    rows: list[list[str]] = []
    with zipfile.ZipFile(path) as archive, archive.open("content.xml") as opened:
        for _, element in ElementTree.iterparse(opened):  # noqa: S314 - in a confined child
            if local(element) == "table-row":
                rows += [_row(element)] * _repeated(element, "number-rows-repeated")
                element.clear()
            elif local(element) == "table":
                yield attribute(element, "name"), rows
                rows = []
                element.clear()


def _row(row: Element) -> list[str]:
    cells: list[str] = []
    for cell in row:
        if local(cell) in ("table-cell", "covered-table-cell"):
            comments = [f"(comment: {' '.join(_lines(one))})" for one in found(cell, "annotation")]
            cells += [" ".join([*_lines(cell), *comments])] * _repeated(cell, "number-columns-repeated")
    return cells


def _repeated(element: Element, name: str) -> int:
    """How often a cell or row stands there; what is repeated more often than a table has it is empty."""
    count = attribute(element, name)
    return min(int(count), MOST_REPEATED) if count.isdecimal() else 1


def besides(path: Path) -> Besides:
    """What stands outside of the body of an ODT."""
    with Package(path) as package:
        content, styles = package.root("content.xml"), package.root("styles.xml")
        parts = [
            (kind, list(dict.fromkeys(line for one in found(styles, *names) for line in _lines(one))))
            for kind, names in (
                ("Page header", ("header", "header-left", "header-first")),
                ("Page footer", ("footer", "footer-left", "footer-first")),
            )
        ]
        comments = [(f"Comment{_author(one)}", _lines(one)) for one in found(content, "annotation")]
        deleted = sum(1 for _ in found(content, "deletion"))
        charts = [
            ("Chart", [text])
            for name in package.matching(EMBEDDED)
            if (text := "\n\n".join(_blocks(package.root(name))))
        ]
        return Besides([(kind, lines) for kind, lines in [*parts, *comments, *charts] if lines], deleted=deleted)


def _author(annotation: Element) -> str:
    return next((f" by {one.text}" for one in found(annotation, "creator") if one.text), "")


def _page(page: Element) -> Iterator[str]:
    yield from _blocks(page)
    yield from (f"Notes: {' '.join(lines)}" for one in found(page, "notes") if (lines := _lines(one)))
    yield from (
        f"Comment{_author(one)}: {' '.join(lines)}" for one in found(page, "annotation") if (lines := _lines(one))
    )


def _blocks(element: Element | None) -> Iterator[str]:
    """Paragraphs and tables, in the order of the page."""
    for child in element if element is not None else ():
        match local(child):
            case "table":
                yield from filter(None, [table(_row(row) for row in found(child, "table-row"))])
            case "p" | "h":
                yield from filter(None, [_text(child)])
            case name if name not in APART:
                yield from _blocks(child)


def _lines(element: Element) -> list[str]:
    """The paragraphs in an element, without those of comments and notes on it."""
    lines: list[str] = []
    for child in element:
        if local(child) in ("p", "h"):
            lines += filter(None, [_text(child)])
        elif local(child) not in APART:
            lines += _lines(child)
    return lines


def _text(paragraph: Element) -> str:
    pieces: list[str] = []
    _gather(paragraph, pieces)
    return " ".join("".join(pieces).split())


def _gather(element: Element, pieces: list[str]) -> None:
    pieces.append(element.text or "")
    for child in element:
        if local(child) in BLANKS:
            pieces.append(BLANKS[local(child)])
        elif local(child) not in APART:
            pieces.append(" " if local(child) == "p" else "")
            _gather(child, pieces)
        pieces.append(child.tail or "")

"""What a Word document has besides its body, and a copy of it that pandoc reads whole.

Pandoc passes over text boxes, at times with the paragraph around them, and over headers, footers, comments, charts and diagrams.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.engine.formats.extraction.office import ooxml
from jobs.engine.formats.extraction.office.ooxml import Package, attribute, found, has, local, paragraphs

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

BODIES = r"word/(document|footnotes|endnotes)\d*\.xml"
NAMED = 3  # of several
MOST_COLUMNS = 1_000


@dataclass(frozen=True)
class Besides:
    """Text that stands outside of the body, and how much of other things there is.

    parts: the kind of each part ("Page header"), and its lines. boxes: text boxes, whose text is moved behind their paragraph.
    """

    parts: list[tuple[str, list[str]]]
    boxes: int = 0
    deleted: int = 0
    embedded: tuple[str, ...] = ()

    def text(self) -> str:
        """The parts as paragraphs, each with its kind before it."""
        return "\n\n".join(f"{kind}: {'; '.join(lines)}" if kind != "Chart" else lines[0] for kind, lines in self.parts)

    def note(self) -> str:
        """What is in the file and in none of its text; empty if that is nothing."""
        return " ".join(filter(None, [deletions(self.deleted), left_out(self.embedded)]))


def deletions(count: int) -> str:
    return f"The document has tracked changes: {_many(count, 'deletion', 'deletions')} left out." if count else ""


def left_out(embedded: tuple[str, ...]) -> str:
    """The sentence on files within a document, which are named and not read."""
    if not embedded:
        return ""
    names = ", ".join(name.rpartition("/")[2] for name in embedded[:NAMED]) + (", …" if embedded[NAMED:] else "")
    one, many = "file within the document", "files within the document"
    return f"{_many(len(embedded), one, many)} not read: {names}."


def _many(count: int, one: str, many: str) -> str:
    return f"1 {one} was" if count == 1 else f"{count:,} {many} were"


def besides(path: Path) -> Besides:
    """What stands outside of the body of a DOCX."""
    with Package(path) as package:
        bodies = [root for name in package.matching(BODIES) if (root := package.root(name)) is not None]
        deleted = sum(1 for root in bodies for _ in found(root, "delText"))
        boxes = sum(1 for root in bodies for _ in _boxes(root))
        return Besides(list(_parts(package)), boxes, deleted, embedded(package, "word"))


def embedded(package: Package, folder: str) -> tuple[str, ...]:
    """The names of the files that were put into the document, but for the sheets behind its charts."""
    charts = {
        target
        for name in package.matching(rf"{folder}/charts/chart\d*\.xml")
        for target in package.related(name).values()
    }
    return tuple(name for name in package.matching(rf"{folder}/embeddings/[^/]+") if name not in charts)


def _parts(package: Package) -> Iterator[tuple[str, list[str]]]:
    for kind, pattern in (("Page header", r"word/header\d*\.xml"), ("Page footer", r"word/footer\d*\.xml")):
        lines = [line for name in package.matching(pattern) for line in paragraphs(package.root(name))]
        if lines:
            yield kind, list(dict.fromkeys(lines))
    for comment in found(package.root("word/comments.xml"), "comment"):
        author = attribute(comment, "author")
        yield f"Comment by {author}" if author else "Comment", paragraphs(comment)
    yield from drawings(package, "word")


def drawings(package: Package, folder: str) -> Iterator[tuple[str, list[str]]]:
    """The charts and diagrams of an Office file, with their text."""
    for name in package.matching(rf"{folder}/charts/chart\w*\.xml"):
        if chart := ooxml.chart(package.root(name)):
            yield "Chart", [chart]
    for name in package.matching(rf"{folder}/diagrams/data\d*\.xml"):
        if lines := paragraphs(package.root(name)):
            yield "Diagram", lines


def readable(source: Path, target: Path) -> None:
    """Write a copy of a DOCX for pandoc.

    The text of each text box stands behind the paragraph that the box is fixed to. Tables that do not say how wide their columns
    are say so: pandoc takes such a table to be as wide as its first row, and drops what is beyond.
    """
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new:
        for name in dict.fromkeys(old.namelist()):
            data = old.read(name)
            new.writestr(name, _repaired(data) if re.fullmatch(BODIES, name) else data)


def _repaired(data: bytes) -> bytes:
    from xml.etree import ElementTree

    if b"txbxContent" not in data and b"tbl>" not in data:
        return data
    try:
        for _, (prefix, uri) in ElementTree.iterparse(io.BytesIO(data), ["start-ns"]):  # noqa: S314 - in a confined child
            if not prefix.startswith("ns"):  # which ElementTree keeps for its own
                ElementTree.register_namespace(prefix, uri)  # pandoc looks for the usual prefixes
        root = ElementTree.fromstring(data)  # noqa: S314 - in a confined child
    except ElementTree.ParseError:
        return data
    if b"txbxContent" in data:
        _move_boxes(root)
    elif all(_has_widths(table) for table in found(root, "tbl")):
        return data
    for table in found(root, "tbl"):
        _set_widths(table)
    return bytes(ElementTree.tostring(root, "utf-8", xml_declaration=True))


def _has_widths(table: Element) -> bool:
    widths = [one for grid in table if local(grid) == "tblGrid" for one in grid if attribute(one, "w")]
    return len(widths) >= _columns(table)


def _columns(table: Element) -> int:
    return max((sum(map(_span, row)) for row in table if local(row) == "tr"), default=0)


def _span(cell: Element) -> int:
    if local(cell) != "tc":
        return 0
    spans = (
        attribute(one, "val") for part in cell if local(part) == "tcPr" for one in part if local(one) == "gridSpan"
    )
    return max(1, *(min(int(span), MOST_COLUMNS) for span in spans if span.isdecimal()), 1)


def _set_widths(table: Element) -> None:
    """Give a table a grid of columns of one width, where its own has fewer than a row has cells."""
    from xml.etree.ElementTree import Element

    if _has_widths(table):
        return
    namespace = str(table.tag).rpartition("}")[0] + "}"
    for grid in [child for child in table if local(child) == "tblGrid"]:
        table.remove(grid)
    grid = Element(f"{namespace}tblGrid")
    for _ in range(_columns(table)):
        grid.append(Element(f"{namespace}gridCol", {f"{namespace}w": "1000"}))
    table.insert(1 if len(table) and local(table[0]) == "tblPr" else 0, grid)


def _move_boxes(element: Element) -> None:
    """Move the content of text boxes out of the paragraphs among an element's children, to behind them."""
    place = 0
    while place < len(element):
        child = element[place]
        _move_boxes(child) if local(child) != "p" else _unpack(element, place)
        place += 1


def _unpack(parent: Element, place: int) -> None:
    """Put what stands in the boxes of a paragraph behind it, where it is looked at in its turn."""
    paragraph = parent[place]
    boxes = list(_boxes(paragraph))
    moved = [child for box in boxes for child in box]
    for one in list(paragraph.iter()):
        for child in [child for child in one if local(child) == "Fallback" and has(child, "txbxContent")]:
            one.remove(child)
    for box in boxes:
        for child in list(box):
            box.remove(child)
    _drop_shapes(paragraph)
    parent[place + 1 : place + 1] = moved


def _boxes(root: Element) -> Iterator[Element]:
    """The outermost text boxes, without those in the second form in which Word writes each drawing for old programs."""
    for child in root:
        if local(child) == "txbxContent":
            yield child
        elif local(child) != "Fallback":
            yield from _boxes(child)


def _drop_shapes(paragraph: Element) -> None:
    """Remove what is left of emptied boxes; pandoc would drop the paragraph for one. Shapes with pictures stay."""
    for one in list(paragraph.iter()):
        for child in list(one):
            if local(child) == "txbx" or (local(child) == "txbxContent" and not len(child)):
                one.remove(child)

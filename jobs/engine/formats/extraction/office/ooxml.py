"""The parts of an Office file (DOCX, PPTX, XLSX): a ZIP archive of XML files that name each other by relationships.

Elements are found by their local names: the namespaces of strict and transitional files differ, and the names do not.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.engine.formats.extraction.markup import table

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

HIDDEN = frozenset({"Fallback", "del", "moveFrom", "instrText", "delText", "pPr", "rPr"})
SPACES = {"tab": "\t", "br": " ", "cr": " ", "noBreakHyphen": "-"}


def local(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def attribute(element: Element, name: str) -> str:
    """The value of an attribute by its local name; "" if there is none."""
    return next((value for key, value in element.attrib.items() if key.rpartition("}")[2] == name), "")


def found(root: Element | None, *names: str) -> Iterator[Element]:
    """The elements of these local names, in the order of the document."""
    return (one for one in (root.iter() if root is not None else ()) if local(one) in names)


def has(root: Element | None, name: str) -> bool:
    return next(found(root, name), None) is not None


def text(element: Element) -> str:
    """The text of one paragraph, of Word or of a drawing, in one line, as it is shown without its tracked changes."""
    pieces: list[str] = []
    _gather(element, pieces)
    return " ".join("".join(pieces).split())


def _gather(element: Element, pieces: list[str]) -> None:
    for child in element:
        name = local(child)
        if name == "t":
            pieces.append(child.text or "")
        elif name in SPACES:
            pieces.append(SPACES[name])
        elif name not in HIDDEN:
            pieces.append(" " if name == "p" else "")
            _gather(child, pieces)


def paragraphs(root: Element | None) -> list[str]:
    """The paragraphs that have text. One within another, as in a text box, is a part of the outer one."""
    if root is None:
        return []
    if local(root) == "p":
        return [line] if (line := text(root)) else []
    return [line for child in root if local(child) != "Fallback" for line in paragraphs(child)]


class Package:
    """An Office file that is open for reading."""

    def __init__(self, path: Path):
        self._archive = zipfile.ZipFile(path)
        self.names = list(dict.fromkeys(self._archive.namelist()))

    def __enter__(self) -> Package:
        return self

    def __exit__(self, *raised: object) -> None:
        self._archive.close()

    def read(self, name: str) -> bytes:
        return self._archive.read(name)

    def matching(self, pattern: str) -> list[str]:
        """The parts of that name, in the order of the numbers in them."""
        names = [name for name in self.names if re.fullmatch(pattern, name)]
        return sorted(names, key=lambda name: [int(number) for number in re.findall(r"\d+", name)])

    def root(self, name: str) -> Element | None:
        """A part's XML; None if there is no such part, or it is not XML: one damaged part does not lose the others."""
        from xml.etree import ElementTree

        try:
            return ElementTree.fromstring(self.read(name)) if name in self.names else None  # noqa: S314 - in a confined child
        except ElementTree.ParseError:
            return None

    def related(self, name: str) -> dict[str, str]:
        """The parts that a part names, by the ids of its relationships."""
        folder, _, file = name.rpartition("/")
        root = self.root(f"{folder}/_rels/{file}.rels")
        targets = {attribute(one, "Id"): attribute(one, "Target") for one in found(root, "Relationship")}
        return {id: _joined(folder, target) for id, target in targets.items()}


def _joined(folder: str, target: str) -> str:
    return target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))


def chart(root: Element | None) -> str:
    """A chart's titles, and its values as a table: a row a category, a column a series."""
    titles = [line for title in found(root, "title") for line in paragraphs(title)]
    series = list(found(root, "ser"))
    categories = next((cache for one in series if (cache := _cached(one, "cat", "xVal"))), {})
    columns = [(_series_name(one), _cached(one, "val", "yVal")) for one in series]
    places = sorted({*categories, *(place for _, values in columns for place in values)})
    rows = [["", *(name for name, _ in columns)]] if columns else []
    rows += [[categories.get(place, ""), *(values.get(place, "") for _, values in columns)] for place in places]
    return "\n\n".join(filter(None, [" ".join(titles), table(rows)]))


def _series_name(series: Element) -> str:
    return " ".join(value.text or "" for title in series if local(title) == "tx" for value in found(title, "v"))


def _cached(series: Element, *names: str) -> dict[int, str]:
    """The values that the chart keeps of the sheet that it was drawn from, by their place."""
    points = [point for part in series if local(part) in names for point in found(part, "pt")]
    return {_number(attribute(point, "idx")): " ".join(v.text or "" for v in found(point, "v")) for point in points}


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0

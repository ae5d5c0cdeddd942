"""The tables of a page of a PDF that have lines around their cells: a cell is what lines and frames surround.

It does what pdfplumber does, with PDFium's objects. pdfplumber reads the file once more, by pdfminer, and takes 0.5 s a page; this
takes 2 ms.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from jobs.engine.formats import pdf_lines
from jobs.engine.formats.pdf_layout import RuledTable
from jobs.engine.formats.pdf_text import Box
from jobs.engine.formats.pdf_words import shown

if TYPE_CHECKING:
    from pypdfium2 import PdfPage as Page

NEAR = 3.0  # points: lines that are nearer are one, and lines meet
MOST_PIECES = 20_000  # more are a drawing
MOST_CROSSINGS = 5_000
MOST_SPANNED = 40  # rows or columns by one cell


class _Line(NamedTuple):
    """A straight line: where it is on the other axis, and from where to where it goes."""

    at: float
    start: float
    end: float


Crossings = dict[tuple[float, float], tuple[int, int]]  # by x and y: the numbers of the line down and of the one across


def tables(page: Page, quarters: int) -> list[RuledTable]:
    """The tables of the page, without its own rotation turned clockwise by so many quarters."""
    pieces = list(islice(pdf_lines.pieces(page), MOST_PIECES + 1))
    if not 4 < len(pieces) <= MOST_PIECES:
        return []
    bounds = page.get_bbox()
    boxes = [shown(_box(*piece), bounds, quarters) for piece in pieces]
    across = _merged(_Line(box[1], box[0], box[2]) for box in boxes if box[3] - box[1] < 1)
    down = _merged(_Line(box[0], box[1], box[3]) for box in boxes if box[2] - box[0] < 1)
    crossings = _crossings(across, down)
    return [_table(cells) for cells in _groups(_cells(crossings)) if len(cells) > 1]


def _box(one: pdf_lines.Point, other: pdf_lines.Point) -> Box:
    return min(one[0], other[0]), min(one[1], other[1]), max(one[0], other[0]), max(one[1], other[1])


def _merged(lines: Iterable[_Line]) -> list[_Line]:
    """The lines, those that are nearly at one place as one there, and those that touch each other joined."""
    merged: list[_Line] = []
    group: list[_Line] = []
    for line in sorted(lines):
        if group and line.at - group[-1].at > NEAR:
            merged += _joined(group)
            group = []
        group.append(line)
    return [line for line in [*merged, *_joined(group)] if line.end - line.start > NEAR]


def _joined(group: list[_Line]) -> Iterator[_Line]:
    at = sum(line.at for line in group) / max(1, len(group))
    begun: _Line | None = None
    for line in sorted(group, key=lambda line: line.start):
        if begun and line.start <= begun.end + NEAR:
            begun = _Line(at, begun.start, max(begun.end, line.end))
        else:
            if begun:
                yield begun
            begun = _Line(at, line.start, line.end)
    if begun:
        yield begun


def _crossings(across: list[_Line], down: list[_Line]) -> Crossings:
    found: Crossings = {}
    heights = [line.at for line in across]
    for number, line in enumerate(down):
        for place in range(bisect_left(heights, line.start - NEAR), len(across)):
            other = across[place]
            if other.at > line.end + NEAR or len(found) > MOST_CROSSINGS:
                break
            if other.start - NEAR <= line.at <= other.end + NEAR:
                found[line.at, other.at] = number, place
    return found


def _cells(crossings: Crossings) -> Iterator[Box]:
    """For each crossing, the smallest frame that has it as its upper left corner."""
    below: dict[int, list[float]] = {}
    beside: dict[int, list[float]] = {}
    for (x, y), (down, across) in sorted(crossings.items()):
        below.setdefault(down, []).append(y)
        beside.setdefault(across, []).append(x)
    for (x, y), (down, across) in sorted(crossings.items()):
        cell = _cell(x, y, below[down], beside[across], crossings)
        if cell:
            yield cell


def _cell(x: float, y: float, below: list[float], beside: list[float], crossings: Crossings) -> Box | None:
    lower, other = bisect_left(below, y) + 1, bisect_left(beside, x) + 1
    for bottom in below[lower : lower + MOST_SPANNED]:
        for right in beside[other : other + MOST_SPANNED]:
            corner = crossings.get((right, bottom))
            if corner and corner[0] == crossings[right, y][0] and corner[1] == crossings[x, bottom][1]:
                return x, y, right, bottom
    return None


def _groups(cells: Iterable[Box]) -> list[list[Box]]:
    """The cells that hang together by their corners."""
    parents: dict[tuple[float, float], tuple[float, float]] = {}

    def root(corner: tuple[float, float]) -> tuple[float, float]:
        while (parent := parents.setdefault(corner, corner)) != corner:
            parents[corner] = corner = parents[parent]
        return corner

    listed = list(cells)
    for left, top, right, bottom in listed:
        first = root((left, top))
        for corner in ((right, top), (left, bottom), (right, bottom)):
            parents[root(corner)] = first
    groups: dict[tuple[float, float], list[Box]] = {}
    for cell in listed:
        groups.setdefault(root((cell[0], cell[1])), []).append(cell)
    return list(groups.values())


def _table(cells: list[Box]) -> RuledTable:
    lefts, tops = sorted({cell[0] for cell in cells}), sorted({cell[1] for cell in cells})
    place = {(cell[0], cell[1]): cell for cell in cells}
    rows = [[place.get((left, top)) for left in lefts] for top in tops]
    box = lefts[0], tops[0], max(cell[2] for cell in cells), max(cell[3] for cell in cells)
    return RuledTable(box, rows)

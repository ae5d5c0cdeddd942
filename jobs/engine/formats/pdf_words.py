"""The words of a page of a PDF with their places, as a reader sees the page: turned, and counted from its upper left corner."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.engine.formats import pdf_text
from jobs.engine.formats.pdf_text import Box

if TYPE_CHECKING:
    from pypdfium2 import PdfPage as Page
    from pypdfium2 import PdfTextPage

_LINE = re.compile(r"[^\r\n]+")
_WORD = re.compile(r"\S+")


@dataclass(frozen=True)
class PlacedWord:
    """Its box is (left, top, right, bottom). line: the number of its line in the file. size: the height of its letters."""

    text: str
    box: Box
    line: int
    size: float


@dataclass(frozen=True)
class PlacedWords:
    """The words that run one way. quarters: how often the page, without its own rotation, is turned clockwise to read them.

    shuffled: whether they are on a page or on a side that is turned, of which PDFium gives the lines in any order.
    """

    words: list[PlacedWord]
    quarters: int = 0
    shuffled: bool = False


@dataclass(frozen=True)
class _Place:
    """A word in the page's own coordinates: the box of its first letter, and that of its last."""

    text: str
    line: int
    first: Box
    last: Box


def words_of(page: Page) -> list[PlacedWords] | None:
    """The words in the order of the file, those of the main direction first; None where PDFium counts characters in two ways."""
    read = page.get_textpage()
    text = read.get_text_range()
    if len(text) != read.count_chars() or pdf_text.letters(text) != pdf_text.letters(read.get_text_bounded()):
        return None
    places = list(_places(read, text))
    ways = _ways(places, page.get_rotation() // 90)
    found: dict[int, list[PlacedWord]] = {}
    bounds, is_turned = page.get_bbox(), bool(page.get_rotation())
    for place, way in zip(places, ways, strict=True):
        found.setdefault(way, []).append(_word(place, bounds, way))
    order = sorted(found, key=lambda way: -sum(len(word.text) for word in found[way]))
    return [PlacedWords(found[way], way, bool(way) or is_turned) for way in order]


def _ways(places: list[_Place], usual: int) -> list[int]:
    """Which way each word runs. A single letter does as the word before it in its line, or as most words do."""
    known = [_way(place) for place in places]
    counts = Counter(way for way in known if way is not None)
    usual = counts.most_common(1)[0][0] if counts else usual
    ways: list[int] = []
    for number, (place, way) in enumerate(zip(places, known, strict=True)):
        same = number and places[number - 1].line == place.line
        ways.append(way if way is not None else ways[-1] if same else usual)
    return ways


def _places(read: PdfTextPage, text: str) -> Iterator[_Place]:
    for number, line in enumerate(_LINE.finditer(text)):
        for found in _WORD.finditer(text, line.start(), line.end()):
            start = found.start()
            for end in [*pdf_text.gaps(read, found[0], start), found.end()]:
                if said := pdf_text.clean(text[start:end]):
                    yield _Place(said, number, pdf_text.box(read, start), pdf_text.box(read, end - 1))
                start = end


def _way(place: _Place) -> int | None:
    """Which way a word runs: 0 to the right, 1 up, 2 to the left, 3 down; None for a single letter."""
    (left, bottom, right, top), last = place.first, place.last
    aside, above = last[0] + last[2] - left - right, last[1] + last[3] - bottom - top
    if not aside and not above:
        return None
    return (0 if aside > 0 else 2) if abs(aside) >= abs(above) else (1 if above > 0 else 3)


def _word(place: _Place, bounds: Box, quarters: int) -> PlacedWord:
    first, last = shown(place.first, bounds, quarters), shown(place.last, bounds, quarters)
    box = min(first[0], last[0]), min(first[1], last[1]), max(first[2], last[2]), max(first[3], last[3])
    return PlacedWord(place.text, box, place.line, round(2 * (first[3] - first[1])) / 2)


def shown(box: Box, bounds: Box, quarters: int) -> Box:
    """The box in coordinates from the upper left, the page turned clockwise by so many quarters."""
    left, bottom, right, top = bounds
    if quarters == 1:
        return box[1] - bottom, box[0] - left, box[3] - bottom, box[2] - left
    if quarters == 2:
        return right - box[2], box[1] - bottom, right - box[0], box[3] - bottom
    if quarters == 3:
        return top - box[3], right - box[2], top - box[1], right - box[0]
    return box[0] - left, top - box[3], box[2] - left, top - box[1]

"""The text of a page of a PDF.

PDFium has two functions for it. The usual one, for a rectangle of the page, loses the spaces and line ends that PDFium puts between
letters that stand apart, where the matrix of the text is flipped, as reports of databases and prints out of browsers have it:
400.01 and 3 in the next column become 400.013. The one for a range of characters keeps them, but also has what
stands outside of the page, and nothing beyond 16 bits; where the two differ in that, the characters are taken one by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pypdfium2 import PdfPage as Page
    from pypdfium2 import PdfTextPage

APART = 0.5  # of the height of the letters: a gap that is wider than what is between the letters of a word
NUMBERS = re.compile(r"(?<=\w)(?=\d)|(?<=\d)(?=\w)")  # the places where a missing space changes a number
LINE_END = re.compile(r"(?<=\S)\r?\n(?=\S)")
NOT_SHOWN = "\ufffe\x00"  # a hyphen at the end of a line; a letter without a meaning

Box = tuple[float, float, float, float]  # left, bottom, right, top


def text_of(page: Page) -> str:
    """The text of a page, its lines ended by \\n. What stands side by side in one line is separated by a space."""
    read = page.get_textpage()
    text, shown = read.get_text_range(), read.get_text_bounded()
    if len(text) != read.count_chars() or letters(text) != letters(shown):
        text = "".join(_characters(read, page.get_bbox()))
        return clean(text)
    return clean(_separated(read, text))


def letters(text: str) -> str:
    return "".join(text.split())


def clean(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(dict.fromkeys(map(ord, NOT_SHOWN)))


def _characters(read: PdfTextPage, bounds: Box) -> Iterator[str]:
    """The characters whose middle is on the page."""
    import pypdfium2.raw

    first = 0
    for place in range(read.count_chars()):
        code = pypdfium2.raw.FPDFText_GetUnicode(read, place)
        left, bottom, right, top = read.get_charbox(place, loose=True)
        inside = bounds[0] <= (left + right) / 2 <= bounds[2] and bounds[1] <= (bottom + top) / 2 <= bounds[3]
        if 0xD800 <= code < 0xDC00:
            first = code
        elif 0xDC00 <= code < 0xE000:
            yield chr(0x10000 + ((first - 0xD800) << 10) + code - 0xDC00) if first and inside else ""
        elif inside or chr(code).isspace():
            yield chr(code)


def _separated(read: PdfTextPage, text: str) -> str:
    """With a space where letters of a line stand apart, also instead of a line end."""
    changed = {found.start(): (found.end(), " ") for found in LINE_END.finditer(text) if _in_line(read, found)}
    changed |= {place: (place, " ") for found in NUMBERS.finditer(text) if _apart(read, place := found.start())}
    pieces, end = [], 0
    for start in sorted(changed):
        pieces += [text[end:start], changed[start][1]]
        end = changed[start][0]
    return "".join([*pieces, text[end:]])


def _in_line(read: PdfTextPage, line_end: re.Match[str]) -> bool:
    """Whether the letters around a line end stand side by side, the second to the right of the first."""
    one, other = box(read, line_end.start() - 1), box(read, line_end.end())
    shared = min(one[3], other[3]) - max(one[1], other[1])
    return other[0] > one[2] and shared > 0.7 * max(one[3] - one[1], other[3] - other[1])


def gaps(read: PdfTextPage, word: str, start: int) -> Iterator[int]:
    """The places within a word, which begins at `start`, where its characters stand apart."""
    for found in NUMBERS.finditer(word):
        if found.start() and _apart(read, start + found.start()):
            yield start + found.start()


def _apart(read: PdfTextPage, place: int) -> bool:
    """Whether a character and the one before it stand apart."""
    one, other = box(read, place - 1), box(read, place)
    size = max(one[3] - one[1], other[3] - other[1])
    aside, above = max(other[0] - one[2], one[0] - other[2]), max(other[1] - one[3], one[1] - other[3])
    return size > 0 and max(aside, above) > APART * size


def box(read: PdfTextPage, place: int) -> Box:
    left, bottom, right, top = read.get_charbox(place, loose=True)
    return left, bottom, right, top

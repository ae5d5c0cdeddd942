"""The layout of a page of a PDF, out of the places of its words: lines in the order of reading, paragraphs, headings and tables.

The order of the file is kept, which is that of its writer, but for columns that it mixes, and for lines that it has in no order.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from jobs.engine.formats.pdf_text import Box
from jobs.engine.formats.pdf_words import PlacedWord, PlacedWords

GAP = 1.0  # of the letters' height: words that are farther apart belong to different pieces of a line
LEADING = 1.5  # of the usual distance of two lines: more than that begins a paragraph
PROSE = 20  # characters in the middle piece of a column of running text
FEWEST = 6  # pieces of a column
STEP = 2.0  # points, in the search for the space between columns
TRIED = 40  # of such places
CROSSING = 0.15  # of the pieces: more than that across the space, and there are no columns
MIXED = 0.3  # of the steps from a piece to the next: more than that upwards or across, and the order is not kept
LARGER = 1.12  # of the size of the text: a heading
LONGEST_HEADING = 200  # characters
MOST_HEADINGS = 0.4  # of the letters of a page: beyond that, large letters are its text


@dataclass(frozen=True)
class RuledTable:
    """A table with lines around its cells: where it stands, and its rows of cells."""

    box: Box
    rows: Sequence[Sequence[Box | None]]


@dataclass(frozen=True)
class PdfBlock:
    """level: of a heading; 0 for a paragraph. rows: of a table, which has no lines."""

    lines: tuple[str, ...] = ()
    level: int = 0
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass
class _Piece:
    """Words side by side. column: None for one that stands across columns, or where there are none."""

    words: list[PlacedWord]
    box: Box
    size: float
    column: int | None = None

    @property
    def length(self) -> int:
        return sum(len(word.text) + 1 for word in self.words)

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)

    @property
    def middle(self) -> float:
        return (self.box[1] + self.box[3]) / 2


def blocks(words: PlacedWords, tables: Sequence[RuledTable], sizes: Sequence[float], body: float) -> list[PdfBlock]:
    """The page, in the order of reading. sizes: of the document's headings, the largest first. body: the size of its text."""
    filled, rest = _fill(words.words, tables)
    lines = _lines(_ordered(_pieces(rest), is_kept=not words.shuffled))
    large = sum(len(line.text) for line in lines if line.size >= LARGER * body)
    headings = sizes if large <= MOST_HEADINGS * max(1, sum(len(line.text) for line in lines)) else ()
    found = list(_paragraphs(lines, headings, body))
    for table, rows in filled:
        block = PdfBlock(rows=rows)
        found.insert(
            next((at for at, (_, box) in enumerate(found) if box[1] >= table.box[1]), len(found)), (block, table.box)
        )
    return [block for block, _ in found]


def heading_sizes(sizes: dict[float, int]) -> tuple[tuple[float, ...], float]:
    """The sizes of headings, the largest first, and the size of the text. sizes: how many letters a document has of each."""
    if not sizes:
        return (), 0.0
    body = max(sizes, key=lambda size: sizes[size])
    return tuple(sorted((size for size in sizes if size >= LARGER * body), reverse=True)), body


# Tables.


def _fill(
    words: Sequence[PlacedWord], tables: Sequence[RuledTable]
) -> tuple[list[tuple[RuledTable, tuple[tuple[str, ...], ...]]], list[PlacedWord]]:
    """Each table with the texts of its cells, and the words outside of them."""
    rest, filled = list(words), []
    for table in tables:
        inside = [word for word in rest if _holds(table.box, word)]
        rows, placed = _cells(table, inside)
        if len(placed) == len(inside) and _is_table(rows):
            filled.append((table, rows))
            rest = [word for word in rest if id(word) not in placed]
    return filled, rest


def _cells(table: RuledTable, words: list[PlacedWord]) -> tuple[tuple[tuple[str, ...], ...], set[int]]:
    """The texts of the cells, and which words are in them."""
    by_height = sorted((_middle(word), place) for place, word in enumerate(words))
    heights = [height for height, _ in by_height]
    rows, placed = [], set[int]()
    for row in table.rows:
        top = min((cell[1] for cell in row if cell), default=0.0)
        bottom = max((cell[3] for cell in row if cell), default=0.0)
        places = sorted(place for _, place in by_height[bisect_left(heights, top) : bisect_right(heights, bottom)])
        near = [words[place] for place in places]
        held = [[word for word in near if cell and _holds(cell, word)] for cell in row]
        placed |= {id(word) for found in held for word in found}
        rows.append(tuple(" ".join(word.text for word in found) for found in held))
    return tuple(rows), placed


def _middle(word: PlacedWord) -> float:
    return (word.box[1] + word.box[3]) / 2


def _is_table(rows: tuple[tuple[str, ...], ...]) -> bool:
    """Whether several rows and columns hold text: frames around pictures and paragraphs do not."""
    columns = {place for row in rows for place, text in enumerate(row) if text}
    return len(columns) > 1 and sum(any(row) for row in rows) > 1


def _holds(box: Box, word: PlacedWord) -> bool:
    across, down = (word.box[0] + word.box[2]) / 2, (word.box[1] + word.box[3]) / 2
    return box[0] <= across <= box[2] and box[1] <= down <= box[3]


# Order.


def _pieces(words: Sequence[PlacedWord]) -> list[_Piece]:
    pieces: list[_Piece] = []
    before: PlacedWord | None = None
    for word in words:
        if before is not None and word.line == before.line and _is_next(before, word):
            pieces[-1].words.append(word)
            pieces[-1].box = _joined(pieces[-1].box, word.box)
            pieces[-1].size = max(pieces[-1].size, word.size) if len(word.text) > 1 else pieces[-1].size
        else:
            pieces.append(_Piece([word], word.box, word.size))
        before = word
    return pieces


def _is_next(one: PlacedWord, other: PlacedWord) -> bool:
    """Whether a word stands close to the right of another."""
    return _side_by_side(one.box, other.box) and other.box[0] - one.box[2] < GAP * max(one.size, other.size)


def _side_by_side(one: Box, other: Box) -> bool:
    return min(one[3], other[3]) - max(one[1], other[1]) > 0.3 * min(one[3] - one[1], other[3] - other[1])


def _joined(one: Box, other: Box) -> Box:
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])


def _ordered(pieces: list[_Piece], is_kept: bool) -> list[_Piece]:
    """is_kept: whether the order of the file is worth keeping."""
    spaces = _spaces(pieces)
    for piece in pieces:
        crosses = any(piece.box[0] < space < piece.box[2] for space in spaces)
        piece.column = None if crosses or not spaces else sum(space <= piece.box[0] for space in spaces)
    steps = list(pairwise(pieces))
    if spaces:
        switches = sum(one.column != other.column for one, other in steps)
        bands = 2 + sum(piece.column is None for piece in pieces)
        mixed = not is_kept or switches > len(spaces) * bands + MIXED * len(steps) / 2
        return list(_by_bands(pieces)) if mixed else pieces
    upwards = sum(other.middle < one.box[1] for one, other in steps)
    if is_kept and upwards <= max(1, MIXED * len(steps)):
        return pieces
    return list(_by_rows(pieces))


def _by_rows(pieces: Sequence[_Piece]) -> Iterator[_Piece]:
    """Line by line, each from the left."""
    row: list[_Piece] = []
    for piece in sorted(pieces, key=lambda piece: piece.middle):
        if row and not _side_by_side(row[0].box, piece.box):
            yield from sorted(row, key=lambda one: one.box[0])
            row = []
        row.append(piece)
    yield from sorted(row, key=lambda one: one.box[0])


def _spaces(pieces: Sequence[_Piece]) -> list[float]:
    """Where the spaces between columns of running text are, from the left; none where the page has one column, or a table."""
    if len(pieces) < 2 * FEWEST or median(piece.length for piece in pieces) < PROSE:
        return []
    left, right = min(piece.box[0] for piece in pieces), max(piece.box[2] for piece in pieces)
    best: tuple[int, float] | None = None
    at = left + (right - left) * 0.2
    while at < left + (right - left) * 0.8:
        crossing = sum(piece.box[0] < at < piece.box[2] for piece in pieces)
        if crossing <= CROSSING * len(pieces) and (best is None or crossing < best[0]) and _divides(pieces, at):
            best = crossing, at
        at += STEP
    if best is None:
        return []
    sides = (
        [piece for piece in pieces if piece.box[2] <= best[1]],
        [piece for piece in pieces if piece.box[0] >= best[1]],
    )
    return [*_spaces(sides[0]), best[1], *_spaces(sides[1])]


def _divides(pieces: Sequence[_Piece], at: float) -> bool:
    """Whether running text stands on both sides, beside each other."""
    sides = [piece for piece in pieces if piece.box[2] <= at], [piece for piece in pieces if piece.box[0] >= at]
    if any(len(side) < FEWEST or median(piece.length for piece in side) < PROSE for side in sides):
        return False
    (top, bottom), (other_top, other_bottom) = (
        (min(piece.box[1] for piece in side), max(piece.box[3] for piece in side)) for side in sides
    )
    return min(bottom, other_bottom) - max(top, other_top) > 0.5 * min(bottom - top, other_bottom - other_top)


def _by_bands(pieces: Sequence[_Piece]) -> Iterator[_Piece]:
    """What stands across the columns divides the page into bands; in each, one column after the other."""
    across = sorted((piece for piece in pieces if piece.column is None), key=lambda piece: piece.middle)
    rest = [piece for piece in pieces if piece.column is not None]
    for border in [*across, None]:
        band = [piece for piece in rest if border is None or piece.middle < border.middle]
        rest = [piece for piece in rest if border is not None and piece.middle >= border.middle]
        yield from sorted(band, key=lambda piece: (piece.column, piece.middle, piece.box[0]))
        if border is not None:
            yield border


def _lines(pieces: Sequence[_Piece]) -> list[_Piece]:
    """The pieces, those of a column that follow each other to the right in one line joined."""
    lines: list[_Piece] = []
    for piece in pieces:
        last = lines[-1] if lines else None
        if (
            last
            and last.column == piece.column
            and last.box[2] < piece.box[0] + 1
            and _side_by_side(last.box, piece.box)
        ):
            lines[-1] = _Piece(
                [*last.words, *piece.words], _joined(last.box, piece.box), max(last.size, piece.size), piece.column
            )
        else:
            lines.append(piece)
    return lines


# Paragraphs and headings.


def _paragraphs(lines: Sequence[_Piece], headings: Sequence[float], body: float) -> Iterator[tuple[PdfBlock, Box]]:
    pitch = _pitch(lines)
    begun: list[_Piece] = []
    for line in lines:
        if begun and not _goes_on(begun[-1], line, pitch, headings):
            yield _block(begun, headings)
            begun = []
        begun.append(line)
    if begun:
        yield _block(begun, headings)


def _pitch(lines: Sequence[_Piece]) -> float:
    """The usual distance of two lines of a paragraph."""
    steps = [other.middle - one.middle for one, other in pairwise(lines) if other.middle > one.middle]
    return median(steps) if steps else 0.0


def _goes_on(one: _Piece, other: _Piece, pitch: float, headings: Sequence[float]) -> bool:
    step = other.middle - one.middle
    same = _level(one, headings) == _level(other, headings)
    return same and one.column == other.column and -one.size < step <= LEADING * max(pitch, one.size)


def _level(line: _Piece, headings: Sequence[float]) -> int:
    return next((min(place, 3) for place, size in enumerate(headings, 1) if abs(line.size - size) < 0.5), 0)


def _block(lines: Sequence[_Piece], headings: Sequence[float]) -> tuple[PdfBlock, Box]:
    texts, level = tuple(line.text for line in lines), _level(lines[0], headings)
    box = lines[0].box
    for line in lines[1:]:
        box = _joined(box, line.box)
    whole = " ".join(texts)
    if level and len(whole) <= LONGEST_HEADING and any(map(str.isalpha, whole)):
        return PdfBlock((whole,), level), box
    return PdfBlock(texts), box

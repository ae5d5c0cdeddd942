"""A PDF as Markdown: its pages as blocks (pdf_layout), headings by the size of their letters beside that of the document's text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from jobs.engine.formats import pdf_layout, pdf_tables, pdf_text, pdf_words
from jobs.engine.formats.pdf_layout import Block

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfPage

SAMPLED = 30  # pages whose letters are measured
_MARKS = re.compile(r"([\\`*_{}\[\]<>#|~$^])|^(\s*)([-+=]|\d+[.)])(?=\s|$)", re.M)


class Layout:
    """The layout of the pages of one document."""

    def __init__(self, document: PdfDocument):
        self._headings, self._body = pdf_layout.heading_sizes(_sizes(document))

    def blocks(self, page: PdfPage) -> list[Block]:
        groups = pdf_words.words_of(page)
        if groups is None:
            return [Block(tuple(pdf_text.text_of(page).split("\n")))]
        found: list[Block] = []
        for place, words in enumerate(groups):
            tables = [] if place else pdf_tables.tables(page, words.quarters)
            found += pdf_layout.blocks(words, tables, self._headings, self._body)
        return found


def _sizes(document: PdfDocument) -> Counter[float]:
    """How many letters there are of each size, on some pages."""
    import pypdfium2

    sizes: Counter[float] = Counter()
    for place in range(0, len(document), max(1, len(document) // SAMPLED)):
        try:
            page = document[place]
        except pypdfium2.PdfiumError:
            continue
        for words in pdf_words.words_of(page) or ():
            for word in words.words:
                sizes[word.size] += len(word.text)
        page.close()
    return sizes


def markdown(blocks: Iterable[Block], escaped: bool = False) -> str:
    """The blocks with a blank line between them. escaped: what looks like Markdown is marked as plain text."""
    return "\n\n".join(_written(block, _escaped if escaped else _as_it_is) for block in blocks)


def _as_it_is(text: str) -> str:
    return text


def _escaped(text: str) -> str:
    return _MARKS.sub(lambda found: f"\\{found[1]}" if found[1] else f"{found[2]}{_ordinal(found[3])}", text)


def _ordinal(mark: str) -> str:
    return f"{mark[:-1]}\\{mark[-1]}"


def _written(block: Block, clean: Callable[[str], str]) -> str:
    if block.rows:
        rows = [[clean(cell) if clean is _escaped else cell.replace("|", "\\|") for cell in row] for row in block.rows]
        wide = max(map(len, rows))
        lines = [f"| {' | '.join([*row, *[''] * (wide - len(row))])} |" for row in rows]
        return "\n".join([lines[0], f"|{'---|' * wide}", *lines[1:]])
    return f"{'#' * block.level} " * bool(block.level) + "\n".join(map(clean, block.lines))

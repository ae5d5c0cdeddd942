"""A PDF as Markdown: its pages as blocks (pdf_layout), headings by the size of their letters beside that of the document's text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from jobs.engine.formats import pdf_layout, pdf_tables, pdf_text, pdf_words
from jobs.engine.formats.pdf_layout import PdfBlock

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfPage

SAMPLED = 30  # pages whose letters are measured
_MARKS = re.compile(r"([\\`*_{}\[\]<>#|~$^])|^(\s*)([-+=]|\d+[.)])(?=\s|$)", re.M)


class PdfLayout:
    """The layout of the pages of one document."""

    def __init__(self, document: PdfDocument):
        self._headings, self._body = pdf_layout.heading_sizes(_sizes(document))

    def blocks(self, page: PdfPage) -> list[PdfBlock]:
        groups = pdf_words.words_of(page)
        if groups is None:
            return [PdfBlock(tuple(pdf_text.text_of(page).split("\n")))]
        found: list[PdfBlock] = []
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


def markdown(blocks: Iterable[PdfBlock]) -> str:
    """The blocks with a blank line between them, their lines as they are."""
    return "\n\n".join(_written(block, _cell, "\n".join) for block in blocks)


def strict_markdown(blocks: Iterable[PdfBlock]) -> str:
    """The same for programs that read Markdown: what only looks like it is marked as text, and a paragraph is one line."""
    return "\n\n".join(_written(block, _escaped, lambda lines: " ".join(map(_escaped, lines))) for block in blocks)


def plain(blocks: Iterable[PdfBlock]) -> str:
    """The text alone; the cells of tables with tabs between them."""
    return "\n\n".join("\n".join(["\t".join(row) for row in block.rows] or block.lines) for block in blocks)


def _written(block: PdfBlock, cell: Callable[[str], str], text: Callable[[Sequence[str]], str]) -> str:
    if not block.rows:
        return f"{'#' * block.level} " * bool(block.level) + text(block.lines)
    wide = max(map(len, block.rows))
    lines = [f"| {' | '.join([*map(cell, row), *[''] * (wide - len(row))])} |" for row in block.rows]
    return "\n".join([lines[0], f"|{'---|' * wide}", *lines[1:]])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _escaped(text: str) -> str:
    return _MARKS.sub(lambda found: f"\\{found[1]}" if found[1] else f"{found[2]}{found[3][:-1]}\\{found[3][-1]}", text)

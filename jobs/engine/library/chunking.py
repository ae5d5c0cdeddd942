"""Splits a text into passages: at headings first, then between paragraphs, then within them."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

LONGEST_WORD = 400  # characters; a longer one is split
# Scripts that write no blanks between words: Thai, Lao, Burmese, Khmer, kana, Han, and Hangul, where words are many syllables.
# A letter counts as a word, as most embedding models have it.
WITHOUT_BLANKS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3005\u3007\u3400-\u9fff\uf900-\ufaff\uac00-\ud7a3"
    "\U00020000-\U0003ffff"
)
SENTENCE_ENDS = ".!?…\u3002\uff01\uff1f"  # the last three are Chinese and Japanese

_HEADING = re.compile(r"(#{1,6})[ \t]+(\S.*)")
_FENCE = re.compile(r"\s{0,3}(```|~~~)")
_PARAGRAPHS = re.compile(r"\n[ \t]*\n|\f")
_WORD = re.compile(rf"[{WITHOUT_BLANKS}]|[^\s{WITHOUT_BLANKS}]{{1,{LONGEST_WORD}}}")


@dataclass(frozen=True)
class Chunk:
    """One passage: its position from 0, the headings above it, outermost first, and its text.

    title: of its document. more: other words that the document is to be found by. language: of its stems.
    """

    position: int
    headings: str
    text: str
    title: str = ""
    more: str = ""
    language: str | None = None

    @property
    def embedded(self) -> str:
        """The text to embed: with the title and the headings, without which a passage often makes no sense."""
        first = self.headings or self.text
        title = "" if first.casefold().startswith(self.title.casefold()) else self.title
        return "\n".join(filter(None, (title, self.headings, self.text, self.more)))


def chunks(text: str, size: int, overlap: int) -> Iterator[Chunk]:
    """Passages of at most `size` words; inside a section each begins with the last `overlap` words of the one before.

    A letter of a script without blanks counts as a word.
    """
    place = 0
    for section in _sections(text):
        for words in _runs(section.paragraphs(), size, overlap):
            yield Chunk(place, " > ".join(section.headings), words)
            place += 1


@dataclass
class _Section:
    headings: tuple[str, ...]
    lines: list[str] = field(default_factory=list)

    def paragraphs(self) -> Iterator[str]:
        return (part.strip() for part in _PARAGRAPHS.split("\n".join(self.lines)) if part.strip())


def _sections(text: str) -> Iterator[_Section]:
    """The text from one Markdown heading to the next."""
    path: dict[int, str] = {}
    section, in_code = _Section(()), False
    for line in text.split("\n"):
        in_code ^= _FENCE.match(line) is not None
        found = None if in_code else _HEADING.fullmatch(line.strip())
        if found is None:
            section.lines.append(line)
            continue
        yield section
        level = len(found[1])
        path = {above: name for above, name in path.items() if above < level} | {level: found[2].rstrip(" \t#")[:200]}
        section = _Section(tuple(path.values()))
    yield section


def _runs(paragraphs: Iterator[str], size: int, overlap: int) -> Iterator[str]:
    """As many paragraphs together as fit; a longer paragraph is split into runs of words."""
    held, count = "", 0
    for paragraph in paragraphs:
        words = sum(1 for _ in _WORD.finditer(paragraph))
        if count and count + words > size:
            yield held
            held, count = _tail(held, overlap, size - words)
        if words > size:
            *whole, (held, count) = _windows(paragraph, size, overlap)
            yield from (text for text, _ in whole)
        else:
            held, count = (f"{held}\n\n{paragraph}", count + words) if held else (paragraph, words)
    if held:
        yield held


def _tail(text: str, overlap: int, available: int) -> tuple[str, int]:
    """The last words of a passage, for the overlap with the next one: at most `overlap` and `available`."""
    starts = [word.start() for word in _WORD.finditer(text)]
    count = min(overlap, max(available, 0), len(starts) - 1)
    return (text[starts[-count] :], count) if count > 0 else ("", 0)


def _windows(text: str, size: int, overlap: int) -> Iterator[tuple[str, int]]:
    """Runs of at most `size` words, each with its word count. A run ends with a sentence if one ends in its second half."""
    starts, ends = array("Q"), array("Q")
    for word in _WORD.finditer(text):
        starts.append(word.start())
        ends.append(word.end())
    first = 0
    while True:
        last = min(first + size, len(starts)) - 1
        if last + 1 == len(starts):
            yield text[starts[first] : ends[last]], last + 1 - first
            return
        last = next((at for at in range(last, first + size // 2, -1) if text[ends[at] - 1] in SENTENCE_ENDS), last)
        yield text[starts[first] : ends[last]], last + 1 - first
        first = max(last + 1 - overlap, first + 1)

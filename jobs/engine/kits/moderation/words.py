"""Lists of words of one's own, which decide about a text before any score.

A phrase is found as whole words, in any case and Unicode form, and where it is disguised in one of these ways: digits or signs
for letters (`1d10t`, `a$$`), letters of another alphabet that look the same, letters apart (`i d i o t`, `i.d.i.o.t`),
repeated letters (`idiooot`) and characters that nobody sees. A phrase with other signs (`c++`, an emoji), or in a script without
spaces between words, is found as it is written.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from jobs.engine.kits.moderation.thresholds import OwnWord

MOST_WORDS = 5_000
LONGEST = 100  # characters of a phrase

_TOKEN = re.compile(r"[^\W_]+(?:[@$!|]+[^\W_]+)*[$!]*|[@$][^\W_]+(?:[@$!|]+[^\W_]+)*[$!]*")
_PLAIN = re.compile(r"[^\W_]+(?:[\s\-_'\u2019.,]+[^\W_]+)*")
_REPEATED = re.compile(r"(.)\1{2,}")
_APART = 3  # so many single letters in a row are read as a word
_SIGNS = {"0": "o", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "9": "g", "@": "a", "$": "s"}
_READINGS = [str.maketrans(_SIGNS | dict.fromkeys("1!|", letter)) for letter in "il"]
_LOOK_ALIKES = str.maketrans("аеорсухіјѕԁһѵкмтнгαοερτυικνχ", "aeopcyxijsdhvkmthraoeptuiknx")
_NO_SPACES = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")


class _Phrase(NamedTuple):
    words: tuple[str, ...]
    found: OwnWord


class WordLists:
    """The words that block a text, and those that send it to a person. Blocking comes first, then the order of the lists."""

    def __init__(self, block: Sequence[str], review: Sequence[str]):
        self._by_first: dict[str, list[_Phrase]] = {}
        self._as_written: list[tuple[re.Pattern[str], OwnWord]] = []
        for verdict, phrases in (("block", block), ("review", review)):
            for phrase in phrases:
                self._add(phrase, OwnWord(phrase.strip(), verdict))

    def find(self, text: str) -> OwnWord | None:
        """The first phrase of the lists that is in this text; one that blocks, if there is any."""
        if not self._by_first and not self._as_written:
            return None
        found: OwnWord | None = None
        for one in self._all(folded(text)):
            if one.verdict == "block":
                return one
            found = found or one
        return found

    def _add(self, phrase: str, found: OwnWord) -> None:
        plain = folded(phrase)
        if _PLAIN.fullmatch(plain) and not _NO_SPACES.search(plain):
            words = tuple(_words(plain))
            self._by_first.setdefault(words[0], []).append(_Phrase(words, found))
        elif plain:
            self._as_written.append((_pattern(plain), found))

    def _all(self, text: str) -> Iterator[OwnWord]:
        yield from (found for pattern, found in self._as_written if pattern.search(text))
        if self._by_first:
            readings = [_readings(word) for word in _words(text)]
            for at, first in enumerate(readings):
                for phrase in (phrase for word in first for phrase in self._by_first.get(word, ())):
                    if _follows(phrase.words, readings, at):
                        yield phrase.found


def error_in(phrases: Iterable[str]) -> str | None:
    """The first error in a list of words, as a sentence."""
    given = list(phrases)
    if len(given) > MOST_WORDS:
        return f"There are {len(given):,} words; the limit is {MOST_WORDS:,}."
    for line, phrase in enumerate(given, start=1):
        if len(phrase) > LONGEST:
            return f"Line {line} has {len(phrase):,} characters; the limit is {LONGEST}."
        if not folded(phrase):
            return f"Line {line} has no word."
    return None


def folded(text: str) -> str:
    """The text in one form: NFKC, case folded, without invisible characters and marks that belong to no letter."""
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    kept = (one for one in plain if unicodedata.category(one) != "Cf" and not "\u0300" <= one <= "\u036f")
    return " ".join("".join(kept).split())


def _words(text: str) -> list[str]:
    """The words of a folded text; letters that stand apart are one word."""
    words: list[str] = []
    apart: list[str] = []
    for token in [*_TOKEN.findall(text), ""]:
        if len(token) == 1:
            apart.append(token)
            continue
        words += ["".join(apart)] if len(apart) >= _APART else apart
        words += [token] if token else []
        apart = []
    return words


def _readings(word: str) -> set[str]:
    """What a word may stand for, with and without its disguises."""
    plain = word.strip("@$!|")
    found = {word, plain}
    if not word.isalpha() and not word.isdecimal():
        found |= {one.translate(reading) for one in (word, plain, word.rstrip("!")) for reading in _READINGS}
    if not word.isascii():
        found |= {one.translate(_LOOK_ALIKES) for one in found}
    if _REPEATED.search(word):
        found |= {_REPEATED.sub(again, one) for one in tuple(found) for again in (r"\1", r"\1\1")}
    return found


def _follows(words: tuple[str, ...], readings: Sequence[set[str]], at: int) -> bool:
    if at + len(words) > len(readings):
        return False
    return all(word in readings[at + place] for place, word in enumerate(words))


def _pattern(phrase: str) -> re.Pattern[str]:
    """The phrase as it is written, with a border where it begins or ends with a letter or digit of a script with spaces."""

    def border(end: str, mark: str) -> str:
        return mark if end.isalnum() and not _NO_SPACES.match(end) else ""

    return re.compile(border(phrase[0], r"(?<!\w)") + re.escape(phrase) + border(phrase[-1], r"(?!\w)"))

"""Which sentence of a passage an answer cites: the one that has most words of what the answer says there."""

from __future__ import annotations

import re
from typing import NamedTuple

_SENTENCE = re.compile(r"[^\n.!?]*(?:[.!?](?!\s|$)[^\n.!?]*)*[.!?]*")
_WORD = re.compile(r"\w+")
_LONG = 4  # letters of a word that says something, unless it is a number


class Cited(NamedTuple):
    """A passage in three parts, the second of which is cited; it is empty if no sentence shares a word with the answer."""

    before: str
    sentence: str
    after: str


def cited(passage: str, answer: str, number: int) -> Cited:
    """The passage with the sentence that the answer cites by [number]."""
    said = _words(" ".join(_claims(answer, number)))
    sentences = [found for found in _SENTENCE.finditer(passage) if found[0].strip()]
    best = max(sentences, key=lambda one: len(said & _words(one[0])), default=None)
    if best is None or not said & _words(best[0]):
        return Cited(passage, "", "")
    start = best.start() + len(best[0]) - len(best[0].lstrip())
    return Cited(passage[:start], passage[start : best.end()], passage[best.end() :])


def _claims(answer: str, number: int) -> list[str]:
    """What stands before each [number], from the end of the sentence, or the number, before."""
    pieces = re.split(rf"\[{number}\]", answer)[:-1]
    return [re.split(r"(?<=[.!?])\s+|\n|\[\d+\]", piece.strip())[-1] for piece in pieces]


def _words(text: str) -> set[str]:
    return {word for word in _WORD.findall(text.casefold()) if len(word) >= _LONG or any(map(str.isdigit, word))}

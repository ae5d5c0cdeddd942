"""Splits a text at the ends of sentences, because an average over a long text would hide a single sentence."""

from __future__ import annotations

import re

_PIECES = re.compile(r"[^.!?…\n]*[.!?…\n]*", re.S)


def cut(text: str, least: int, most: int) -> list[str]:
    """The text in passages of whole sentences of `least` to `most` characters; the last one may be shorter.

    A longer sentence is split.
    """
    passages, here = [], ""
    for piece in _PIECES.findall(text):
        if here and (len(here) >= least or len(here) + len(piece) > most):
            passages.append(here)
            here = ""
        here += piece
        while len(here) > most:
            passages.append(here[:most])
            here = here[most:]
    passages.append(here)
    return [passage.strip() for passage in passages if passage.strip()]

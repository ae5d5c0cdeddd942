"""Cuts a text where its sentences end, so that one sentence among many is not lost in their mean."""

from __future__ import annotations

import re

_PIECES = re.compile(r"[^.!?…\n]*[.!?…\n]*", re.S)


def cut(text: str, least: int, most: int) -> list[str]:
    """The text in passages of whole sentences: each of at least `least` characters where more follows, and of at most `most`.

    A longer sentence is cut.
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

"""A growing text and those who read it: what is handed over, what is left to be read, and nothing twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from uuid import uuid4

from jobs.engine.chat.live_text import LiveText, TextPiece

LONG = 60.0  # seconds, that pass only where a test fails


def live() -> LiveText:
    return LiveText(uuid4(), 1, "before ")


class _Watcher(threading.Thread):
    """A reader that takes pieces as they are handed to it, until it has so many."""

    def __init__(self, live: LiveText, most: int, seconds: float | None = LONG) -> None:
        super().__init__(daemon=True)
        self.taken: list[TextPiece] = []
        self._live, self._most, self._seconds = live, most, seconds
        self._from = live.length

    def run(self) -> None:
        self._live.watch(self._from, self._take, self._seconds)

    def _take(self, piece: TextPiece) -> bool:
        self.taken.append(piece)
        return len(self.taken) < self._most


def watched(live: LiveText, most: int = 10**6, seconds: float | None = LONG) -> _Watcher:
    watcher = _Watcher(live, most, seconds)
    watcher.start()
    while not live._sleeping:
        pass
    return watcher


def test_pieces_are_handed_over_in_order() -> None:
    text = live()
    watcher = watched(text)
    for word in ("one ", "two ", "three "):
        text.add(word, 2)
    assert watcher.is_alive()
    assert watcher.taken == [TextPiece(7, "one ", 2), TextPiece(11, "two ", 4), TextPiece(15, "three ", 6)]
    text.end()
    watcher.join(LONG)
    assert not watcher.is_alive()


def test_who_takes_no_more_is_woken_and_reads_the_rest() -> None:
    text = live()
    watcher = watched(text, most=2)
    for word in ("one ", "two ", "three ", "four "):
        text.add(word)
    watcher.join(LONG)
    assert [piece.text for piece in watcher.taken] == ["one ", "two "]
    assert text.after(15) == "three four "


def test_a_piece_is_made_once_for_all_who_take_it() -> None:
    text = live()
    first, second = watched(text), _Watcher(text, 10)
    second.start()
    while len(text._sleeping) < 2:
        pass
    text.add("one ")
    text.end()
    assert first.taken[0] is second.taken[0]


def ends(live: LiveText, how: Callable[[], None], seconds: float | None = LONG) -> None:
    """A watcher wakes, and is handed nothing any more."""
    watcher = watched(live, seconds=seconds)
    how()
    watcher.join(LONG)
    assert not watcher.is_alive()
    live.add("later ")
    assert watcher.taken == []


def test_a_nudge_and_a_limit_end_the_watch() -> None:
    text = live()
    ends(text, text.nudge)
    ends(text, lambda: None, seconds=0.05)


def test_what_is_there_already_is_not_waited_for() -> None:
    text = live()
    handed: list[TextPiece] = []
    text.watch(0, lambda piece: not handed.append(piece), None)
    text.end()
    text.watch(text.length, lambda piece: not handed.append(piece), None)
    assert handed == []

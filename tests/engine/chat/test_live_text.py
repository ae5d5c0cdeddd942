"""A growing text and its readers: each gets all of it, once, and none sleeps past the end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from jobs.engine.chat.live_text import LiveText

LONG = 60.0  # seconds, that pass only where a test fails


@pytest.fixture
def live() -> LiveText:
    return LiveText(uuid4(), 1, "before ")


def read(live: LiveText, offset: int) -> str:
    """All that follows this offset, to the end, as a reader gets it piece by piece."""
    whole = ""
    while not live.ended or live.length > offset + len(whole):
        whole += live.wait(offset + len(whole), LONG)
    return whole


def test_readers_get_all_from_where_they_begin(live: LiveText) -> None:
    words = [f"größer {number} 🙂 " for number in range(300)]
    with ThreadPoolExecutor(4) as readers:
        found = [readers.submit(read, live, offset) for offset in (0, 3, 7, 9)]
        for word in words:
            live.add(word, 2)
        live.end()
        whole = "before " + "".join(words)
        assert [one.result(LONG) for one in found] == [whole[offset:] for offset in (0, 3, 7, 9)]
    assert live.tokens == 600


@pytest.mark.parametrize("wake", [LiveText.nudge, LiveText.end])
def test_a_sleeping_reader_is_woken(live: LiveText, wake: Callable[[LiveText], None]) -> None:
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append(live.wait(live.length)), daemon=True)
    reader.start()
    while not live._sleeping:
        pass
    wake(live)
    reader.join(LONG)
    assert got == [""]


def test_a_reader_waits_no_longer_than_it_wants(live: LiveText) -> None:
    assert live.wait(live.length, 0.01) == ""
    assert not live.reaches(live.length + 1, 0.01)
    live.add("more")  # wakes nobody, and breaks nothing
    assert live.wait(7) == "more" and live.reaches(11, 0)


def test_a_piece_is_taken_as_far_as_it_is_new(live: LiveText) -> None:
    assert live.extend(3, "ore and") and live.after(0) == "before and"
    assert live.extend(0, "before") and live.length == 10
    assert not live.extend(11, "later") and live.after(0) == "before and"

"""How long a body is waited for, by its size, and how many at a time; with a clock that the stream moves on."""

from __future__ import annotations

import io
from contextlib import nullcontext

import pytest
from werkzeug.exceptions import RequestTimeout

from webapp.http import request_body
from webapp.http.request_body import STEP, TimedBody


class Stream:
    """A body that comes at a steady speed, in bytes a second, by its own clock."""

    def __init__(self, length: int, speed: float) -> None:
        self._missing, self._speed = length, speed
        self.seconds = 0.0

    def read(self, size: int) -> bytes:
        came = min(size, self._missing)
        self._missing -= came
        self.seconds += came / self._speed
        return b"x" * came


def received(monkeypatch: pytest.MonkeyPatch, length: int, speed: float) -> tuple[int, float]:
    """How much of the body was read, and how long that took."""
    stream = Stream(length, speed)
    monkeypatch.setattr(request_body.time, "monotonic", lambda: stream.seconds)
    body, came = io.BufferedReader(TimedBody(stream, length, lambda: nullcontext(True)), STEP), 0
    try:
        while part := body.read(STEP):
            came += len(part)
    except RequestTimeout:
        pass
    return came, stream.seconds


def test_a_large_body_may_take_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    assert received(monkeypatch, 200_000_000, 25_000) == (200_000_000, pytest.approx(8_000))


@pytest.mark.parametrize("length", [1_900_000, 200_000_000])
def test_one_below_the_least_speed_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, length: int) -> None:
    came, seconds = received(monkeypatch, length, 5_500)
    assert came < length
    assert seconds < 60

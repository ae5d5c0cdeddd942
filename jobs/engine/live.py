"""The text of one answer as this process knows it, for any number of readers."""

from __future__ import annotations

from bisect import bisect_right
from threading import Condition
from uuid import UUID


class Live:
    """Text that only grows, from one writer: the thread that asks the provider, or one that follows another process.

    Offsets are in characters (code points) of the whole answer.
    """

    def __init__(self, answer_id: UUID, run: int, text: str) -> None:
        self.answer_id = answer_id
        self.run = run
        self.base = len(text)  # what earlier runs had written
        self.length = 0
        self.tokens = 0  # of this run, as far as known
        self.ended = False
        self.readers = 0
        self._pieces: list[str] = []
        self._starts: list[int] = []
        self._changed = Condition()
        if text:
            self.add(text)

    def add(self, text: str, tokens: int = 0) -> None:
        with self._changed:
            self._pieces.append(text)
            self._starts.append(self.length)
            self.length += len(text)
            self.tokens += tokens
            self._changed.notify_all()

    def extend(self, at: int, text: str) -> bool:
        """Take a piece that begins at this offset, as far as it is new; False if something before it is missing."""
        if at > self.length:
            return False
        if at + len(text) > self.length:
            self.add(text[self.length - at :])
        return True

    def end(self) -> None:
        """Nothing follows."""
        with self._changed:
            self.ended = True
            self._changed.notify_all()

    def after(self, offset: int) -> str:
        """The text from this offset on."""
        if offset >= self.length:
            return ""
        first = bisect_right(self._starts, offset) - 1
        return "".join(self._pieces[first:])[offset - self._starts[first] :]

    def wait(self, offset: int, seconds: float) -> str:
        """The text from this offset on, waited for; empty after so many seconds, and at the end."""
        with self._changed:
            if self.length <= offset and not self.ended:
                self._changed.wait(seconds)
        return self.after(offset)

    def reaches(self, offset: int, seconds: float) -> bool:
        """Whether the text is that long, or gets so within these seconds."""
        with self._changed:
            return (
                self._changed.wait_for(lambda: self.length >= offset or self.ended, seconds) and self.length >= offset
            )

"""The text of one answer as this process knows it, for any number of readers."""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from uuid import UUID


class LiveText:
    """Text that only grows, from one writer: the thread that asks the provider, or one that follows another process.

    Offsets are in characters (code points) of the whole answer. The writer takes no lock, and wakes each reader by a lock
    of that reader's own: a condition variable takes twice as long, for each token and each reader.
    """

    def __init__(self, answer_id: UUID, run: int, text: str) -> None:
        self.answer_id = answer_id
        self.run = run
        self.base = len(text)  # what earlier runs had written
        self.length = 0
        self.tokens = 0  # of this run, as far as known
        self.reasoned = 0  # characters that the model has thought, where its answer is written in this process
        self.ended = False
        self.readers = 0
        self._pieces: list[str] = []
        self._starts: list[int] = []
        self._sleeping: list[threading.Lock] = []
        if text:
            self.add(text)

    def add(self, text: str, tokens: int = 0) -> None:
        at = self.length
        self._pieces.append(text)
        self._starts.append(at)
        self.tokens += tokens
        self.length = at + len(text)  # last: a reader that sees it finds the rest
        if self._sleeping:
            self.nudge()

    def extend(self, at: int, text: str) -> bool:
        """Take a piece that begins at this offset, as far as it is new; False if something before it is missing."""
        if at > self.length:
            return False
        if at + len(text) > self.length:
            self.add(text[self.length - at :])
        return True

    def end(self) -> None:
        """Nothing follows."""
        self.ended = True
        self.nudge()

    def after(self, offset: int) -> str:
        """The text from this offset on."""
        if offset >= self.length:
            return ""
        first = bisect_right(self._starts, offset) - 1
        return "".join(self._pieces[first:])[offset - self._starts[first] :]

    def nudge(self) -> None:
        """Wake all readers, also where there is nothing new: those that wait without a limit look after their own then."""
        sleeping, self._sleeping = self._sleeping, []
        for lock in sleeping:
            lock.release()

    def wait(self, offset: int, seconds: float | None = None) -> str:
        """The text from this offset on, waited for; empty after so many seconds, at a nudge, and at the end."""
        if self.length <= offset and not self.ended:
            self._sleep(offset, seconds)
        return self.after(offset)

    def reaches(self, offset: int, seconds: float) -> bool:
        """Whether the text is that long, or gets so within these seconds."""
        ends = time.monotonic() + seconds
        while self.length < offset and not self.ended and (left := ends - time.monotonic()) > 0:
            self._sleep(self.length, left)
        return self.length >= offset

    def _sleep(self, offset: int, seconds: float | None) -> None:
        lock = threading.Lock()
        lock.acquire()
        self._sleeping.append(lock)
        if self.length <= offset and not self.ended:  # what came before the line above wakes nobody
            lock.acquire(timeout=-1 if seconds is None else seconds)

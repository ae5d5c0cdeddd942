"""Threads that stay for the next work when theirs is done: to start one takes a quarter of a millisecond, and to end it too."""

from __future__ import annotations

import os
from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Thread

Work = Callable[[], None]

_idle: list[ReusableThread] = []


class ReusableThread:
    """A thread of this process, and what is given to it."""

    def __init__(self) -> None:
        self._given: SimpleQueue[tuple[Work, Lock]] = SimpleQueue()
        Thread(target=self._go_on, name="hand", daemon=True).start()

    def take(self, work: Work, over: Lock) -> None:
        self._given.put((work, over))

    def _go_on(self) -> None:
        while True:
            work, over = self._given.get()
            try:
                work()
            finally:
                _idle.append(self)
                over.release()
                del work, over


def submit(work: Work) -> Lock:
    """Have work done beside the caller's. What is returned can be acquired when it is over; the work must not raise."""
    over = Lock()
    over.acquire()
    hand = _idle.pop() if _idle else ReusableThread()
    hand.take(work, over)
    return over


def ready() -> None:
    """Have a hand: before it is looked how many threads there are."""
    submit(lambda: None).acquire()


os.register_at_fork(after_in_child=_idle.clear)  # a child has the list, and none of the threads

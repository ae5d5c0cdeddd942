"""How many child processes a program may have at once that many people use: some in all, and a share of them for an owner.

A web process calls `limit_children` once, and `act_for` for each request. Elsewhere, in workers, nothing is limited.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from jobs.engine.errors import TooMany

PLACES = 6  # child processes of a web process
SHARE = 3  # of one owner
WAIT_SECONDS = 20.0
BUSY = "Too many files or forms are being worked on for you, or for others, at this moment. Try again in a minute."

_owner: ContextVar[str] = ContextVar("owner", default="")
_limit: ChildLimit | None = None


class ChildLimit:
    """`places` in all, of which one owner takes `share` at most; each waits for at most so many seconds."""

    def __init__(self, places: int, share: int, seconds: float, busy: str = BUSY):
        self.places, self.share, self.seconds = places, share, seconds
        self._busy = busy
        self._changed = threading.Condition()
        self._taken: Counter[str] = Counter()  # by owner

    @contextmanager
    def place(self, owner: str) -> Iterator[None]:
        """Raises TooMany where there is none in time."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._is_free(owner), self.seconds):
                raise TooMany(self._busy, reason="busy")
            self._taken[owner] += 1
        try:
            yield
        finally:
            with self._changed:
                self._taken[owner] -= 1
                self._taken += Counter()  # drops owners that have none
                self._changed.notify_all()

    def _is_free(self, owner: str) -> bool:
        return self._taken.total() < self.places and self._taken[owner] < self.share


def limit_children() -> None:
    """Limit the children of this process from now on."""
    global _limit
    _limit = ChildLimit(PLACES, SHARE, WAIT_SECONDS)


def act_for(owner: str) -> None:
    """Whose the children are that this greenlet, thread or task starts from now on; "" for somebody who has not signed in."""
    _owner.set(owner)


@contextmanager
def place() -> Iterator[None]:
    """A place for one child. Raises TooMany where there is none in time."""
    if _limit is None:
        yield
        return
    with _limit.place(_owner.get()):
        yield

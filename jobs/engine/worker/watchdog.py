"""A second pair of eyes on a worker that beats: it kills the child in time where the worker itself is stuck.

A host that is cut off gets no refusal, only silence: its worker may wait in a dead connection, or for a name server, for
longer than its lease lasts. The watch is a thread of the parent, from the first time that it asks to the end of the job.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LOOK_SECONDS = 0.2  # between looks once a beat is overdue


class Watchdog:
    """`risk`: seconds without a beat after which `kill` is called, at once if the worker is asking for something then."""

    def __init__(self, risk: float, kill: Callable[[], None]):
        self.risk = risk
        self._kill = kill
        self._asking = False
        self._last = 0.0
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def beaten(self, at: float) -> None:
        """The lease holds from this moment on, by the monotonic clock."""
        self._last = at

    @property
    def overdue(self) -> bool:
        return time.monotonic() - self._last > self.risk

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Around whatever may get no answer. A worker that was only slow may beat late: nobody else has its job yet."""
        self._asking = True
        if self._thread is None:
            self._thread = threading.Thread(target=self._look_on, name="watch", daemon=True)
            self._thread.start()
        try:
            yield
        finally:
            self._asking = False

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Around a job; no thread is left for the next fork."""
        self._over.clear()
        try:
            yield
        finally:
            self._over.set()
            if self._thread is not None:
                self._thread.join()
            self._thread = None

    def _look_on(self) -> None:
        while not self._over.wait(max(LOOK_SECONDS, self._last + self.risk - time.monotonic())):
            if self._asking and self.overdue:
                self._kill()
                return

"""A pool in which whoever has waited longest gets the next connection.

SQLAlchemy's own queue wakes the one who waits, and whoever comes by meanwhile takes the connection from under them. Of many
who poll without rest a few then wait until they are given up, while the database answers all the others. It also closes what
goes beyond its size as soon as it comes back, and opens as much again at once: a process of Postgres for each statement.
"""

from __future__ import annotations

import math
import time
from collections import deque
from threading import Lock, RLock
from typing import Any

from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry, Pool

MORE_AFTER = 0.05  # seconds in which none came back: those that are there are held for long, by downloads say
MORE_UNTIL = 1.0  # seconds; who has waited longer opens none: making one takes time too


class Waiter:
    """A place in the queue. `told` is let go of once `entry` is there, or never will be."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.entry: ConnectionPoolEntry | None = None
        self.told = Lock()
        self.told.acquire()


class FairPool(Pool):
    """Keeps `pool_size` connections, and has `max_overflow` more while those are held for long.

    timeout: seconds in which none comes back in order, after which PoolTimeout is raised. While they come back, everybody is
    served in turn, however long the queue is: a database that is busy is not one that is away.
    """

    def __init__(
        self, creator: Any, pool_size: int = 10, max_overflow: int = 20, timeout: float = 3.0, **options: Any
    ) -> None:
        super().__init__(creator, **options)
        self._size, self._most, self._timeout = pool_size, pool_size + max_overflow, timeout
        self._lock = RLock()  # a connection that was forgotten comes back wherever garbage is collected, here too
        self._idle: list[ConnectionPoolEntry] = []  # empty while anybody waits
        self._waiting: deque[Waiter] = deque()
        self._open = 0  # idle, in use or being made
        self._came_back = -math.inf  # when one did last, in order
        self._opened_more = -math.inf

    def _do_get(self) -> ConnectionPoolEntry:
        with self._lock:
            if self._idle:
                return self._idle.pop()
            if self._open < self._size:
                turn = None
                self._open += 1
            else:
                turn = Waiter()
                self._waiting.append(turn)
        return self._awaited(turn) if turn else self._made()

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        with self._lock:
            self._note(record)
            if self._waiting:
                turn = self._waiting.popleft()
                turn.entry = record
                turn.told.release()
                return
            if self._open <= self._size:
                self._idle.append(record)
                return
            self._open -= 1
        record.close()

    def _note(self, record: ConnectionPoolEntry) -> None:
        if record.dbapi_connection is not None:
            self._came_back = time.monotonic()
        elif self._is_silent():
            self._refuse_all()

    def _awaited(self, turn: Waiter) -> ConnectionPoolEntry:
        """What comes back for this turn, or one more where those that are there are held for long. Raises PoolTimeout."""
        try:
            while not turn.told.acquire(timeout=self._patience(turn)):
                with self._lock:
                    if turn not in self._waiting:
                        break  # it was told at this very moment
                    if time.monotonic() >= self._over_at(turn):
                        self._waiting.remove(turn)
                        break
                    if time.monotonic() >= self._more_at(turn):
                        self._waiting.remove(turn)
                        self._open += 1
                        self._opened_more = time.monotonic()
                        return self._made()
        except BaseException:  # a greenlet can be ended while it waits
            self._leave(turn)
            raise
        if turn.entry is None:
            raise PoolTimeout(f"The database does not answer: {self.status()}.")
        return turn.entry

    def _patience(self, turn: Waiter) -> float:
        """Seconds until a look at the queue can change anything for this turn."""
        return max(min(self._over_at(turn), self._more_at(turn)) - time.monotonic(), 0.001)

    def _over_at(self, turn: Waiter) -> float:
        return max(turn.began, self._came_back) + self._timeout

    def _more_at(self, turn: Waiter) -> float:
        """From when on this turn may make one more, one after the other: a burst alone is over before."""
        at = max(turn.began, self._came_back, self._opened_more) + MORE_AFTER
        return at if self._open < self._most and at < turn.began + MORE_UNTIL else math.inf

    def _made(self) -> ConnectionPoolEntry:
        """A new connection, which is counted already."""
        try:
            return self._create_connection()
        except BaseException:
            with self._lock:
                self._open -= 1
                if self._is_silent() or not self._open:
                    self._refuse_all()
            raise

    def _leave(self, turn: Waiter) -> None:
        with self._lock:
            if turn in self._waiting:
                self._waiting.remove(turn)
        if turn.entry is not None:
            self._do_return_conn(turn.entry)

    def _is_silent(self) -> bool:
        return time.monotonic() - self._came_back >= self._timeout

    def _refuse_all(self) -> None:
        """The database is away. Nobody is to wait twice: for a turn, and then for an attempt of their own."""
        while self._waiting:
            self._waiting.popleft().told.release()

    def recreate(self) -> FairPool:
        return FairPool(
            self._creator,
            self._size,
            self._most - self._size,
            self._timeout,
            recycle=self._recycle,
            echo=self.echo,
            logging_name=self._orig_logging_name,
            reset_on_return=self._reset_on_return,
            pre_ping=self._pre_ping,
            _dispatch=self.dispatch,
            dialect=self._dialect,
        )

    def dispose(self) -> None:
        """Closes the idle ones. Those in use come back to this pool, which nobody asks any more."""
        with self._lock:
            idle, self._idle = self._idle, []
            self._open -= len(idle)
        for record in idle:
            record.close()

    def checkedout(self) -> int:
        """How many are in use, or being made."""
        with self._lock:
            return self._open - len(self._idle)

    def status(self) -> str:
        return f"{self._open} connections, {len(self._idle)} idle, {len(self._waiting)} waiting"

"""A connection pool that serves waiters in order, first in, first out.

SQLAlchemy's pool lets a newcomer take the connection that a waiter was woken for; under load some waiters starve until they time
out. It also closes overflow connections at once and opens others for the next statements, each a process of Postgres.
psycopg_pool is in order, but its timeout counts for each waiter: of 1,200 queries of 0.3 s by 400 clients it refused 300, this
pool none (docs/decisions/0011).
"""

from __future__ import annotations

import math
import random
import time
from collections import deque
from threading import Lock, RLock
from typing import Any

from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry, Pool

from jobs.engine.db import failures

FULL_SECONDS = (
    20.0  # that one waits at most where the server gives no more connections: less than routers wait for an answer
)
FULL_PAUSE = 0.2  # between tries then, and up to twice as long
MORE_AFTER = 0.05  # seconds without a returned connection, after which an overflow connection is opened
MORE_UNTIL = 1.0  # seconds; a waiter that has waited longer opens none, because that takes time too


class Waiter:
    """A place in the queue. `decided` is released once `entry` is set, or never will be."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.entry: ConnectionPoolEntry | None = None
        self.decided = Lock()
        self.decided.acquire()


class FairPool(Pool):
    """Keeps `pool_size` connections, and opens up to `max_overflow` more while those are held for long, by downloads say.

    timeout: seconds without a connection returned in order, after which PoolTimeout is raised. As long as connections are
    returned every waiter is served in turn, however long the queue is: the database is busy then, not away.
    A server that has as many connections as it allows makes those who ask wait, up to FULL_SECONDS, for one that is returned here
    or given up elsewhere.
    """

    def __init__(
        self, creator: Any, pool_size: int = 10, max_overflow: int = 20, timeout: float = 3.0, **options: Any
    ) -> None:
        super().__init__(creator, **options)
        self._size, self._most, self._timeout = pool_size, pool_size + max_overflow, timeout
        self._lock = RLock()  # reentrant: garbage collection may return a forgotten connection at any point, here too
        self._idle: list[ConnectionPoolEntry] = []  # empty while there are waiters
        self._waiting: deque[Waiter] = deque()
        self._open = 0  # idle, in use or being opened
        self._came_back = -math.inf  # when a connection was last returned in order
        self._opened_more = -math.inf
        self._full_at = -math.inf  # when the server last had no connection to give

    @property
    def most(self) -> int:
        return self._most

    def limit(self, pool_size: int, most: int) -> None:
        """Keep so many connections and open no more than `most`, from now on."""
        with self._lock:
            self._size, self._most = min(pool_size, most), most

    def _do_get(self) -> ConnectionPoolEntry:
        with self._lock:
            if self._idle:
                return self._idle.pop()
            if self._open < max(self._size, 1):
                turn = None
                self._open += 1
            else:
                turn = Waiter()
                self._waiting.append(turn)
        return self._connected(self._awaited(turn)) if turn else self._made()

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        with self._lock:
            self._note(record)
            if self._waiting:
                turn = self._waiting.popleft()
                turn.entry = record
                turn.decided.release()
                return
            if self._open <= self._size and record.dbapi_connection is not None:
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
        """The connection that is returned for this waiter, or an overflow connection. Raises PoolTimeout."""
        opens = False
        try:
            while not turn.decided.acquire(timeout=self._patience(turn)):
                with self._lock:
                    if turn not in self._waiting:
                        break  # it was decided at this very moment
                    if time.monotonic() >= self._over_at(turn):
                        self._waiting.remove(turn)
                        break
                    if time.monotonic() >= self._more_at(turn):
                        self._waiting.remove(turn)
                        self._open += 1
                        self._opened_more = time.monotonic()
                        opens = True
                        break
        except BaseException:  # a greenlet can be ended while it waits
            self._leave(turn)
            raise
        if opens:
            return self._made()  # without the lock: it may take a while
        if turn.entry is None:
            raise PoolTimeout(f"The database does not answer: {self.status()}.")
        return turn.entry

    def _connected(self, record: ConnectionPoolEntry) -> ConnectionPoolEntry:
        """The record, or another in its place if it has lost its connection: a new one may have to be waited for."""
        return record if record.dbapi_connection is not None else self._made()

    def _patience(self, turn: Waiter) -> float:
        """Seconds until this waiter times out or may open a connection."""
        return max(min(self._over_at(turn), self._more_at(turn)) - time.monotonic(), 0.001)

    def _over_at(self, turn: Waiter) -> float:
        patience = FULL_SECONDS if self._is_full() else self._timeout
        return max(turn.began, self._came_back) + patience

    def _more_at(self, turn: Waiter) -> float:
        """When this waiter may open an overflow connection: one after the other, and not for a short burst."""
        at = max(turn.began, self._came_back, self._opened_more) + MORE_AFTER
        may = self._open < self._most and not self._is_full()
        return at if may and at < turn.began + MORE_UNTIL else math.inf

    def _made(self) -> ConnectionPoolEntry:
        """A new connection, which `_open` has already; or one that is returned while the server gives none."""
        over = time.monotonic() + FULL_SECONDS
        while True:
            try:
                return self._create_connection()
            except BaseException as error:
                full = failures.is_full(error) and time.monotonic() < over
                self._note_failure(full)
                if not full:
                    raise
            if (returned := self._returned_meanwhile()) is not None:
                return returned

    def _note_failure(self, full: bool) -> None:
        with self._lock:
            self._open -= 1
            if full:
                self._full_at = time.monotonic()
            elif self._is_silent() or not self._open:
                self._refuse_all()

    def _returned_meanwhile(self) -> ConnectionPoolEntry | None:
        """A connection that is returned within a moment, before others that wait; None: `_open` has one to be tried again."""
        turn = Waiter()
        with self._lock:
            if self._idle:
                return self._idle.pop()
            self._waiting.appendleft(turn)
        try:
            turn.decided.acquire(timeout=FULL_PAUSE * random.uniform(1, 2))  # noqa: S311 (jitter)
        except BaseException:
            self._leave(turn)
            raise
        with self._lock:
            if turn in self._waiting:
                self._waiting.remove(turn)
            if turn.entry is None:
                self._open += 1
            elif turn.entry.dbapi_connection is None:
                return None
        return turn.entry

    def _leave(self, turn: Waiter) -> None:
        with self._lock:
            if turn in self._waiting:
                self._waiting.remove(turn)
        if turn.entry is not None:
            self._do_return_conn(turn.entry)

    def _is_full(self) -> bool:
        return time.monotonic() - self._full_at < 3 * FULL_PAUSE

    def _is_silent(self) -> bool:
        return time.monotonic() - self._came_back >= self._timeout

    def _refuse_all(self) -> None:
        """The database is away: fail all waiters now, instead of letting each wait for its turn and then for a connection."""
        while self._waiting:
            self._waiting.popleft().decided.release()

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
        """Close the idle connections. Those in use are still returned to this pool, which is no longer used."""
        with self._lock:
            idle, self._idle = self._idle, []
            self._open -= len(idle)
        for record in idle:
            record.close()

    def checkedout(self) -> int:
        """How many are in use, or being opened."""
        with self._lock:
            return self._open - len(self._idle)

    def status(self) -> str:
        return f"{self._open} connections, {len(self._idle)} idle, {len(self._waiting)} waiting"

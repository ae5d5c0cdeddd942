"""Connections in turn: many at once each get theirs, none is made without need, and a database that is away is told of soon."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import TimeoutError as PoolTimeout

from jobs.engine.db import pool, postgres
from jobs.engine.db.pool import FairPool
from jobs.engine.errors import DatabaseUnavailable

FOREVER = 60.0


class Connection:
    """As much of a driver's connection as a pool knows of."""

    def rollback(self) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(64) as executor:
        yield executor


def waiting(connections: FairPool, count: int) -> None:
    """Until that many wait for a connection."""
    until(lambda: connections.status().endswith(f" {count} waiting"))


def until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + FOREVER
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.001)


@pytest.mark.slow
def test_each_of_many_pollers_is_answered(environment: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLAlchemy's own pool gives some of them up after a while, and opens some thousand connections meanwhile."""
    monkeypatch.setattr(pool, "MORE_AFTER", FOREVER)
    engine = postgres.connect(poolclass=FairPool, pool_size=2, max_overflow=20, pool_timeout=1)
    made, answered = Counter[str](), Counter[str]()
    event.listen(engine, "connect", lambda *_: made.update(["connection"]))

    def poll(_: int) -> None:
        for _ in range(40):
            try:
                with postgres.database_errors(), engine.connect() as connection:
                    answered[f"answer {connection.scalar(text('select 1'))}"] += 1
            except DatabaseUnavailable:
                answered["away"] += 1

    with ThreadPoolExecutor(64) as executor:
        list(executor.map(poll, range(64)))
    engine.dispose()
    assert answered == {"answer 1": 64 * 40}
    assert made["connection"] == 2


def test_who_waits_comes_before_who_asks_again(threads: ThreadPoolExecutor) -> None:
    connections = FairPool(Connection, pool_size=1, max_overflow=0, timeout=FOREVER)
    order: list[str] = []

    def take(name: str, times: int) -> None:
        for _ in range(times):
            held = connections.connect()
            order.append(name)
            held.close()

    first = connections.connect()
    asked = []
    for number, name in enumerate("abc", start=1):
        asked.append(threads.submit(take, name, 2))
        waiting(connections, number)
    first.close()
    for one in asked:
        one.result(FOREVER)
    assert order == [*"abc", *"abc"]


def test_one_more_is_made_only_where_those_there_are_held(threads: ThreadPoolExecutor) -> None:
    made: list[Connection] = []
    connections = FairPool(lambda: made.append(Connection()) or made[-1], pool_size=2, max_overflow=1, timeout=FOREVER)
    held = [connections.connect(), connections.connect()]
    more = threads.submit(connections.connect).result(FOREVER)
    assert len(made) == 3
    last = threads.submit(connections.connect)
    waiting(connections, 1)
    more.close()
    assert last.result(FOREVER).dbapi_connection is made[2]
    assert connections.checkedout() == 3
    for one in (*held, last.result()):
        one.close()
    assert connections.status() == "2 connections, 2 idle, 0 waiting"


def test_held_for_too_long_is_away(threads: ThreadPoolExecutor) -> None:
    connections = FairPool(Connection, pool_size=1, max_overflow=0, timeout=0.05)
    held = connections.connect()
    with pytest.raises(PoolTimeout):
        connections.connect()
    held.close()
    connections.connect().close()
    assert connections.status() == "1 connections, 1 idle, 0 waiting"


def test_who_waits_is_told_that_none_can_be_made(threads: ThreadPoolExecutor) -> None:
    """Else they would wait for a turn, and then for an attempt of their own."""
    fails = threading.Event()

    def make() -> Connection:
        assert fails.wait(FOREVER)
        raise ConnectionError

    connections = FairPool(make, pool_size=1, max_overflow=0, timeout=FOREVER)
    tried = threads.submit(connections.connect)
    until(lambda: connections.checkedout() == 1)
    others = [threads.submit(connections.connect) for _ in range(5)]
    waiting(connections, 5)
    fails.set()
    assert _raised(tried) is ConnectionError
    assert {_raised(one) for one in others} == {PoolTimeout}
    assert connections.status() == "0 connections, 0 idle, 0 waiting"


def test_a_broken_one_is_made_anew_by_the_next(threads: ThreadPoolExecutor) -> None:
    connections = FairPool(Connection, pool_size=1, max_overflow=0, timeout=FOREVER)
    connections.connect().close()  # came back in order, so that the database is not taken for away
    broken = connections.connect()
    next_one = threads.submit(connections.connect)
    waiting(connections, 1)
    before = broken.dbapi_connection
    broken.invalidate()
    assert next_one.result(FOREVER).dbapi_connection not in (None, before)


def _raised(asked: Future[Any]) -> type[BaseException]:
    return type(asked.exception(FOREVER))


def test_a_connection_that_breaks_is_not_used_again(environment: object) -> None:
    with pytest.raises(DatabaseUnavailable):
        postgres.fetch_all("select pg_terminate_backend(pg_backend_pid())")
    assert postgres.fetch_all("select %(value)s + 1", {"value": 1}) == [(2,)]
    with postgres.session() as session:
        assert session.scalar(text("select 3")) == 3


class Full:
    """A server that refuses connections as Postgres does while it has as many as it allows."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.refused = 0

    def __call__(self) -> Connection:
        if self.room == 0:
            self.refused += 1
            raise psycopg.OperationalError('FATAL:  too many connections for role "legwork"')
        self.room -= 1
        made = Connection()
        made.close = self._one_less  # type: ignore[method-assign]
        return made

    def _one_less(self) -> None:
        self.room += 1


def test_a_full_server_makes_who_asks_wait_for_one_that_is_returned(threads: ThreadPoolExecutor) -> None:
    server = Full(room=1)
    connections = FairPool(server, pool_size=1, max_overflow=9, timeout=FOREVER)
    held = connections.connect()
    others = [threads.submit(connections.connect) for _ in range(3)]
    until(lambda: server.refused > 0)
    while others:
        held.close()
        until(lambda: any(one.done() for one in others))
        done = next(one for one in others if one.done())
        others.remove(done)
        held = done.result()


def test_a_full_server_that_gives_one_later_is_asked_again(threads: ThreadPoolExecutor) -> None:
    server = Full(room=0)
    connections = FairPool(server, pool_size=1, max_overflow=1, timeout=0.1)
    asked = [threads.submit(connections.connect) for _ in range(2)]
    until(lambda: server.refused > 3)
    server.room = 2
    for one in asked:
        one.result(FOREVER)


@pytest.mark.parametrize("waits", [False, True])
def test_a_full_server_is_waited_for_where_a_connection_broke(threads: ThreadPoolExecutor, waits: bool) -> None:
    """Who gets the place of a broken connection gets a new one, as at the first time."""
    server = Full(room=1)
    connections = FairPool(server, pool_size=1, max_overflow=0, timeout=FOREVER)
    connections.connect().close()
    held = connections.connect()
    asked = [threads.submit(connections.connect)] if waits else []
    if waits:
        waiting(connections, 1)
    server.room = -1  # somebody else takes what this one leaves
    held.invalidate()
    asked = asked or [threads.submit(connections.connect)]
    until(lambda: server.refused > 1)
    server.room = 1
    asked[0].result(FOREVER)
    assert connections.checkedout() == 1


def test_a_server_that_stays_full_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "FULL_SECONDS", 0.3)
    with pytest.raises(psycopg.OperationalError, match="too many"):
        FairPool(Full(room=0), pool_size=1, max_overflow=0, timeout=0.1).connect()


def test_a_process_has_as_many_as_the_server_allows(environment: Callable[..., None]) -> None:
    assert [postgres.connections_for(allowed) for allowed in (5, 20, 59, 97, 500)] == [2, 2, 5, 24, 30]
    environment(DATABASE_CONNECTIONS="3")
    with postgres.autocommit():
        assert postgres.engine().pool.most == 3  # type: ignore[attr-defined]

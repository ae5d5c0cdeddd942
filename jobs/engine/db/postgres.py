"""Postgres: one engine per process, created at first use, with new connections after a fork."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cache, partial
from typing import Any, cast

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, Engine, create_engine, event, func, select
from sqlalchemy.exc import DBAPIError, InterfaceError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from jobs.engine import settings
from jobs.engine.db import failures
from jobs.engine.db.pool import FairPool
from jobs.engine.errors import DatabaseUnavailable

CONNECT_SECONDS = 3
STATEMENT_SECONDS = 10
KEPT, MOST, LEAST = 10, 30, 2  # connections of a process: kept open, at most, and at most where the server allows few
FEW = 60  # connections of the server
UNPOOLED_SECONDS = (
    2.0  # that a program which keeps no connection waits for one of a server that has as many as it allows
)
POOL_SECONDS = 3  # without a returned connection, until a waiter times out
FRESH_SECONDS = 1.0  # a connection used within this time is not pinged at checkout

# TCP keepalive, on both ends: probes after 3 idle seconds, failed after 9. Without it the server would keep the session of a
# host that vanished, its locks and the clock's election for two hours.
KEEPALIVE: dict[str, Any] = {
    "keepalives_idle": 3,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 9_000,  # ms
}
SERVER_KEEPALIVE = (
    "-c tcp_keepalives_idle=3 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3 -c tcp_user_timeout=9000"
)


# How many connections the server allows this user.
ALLOWED = """
    select least(current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
        (select case when rolconnlimit < 0 then 1000000 else rolconnlimit end from pg_roles where rolname = current_user))
"""


def url() -> str:
    """DATABASE_URL, with the driver in it as SQLAlchemy wants."""
    settings.current().require("database_url")
    return "postgresql+psycopg://" + settings.current().database_url.split("://", 1)[1]


def connect(**options: Any) -> Engine:
    """A new engine on DATABASE_URL. Use `engine()` unless the process needs another pool."""
    made = create_engine(
        url(),
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "options": f"-c statement_timeout={STATEMENT_SECONDS}s -c timezone=UTC {SERVER_KEEPALIVE}",
            "application_name": "legwork",
            **KEEPALIVE,
        },
        **options,
    )
    if options.get("poolclass") is not NullPool:
        event.listen(made, "checkin", _note_use)
        event.listen(made, "checkout", partial(_ping_if_idle, made))
    return made


def _note_use(_connection: Any, record: Any) -> None:
    record.info["used"] = time.monotonic()


def _ping_if_idle(made: Engine, connection: Any, record: Any, _proxy: Any) -> None:
    """SQLAlchemy's pre-ping, but only of idle connections: it costs a round trip each time."""
    if time.monotonic() - record.info.get("used", math.inf) < FRESH_SECONDS:
        return
    try:
        made.dialect.do_ping(connection)
    except psycopg.Error as error:
        raise InvalidatePoolError from error


@cache
def engine() -> Engine:
    """The engine of this process, with a small pool."""
    made = connect(poolclass=FairPool, pool_size=KEPT, max_overflow=MOST - KEPT, pool_timeout=POOL_SECONDS)
    event.listen(made, "first_connect", partial(_fit_pool, made))
    return made


@cache
def unpooled_engine() -> Engine:
    """An engine that keeps no connection, for programs that query now and then, and fork."""
    made = connect(poolclass=NullPool)
    event.listen(made, "do_connect", _connect_when_not_full)
    return made


def _fit_pool(made: Engine, connection: Any, _record: Any) -> None:
    """Let this process have as many connections as DATABASE_CONNECTIONS says, or else as suits what the server allows."""
    most = settings.current().database_connections
    if not most:
        with connection.cursor() as cursor:
            allowed = int(cursor.execute(ALLOWED).fetchone()[0])
        connection.rollback()
        most = connections_for(allowed)
    if isinstance(made.pool, FairPool):
        made.pool.limit(KEPT if most > KEPT else 1, most)


def connections_for(allowed: int) -> int:
    """How many a process may have where the server allows its user so many: where they are few, ten processes share them."""
    return max(LEAST, min(MOST, allowed // (10 if allowed < FEW else 4)))


def keep_none_if_few() -> None:
    """Close connections after use where the server allows few: for processes that need one now and then."""
    pool = engine().pool
    if isinstance(pool, FairPool) and pool.most < KEPT:
        pool.limit(0, pool.most)


def _connect_when_not_full(dialect: Any, _record: Any, arguments: Any, options: Any) -> Any:
    """Wait a moment where the server has as many connections as it allows: others end within milliseconds."""
    over = time.monotonic() + UNPOOLED_SECONDS
    while True:
        try:
            return dialect.connect(*arguments, **options)
        except psycopg.OperationalError as error:
            if not failures.is_full(error) or time.monotonic() > over:
                raise
        time.sleep(0.1)


@contextmanager
def session(on: Engine | None = None) -> Iterator[Session]:
    """One transaction: committed at the end, rolled back on an exception. Objects can be read afterwards.

    Raises DatabaseUnavailable where Postgres cannot be reached, is shutting down or takes too long.
    """
    with database_errors(), Session(on or engine(), expire_on_commit=False) as opened, opened.begin():
        yield opened


@contextmanager
def reading() -> Iterator[Session]:
    """A session for reads of a page, in autocommit mode: one round trip a statement. Raises as `session` does."""
    with database_errors(), Session(_autocommit_engine(), expire_on_commit=False) as opened:
        yield opened


@contextmanager
def autocommit() -> Iterator[Connection]:
    """A connection on which each statement is a transaction of its own. Raises as `session` does."""
    with database_errors(), _autocommit_engine().connect() as connection:
        try:
            yield connection
        finally:
            if not connection.invalidated and _driver(connection).pgconn.transaction_status != TransactionStatus.IDLE:
                connection.invalidate()  # it is broken, or a greenlet was ended while it waited for the answer


@cache
def _autocommit_engine() -> Engine:
    return engine().execution_options(isolation_level="AUTOCOMMIT")


def execute(connection: Connection, statement: str, values: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
    """Run SQL with the driver's placeholders, such as `select %(id)s`; returns the rows, empty for a statement without any.

    In the transaction of the connection. For the ledger and for what is polled: SQLAlchemy's own way takes 200 us of CPU for
    a row, this one 80, of which the driver and the pool take 70.
    """
    cursor = _driver(connection).execute(statement, values)
    return cursor.fetchall() if cursor.description else []


def fetch_all(statement: str, values: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
    """`execute` on a connection and in a transaction of its own. Raises as `session` does."""
    with autocommit() as connection:
        return execute(connection, statement, values)


def _driver(connection: Connection) -> psycopg.Connection[tuple[Any, ...]]:
    return cast("psycopg.Connection[tuple[Any, ...]]", connection.connection.driver_connection)


def now(session: Session) -> datetime:
    """The database's time. Hosts' clocks may differ, and jump."""
    return session.scalars(select(func.now())).one()


_AWAY = (OperationalError, InterfaceError, psycopg.OperationalError, psycopg.InterfaceError)


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn the driver's errors for an unreachable database into DatabaseUnavailable."""
    try:
        yield
    except (*_AWAY, PoolTimeout) as error:
        raise DatabaseUnavailable("The database does not answer. Nothing is lost; try again in a moment.") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise DatabaseUnavailable(
                "The database went away in the middle. Nothing is lost; try again in a moment."
            ) from error
        raise


def _forget_after_fork() -> None:
    """A child process must not use or close its parent's connections: psycopg then returns wrong results.

    The engine stays: what it has compiled and read of the server saves each child process 50 ms.
    """
    if engine.cache_info().currsize:
        engine().dispose(close=False)


os.register_at_fork(after_in_child=_forget_after_fork)

"""Postgres: one engine a process, made at first use and made anew after a fork."""

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
from jobs.engine.db.pool import FairPool
from jobs.engine.errors import DatabaseUnavailable

CONNECT_SECONDS = 3
STATEMENT_SECONDS = 10
POOL_SECONDS = 3  # in which no connection comes back
FRESH_SECONDS = 1.0  # a connection used so lately is not asked first whether it still lives

# A host that vanishes says nothing: each end asks after 3 silent seconds whether the other is there, and gives it up after 9.
# Without it the server would keep a lost session, its locks and the clock's election for two hours.
LIVELY: dict[str, Any] = {
    "keepalives_idle": 3,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 9_000,  # ms
}
SERVER_LIVELY = (
    "-c tcp_keepalives_idle=3 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3 -c tcp_user_timeout=9000"
)


def url() -> str:
    """DATABASE_URL in the form that SQLAlchemy and psycopg 3 take."""
    settings.current().require("database_url")
    return "postgresql+psycopg://" + settings.current().database_url.split("://", 1)[1]


def connect(**options: Any) -> Engine:
    """A new engine on DATABASE_URL. `engine()` is the one to use, unless a process needs one of another shape."""
    made = create_engine(
        url(),
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "options": f"-c statement_timeout={STATEMENT_SECONDS}s -c timezone=UTC {SERVER_LIVELY}",
            "application_name": "legwork",
            **LIVELY,
        },
        **options,
    )
    if options.get("poolclass") is not NullPool:
        event.listen(made, "checkin", _note_use)
        event.listen(made, "checkout", partial(_look_first, made))
    return made


def _note_use(_connection: Any, record: Any) -> None:
    record.info["used"] = time.monotonic()


def _look_first(made: Engine, connection: Any, record: Any, _proxy: Any) -> None:
    """SQLAlchemy's own pre-ping, which costs a round trip each time, but only of connections that have lain idle."""
    if time.monotonic() - record.info.get("used", math.inf) < FRESH_SECONDS:
        return
    try:
        made.dialect.do_ping(connection)
    except psycopg.Error as error:
        raise InvalidatePoolError from error


@cache
def engine() -> Engine:
    """The engine of this process, with a small pool."""
    return connect(poolclass=FairPool, pool_size=10, max_overflow=20, pool_timeout=POOL_SECONDS)


@cache
def unpooled_engine() -> Engine:
    """An engine that keeps no connection, for programs that ask now and then, and fork."""
    return connect(poolclass=NullPool)


@contextmanager
def session(on: Engine | None = None) -> Iterator[Session]:
    """One transaction: committed at the end, rolled back on an exception. Objects stay readable afterwards.

    Raises DatabaseAway where Postgres cannot be reached, is shutting down or takes too long.
    """
    with database_errors(), Session(on or engine(), expire_on_commit=False) as opened, opened.begin():
        yield opened


@contextmanager
def reading() -> Iterator[Session]:
    """To read for a page: each statement sees what is committed then, and costs one round trip. Raises as `session` does."""
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
    """The time by the one clock that decides anything: hosts' own may differ, and jump."""
    return session.scalars(select(func.now())).one()


_AWAY = (OperationalError, InterfaceError, psycopg.OperationalError, psycopg.InterfaceError)


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn the driver's ways of saying "not reachable" into DatabaseAway."""
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
    """A child must not use its parent's connections: psycopg then gives wrong answers. It must not close them either.

    The engine itself stays: what it has learnt of the server and compiled is worth some 50 ms to each child.
    """
    if engine.cache_info().currsize:
        engine().dispose(close=False)


os.register_at_fork(after_in_child=_forget_after_fork)

"""LangGraph checkpoints of agents, in a schema of their own in Postgres, so that a new process continues after the last step."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from jobs.engine.db import postgres
from jobs.engine.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from langgraph.checkpoint.postgres import PostgresSaver

SCHEMA = "agents"
TABLES = ("checkpoint_writes", "checkpoint_blobs", "checkpoints")
LOCK = 7_204_117  # advisory lock for creating the tables
PATIENCE = 30.0
LOOK_SECONDS = 0.2


@contextmanager
def opened() -> Iterator[PostgresSaver]:
    """The checkpoint saver; its tables are created at the first use."""
    from langgraph.checkpoint.postgres import PostgresSaver

    with _connected() as connection:
        saver = PostgresSaver(connection)
        _set_up(saver, connection)
        yield saver


def forget(thread: str) -> None:
    """Delete the checkpoints of a thread, and those of deleted jobs."""
    with _connected() as connection:
        for table in TABLES:
            connection.execute(
                f"delete from {table} where thread_id = %s or not exists"  # noqa: S608 - names of ours
                " (select 1 from jobs where id = cast(split_part(thread_id, ':', 1) as uuid))",
                (thread,),
            )


@contextmanager
def _connected() -> Iterator[Any]:
    import psycopg
    from psycopg.rows import dict_row

    url = postgres.url().replace("postgresql+psycopg://", "postgresql://", 1)
    options = f"-c search_path={SCHEMA},public -c timezone=UTC {postgres.SERVER_KEEPALIVE}"
    arguments = {
        "autocommit": True,
        "row_factory": dict_row,
        "prepare_threshold": 0,
        "options": options,
        **postgres.KEEPALIVE,
    }
    try:
        with psycopg.connect(url, **arguments) as connection:
            yield connection
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable("The database does not answer. Nothing is lost; try again in a moment.") from error


def _set_up(saver: PostgresSaver, connection: Any) -> None:
    """Create the tables, in one process at a time. The lock is polled: a statement that waits for it would block
    `create index concurrently`."""
    until = time.monotonic() + PATIENCE
    while not _query_bool(connection, f"select pg_try_advisory_lock({LOCK}) as got"):
        if time.monotonic() > until:
            raise DatabaseUnavailable("The tables for the steps of agents are being set up. Try again in a moment.")
        time.sleep(LOOK_SECONDS)
    try:
        connection.execute(f"create schema if not exists {SCHEMA}")
        saver.setup()
    finally:
        connection.execute(f"select pg_advisory_unlock({LOCK})")


def _query_bool(connection: Any, question: str) -> bool:
    return bool(connection.execute(question).fetchone()["got"])

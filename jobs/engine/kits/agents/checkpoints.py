"""Where an agent's steps are kept, so that a new process goes on after the last one: a schema of its own in Postgres."""

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
LOCK = 7_204_117  # of whoever sets the tables up
PATIENCE = 30.0
LOOK_SECONDS = 0.2


@contextmanager
def opened() -> Iterator[PostgresSaver]:
    """The keeper of steps; its tables are made at the first use."""
    from langgraph.checkpoint.postgres import PostgresSaver

    with _connected() as kept:
        saver = PostgresSaver(kept)
        _set_up(saver, kept)
        yield saver


def forget(thread: str) -> None:
    """Drop the steps of a thread, and those of jobs that were deleted."""
    with _connected() as kept:
        for table in TABLES:
            kept.execute(
                f"delete from {table} where thread_id = %s or not exists"  # noqa: S608 - names of ours
                " (select 1 from jobs where id = cast(split_part(thread_id, ':', 1) as uuid))",
                (thread,),
            )


@contextmanager
def _connected() -> Iterator[Any]:
    import psycopg
    from psycopg.rows import dict_row

    url = postgres.url().replace("postgresql+psycopg://", "postgresql://", 1)
    options = f"-c search_path={SCHEMA},public -c timezone=UTC {postgres.SERVER_LIVELY}"
    asked = {"autocommit": True, "row_factory": dict_row, "prepare_threshold": 0, "options": options, **postgres.LIVELY}
    try:
        with psycopg.connect(url, **asked) as kept:
            yield kept
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable("The database does not answer. Nothing is lost; try again in a moment.") from error


def _set_up(saver: PostgresSaver, kept: Any) -> None:
    """One process at a time. Waiting inside of Postgres would keep its indexes from being made, so it is asked again."""
    until = time.monotonic() + PATIENCE
    while not _asked(kept, f"select pg_try_advisory_lock({LOCK}) as got"):
        if time.monotonic() > until:
            raise DatabaseUnavailable("The tables for the steps of agents are being set up. Try again in a moment.")
        time.sleep(LOOK_SECONDS)
    try:
        kept.execute(f"create schema if not exists {SCHEMA}")
        saver.setup()
    finally:
        kept.execute(f"select pg_advisory_unlock({LOCK})")


def _asked(kept: Any, question: str) -> bool:
    return bool(kept.execute(question).fetchone()["got"])

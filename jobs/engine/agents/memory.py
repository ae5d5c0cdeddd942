"""Where an agent's steps are kept, so that a new process goes on after the last one: a schema of its own in Postgres."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from jobs.engine import database
from jobs.engine.errors import DatabaseAway

if TYPE_CHECKING:
    from langgraph.checkpoint.postgres import PostgresSaver

SCHEMA = "agents"
LOCK = 7_204_117  # of whoever sets the tables up
PATIENCE = 30.0
LOOK_SECONDS = 0.2


@contextmanager
def opened() -> Iterator[PostgresSaver]:
    """The keeper of steps; its tables are made at the first use."""
    import psycopg
    from langgraph.checkpoint.postgres import PostgresSaver
    from psycopg.rows import dict_row

    url = database.url().replace("postgresql+psycopg://", "postgresql://", 1)
    options = f"-c search_path={SCHEMA} -c timezone=UTC"
    try:
        with psycopg.connect(url, autocommit=True, row_factory=dict_row, prepare_threshold=0, options=options) as kept:
            saver = PostgresSaver(kept)
            _set_up(saver, kept)
            yield saver
    except psycopg.OperationalError as error:
        raise DatabaseAway("The database does not answer. Nothing is lost; try again in a moment.") from error


def _set_up(saver: PostgresSaver, kept: object) -> None:
    """One process at a time. Waiting inside of Postgres would keep its indexes from being made, so it is asked again."""
    until = time.monotonic() + PATIENCE
    while not _asked(kept, f"select pg_try_advisory_lock({LOCK}) as got"):
        if time.monotonic() > until:
            raise DatabaseAway("The tables for the steps of agents are being set up. Try again in a moment.")
        time.sleep(LOOK_SECONDS)
    try:
        kept.execute(f"create schema if not exists {SCHEMA}")  # type: ignore[attr-defined]
        saver.setup()
    finally:
        kept.execute(f"select pg_advisory_unlock({LOCK})")  # type: ignore[attr-defined]


def _asked(kept: object, question: str) -> bool:
    return bool(kept.execute(question).fetchone()["got"])  # type: ignore[attr-defined]

"""Pausing a queue: a row that claims and deliveries look at. What runs goes on; what waits stays in the database.

While a queue is paused its messages are out of Redis, so that its workers do not take and drop them one by one. One that
is on its way all the same finds the claim refused. At the end of the pause the clock delivers anew, the oldest first.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from jobs.engine.accounts import audit
from jobs.engine.db import postgres
from jobs.engine.db.models import PausedQueue
from jobs.engine.errors import BrokerUnavailable, NotFound
from jobs.engine.kinds import catalogue
from jobs.engine.queue import delivery, ledger


def pause(queue: str, *, owner: str, address: str | None = None) -> None:
    """Let no job of this queue start; one that is paused already stays so. Raises NotFound, DatabaseUnavailable."""
    _check(queue)
    with postgres.session() as session:
        row = insert(PausedQueue).values(queue=queue, paused_by=audit.name_of(session, owner))
        if session.scalar(row.on_conflict_do_nothing().returning(PausedQueue.queue)) is None:
            return
        audit.record(session, owner, "queue_pause", queue, address=address)
    with suppress(BrokerUnavailable):  # then each message is dropped by the worker that takes it
        delivery.withdraw_all(queue)


def resume(queue: str, *, owner: str, address: str | None = None) -> None:
    """Let its jobs start again; the clock delivers them within a second. Raises NotFound, DatabaseUnavailable."""
    _check(queue)
    with postgres.session() as session:
        gone = delete(PausedQueue).where(PausedQueue.queue == queue).returning(PausedQueue.queue)
        if session.scalar(gone) is None:
            return
        ledger.undeliver(session.connection(), queue)
        audit.record(session, owner, "queue_resume", queue, address=address)


def paused(session: Session, queues: Sequence[str] | None = None) -> dict[str, PausedQueue]:
    """Those of these queues, or of all, that are paused, by name."""
    queues = catalogue.queues() if queues is None else queues
    return {row.queue: row for row in session.scalars(select(PausedQueue).where(PausedQueue.queue.in_(queues)))}


def _check(queue: str) -> None:
    if queue not in catalogue.queues():
        raise NotFound(f"There is no queue called {queue[:80]!r}; there are {', '.join(catalogue.queues())}.")

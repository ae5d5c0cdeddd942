"""A worker's hold on the job it has claimed: renewed by heartbeats, guarded by a watchdog, given back where the child died."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from jobs.engine.db import failures, postgres
from jobs.engine.errors import BrokerUnavailable, DatabaseUnavailable, LeaseLost
from jobs.engine.queue import delivery, ledger, queries
from jobs.engine.queue.ledger import parts
from jobs.engine.worker import memory

STOP_GRACE_SECONDS = 3  # between a stop asked for and the child killed
LIMIT_GRACE_SECONDS = 4  # between the time limit and the child killed
SHUTDOWN_GRACE_SECONDS = 6  # between SIGTERM and the child killed
RISK_SECONDS = ledger.LEASE_SECONDS * 0.8  # without a heartbeat: kill the child before another worker may start the job
LOOK_SECONDS = 0.2  # between the watchdog's looks once a heartbeat is overdue

NOT_STARTED_SECONDS = 5.0  # before a job that no process could be started for is tried again
_NOT_STARTED = "Its worker could not start a process for it."
_NEVER_STARTED = f"{_NOT_STARTED} It was tried as often as it may be; the worker's log says why."

log = logging.getLogger("legwork.worker")


class Lease:
    """`kill`: ends the child at once. The child settles the row; `close()` does where it did not."""

    def __init__(self, claim: ledger.Claim, kill: Callable[[], None]):
        self.claim = claim
        self.given = False  # to a child
        self.settled = False  # by the child
        self.given_back = False  # by the child, at a shutdown
        self.killed: str | None = None  # why the child was: stop, time_limit, memory_limit, shutdown, risk
        self.watchdog = Watchdog(RISK_SECONDS, lambda: self.kill("risk"))
        self._kill = kill
        self._not_ours = 0  # heartbeats that found the row not held by this claim
        self._began = time.monotonic()
        self.watchdog.beaten(self._began)

    def kill(self, why: str) -> None:
        if self.killed is None:
            self.killed = why
            log.warning("job %s: killing its process: %s", self.claim.job_id, why)
        self._kill()

    def beat(self, leaving_seconds: float) -> None:
        """Renew the lease. Kill the child if it must not go on; `leaving_seconds` ago its worker was told to leave."""
        at = time.monotonic()
        try:
            with _transaction() as connection:
                answer = self._extend(connection)
        except DatabaseUnavailable as error:
            log.warning("job %s: no heartbeat: %s", self.claim.job_id, error)
            if self.watchdog.overdue:
                self.kill("risk")
            return
        self.watchdog.beaten(at)
        if answer is None:
            self._not_ours += 1  # once is usual: the child has settled and is about to say so
            if self._not_ours > 1:
                self.kill("risk")
        elif (answer.stop_asked_seconds or 0) > STOP_GRACE_SECONDS:
            self.kill("stop")
        elif at - self._began > self.claim.time_limit + LIMIT_GRACE_SECONDS:
            self.kill("time_limit")
        elif leaving_seconds > SHUTDOWN_GRACE_SECONDS:
            self.kill("shutdown")

    def _extend(self, connection: Connection) -> ledger.Signal | None:
        given = self.claim.help
        if given is None:
            return ledger.beat(connection, self.claim.job_id, self.claim.lease)
        return parts.beat(connection, given.helper)

    def close(self, leaving: bool) -> None:
        """Settle the row if the child did not, and deliver a job that came back; what fails here is left to the clock."""
        try:
            if not self.settled:
                self._settle(leaving)
            if self.claim.help is None and (leaving or not self.settled):
                _deliver_again(self.claim.job_id)
        except (DatabaseUnavailable, BrokerUnavailable) as error:
            log.warning("job %s: left to the clock: %s", self.claim.job_id, error)

    def _settle(self, leaving: bool) -> None:
        """Only a shutdown gives a job back without counting the attempt."""
        held = self.claim.job_id, self.claim.lease
        try:
            with _transaction() as connection:
                if self.claim.help is not None:
                    parts.end_helper(connection, self.claim.help.helper, self.killed or "lost")
                elif self.killed == "stop":
                    ledger.settle(connection, *held, "cancelled", reason="stopped", message="Stopped by a person.")
                elif self.killed == "time_limit":
                    words = "Reached its time limit and did not end by itself. What was done is kept."
                    ledger.settle(connection, *held, "failed", reason="time_limit", message=words)
                elif self.killed == "memory_limit":
                    ledger.settle(connection, *held, "failed", reason="memory_limit", message=memory.too_much())
                elif self.killed == "shutdown" or self.given_back or (leaving and not self.given):
                    ledger.release(connection, *held)
                elif not self.given:
                    if not ledger.postpone(connection, *held, NOT_STARTED_SECONDS, "worker_lost", _NOT_STARTED, None):
                        ledger.settle(connection, *held, "failed", reason="worker_lost", message=_NEVER_STARTED)
                else:
                    ledger.give_up(connection, *held)
        except LeaseLost:
            log.info("job %s was settled already", self.claim.job_id)


class Watchdog:
    """Kills the child in time where the worker itself hangs.

    A host that is cut off gets no refusal, only silence: its worker may wait in a dead connection, or for a name server, for
    longer than its lease lasts. The watchdog is a thread of the parent, from the first query to the end of the job.

    `risk`: seconds without a heartbeat after which `kill` is called, at once if the worker waits for an answer then.
    """

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
        """Around what may get no answer. A worker that was only slow may beat late: no other has its job yet."""
        self._asking = True
        if self._thread is None:
            self._thread = threading.Thread(target=self._look_on, name="watchdog", daemon=True)
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


def _deliver_again(job_id: UUID) -> None:
    """Deliver a job that came back, at the front; the clock would do it a second later."""
    with postgres.session(postgres.unpooled_engine()) as session:
        due = queries.undelivered(session, only=[job_id])
        delivery.deliver(due)
        ledger.mark_delivered(session.connection(), [job.id for job in due])


@contextmanager
def _transaction() -> Iterator[Connection]:
    """On a new connection: opening one ends in time where nothing answers. Where the server gives none, on the one that is kept."""
    with postgres.database_errors():
        try:
            opened = postgres.unpooled_engine().connect()
        except OperationalError as error:
            if not failures.is_full(error):
                raise
            opened = postgres.engine().connect()
        with opened, opened.begin():
            yield opened

"""The clock: each second, recovers what was lost, delivers what is due, and runs schedules.

Jobs of silent workers are freed, those of suspended accounts held, due jobs without a message get one, and from time to time what
has expired is deleted. Every worker program starts a clock. A Postgres advisory lock elects one; the next takes over when its
session ends.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from jobs.engine.connections import kept_answers
from jobs.engine.db import failures, postgres
from jobs.engine.errors import BrokerUnavailable, DatabaseUnavailable, LegworkError
from jobs.engine.files import resumable
from jobs.engine.files.storage import blob_storage
from jobs.engine.kinds import catalogue
from jobs.engine.queue import (
    batches,
    commands,
    delivery,
    ledger,
    notifications,
    queries,
    retention,
    worker_registry,
)
from jobs.engine.sandbox import scratch

TICK_SECONDS = 1.0
FRONT = 100  # oldest rows of a queue whose messages are looked for each second
MESSAGES_PER_ROW = 10  # searched for them: messages are not quite in the order of the rows
FULL_LOOK_SECONDS = 10  # how often all messages are compared with the rows
ROWS_PER_SECOND = 2_000  # to compare on average: a long queue is compared less often
TIDY_SECONDS = 60
REPEAT_SECONDS = 30  # between two lines about the same trouble
SWEEP_SECONDS = 3_600  # between searches for the remains of interrupted uploads
STALE_SECONDS = 172_800  # later than resumable.LIFE, after which an upload is abandoned

log = logging.getLogger("legwork.clock")

_LOCK = 7_023_462
_ELECT = text("select pg_try_advisory_lock(:lock)")
_STILL = text("select 1")
_NAME = text("select set_config('application_name', :name, false)")  # shows operators which clock was elected


class Clock:
    def __init__(self) -> None:
        self._leaving = threading.Event()
        self._missing: dict[str, set[UUID]] = {}  # by queue: due rows without a message at the last check
        self._looked: dict[str, float] = {}  # by queue: when all of it was compared
        self._tidied = 0.0
        self._swept = 0.0
        self._trouble, self._warned = "", 0.0
        self._telling: threading.Thread | None = None
        self._keeping: threading.Thread | None = None
        self._watching: threading.Thread | None = None

    def run(self) -> None:
        """Tick until told to leave; wait while another clock holds the lock."""
        signal.signal(signal.SIGTERM, self._leave)
        signal.signal(signal.SIGINT, self._leave)
        while not self._leaving.is_set():
            try:
                with postgres.database_errors(), postgres.unpooled_engine().connect() as election:
                    self._while_elected(election)
            except DatabaseUnavailable as error:
                self._warn(f"waiting for the database: {failures.why(error) or error}")
            self._leaving.wait(TICK_SECONDS)

    def _leave(self, *_: object) -> None:
        self._leaving.set()

    def _warn(self, trouble: str) -> None:
        """Log what is wrong: at once where it is new, then each REPEAT_SECONDS."""
        if trouble != self._trouble or time.monotonic() - self._warned > REPEAT_SECONDS:
            self._trouble, self._warned = trouble, time.monotonic()
            log.warning("%s", trouble)

    def _while_elected(self, election: Connection) -> None:
        if not election.execute(_ELECT, {"lock": _LOCK}).scalar_one():
            return
        election.execute(_NAME, {"name": f"legwork clock {socket.gethostname()}, process {os.getpid()}"})
        log.info("clock %d ticks", os.getpid())
        while not self._leaving.is_set():
            began = time.monotonic()
            election.execute(_STILL)  # raises when the session that holds the lock is gone
            election.commit()
            self.tick()
            self._leaving.wait(max(0.0, TICK_SECONDS - (time.monotonic() - began)))

    def tick(self) -> None:
        """One second's work. Without the broker only deliveries stop."""
        with postgres.session() as session:
            for job_id in ledger.recover_expired(session.connection()):
                log.warning("job %s: its worker was silent; freed", job_id)
            for job_id in ledger.recover_helpers(session.connection()):
                log.warning("job %s: a worker that helped was silent; its parts are free again", job_id)
            for job_id in ledger.hold_suspended(session.connection()):
                log.info("job %s: its account is suspended; stopping", job_id)
        commands.run_due_schedules()
        self._tell()
        self._watch_batches()
        try:
            for queue in catalogue.queues():
                self._notice_lost(queue)
            deliver_due(seconds=TICK_SECONDS)
            self._trouble = ""
        except BrokerUnavailable as error:
            self._warn(failures.why(error) or str(error))
        if time.monotonic() - self._tidied > TIDY_SECONDS:
            self._tidied = time.monotonic()
            tidy()
            batches.expire_batches()
            self._delete_expired()
        if time.monotonic() - self._swept > SWEEP_SECONDS:
            self._swept = time.monotonic()
            sweep()

    def _tell(self) -> None:
        """Send notifications of ended jobs in a thread: their receivers may be slow."""
        if (self._telling is None or not self._telling.is_alive()) and notifications.is_due():
            self._telling = threading.Thread(target=_tell_all, name="notifications", daemon=True)
            self._telling.start()

    def _watch_batches(self) -> None:
        """Look how batches at providers stand, in a thread: a provider may be slow."""
        if (self._watching is None or not self._watching.is_alive()) and batches.is_due():
            self._watching = threading.Thread(target=_watch, name="batches", daemon=True)
            self._watching.start()

    def _delete_expired(self) -> None:
        """Delete what has expired in a thread: a job can have a million items, and a bucket may be slow."""
        if self._keeping is None or not self._keeping.is_alive():
            self._keeping = threading.Thread(target=retention.tidy, name="retention", daemon=True)
            self._keeping.start()

    def _notice_lost(self, queue: str) -> None:
        """Mark as undelivered the rows that were delivered, are queued, and had no message in Redis at two checks in a row.

        Two checks, because a message that a worker has just taken is in neither place for a moment. RQ's intermediate list is
        not counted: messages of a dead worker stay in it. Messages get lost at the front, where they are taken, or all at
        once: so the front is checked each second, the whole queue from time to time, and then only what was missing. A second
        costs the same however long a queue is.
        """
        if missing := self._missing.pop(queue, None):
            with postgres.session() as session:
                lost = delivery.missing_messages(queue, queries.delivered_ids(session, queue, among=missing))
                ledger.mark_undelivered(session.connection(), list(lost))
            if not lost:
                return
            log.warning("queue %s: %d messages were lost; delivering again", queue, len(lost))
            self._looked.pop(queue, None)  # more may be lost
        self._missing[queue] = self._look(queue)

    def _look(self, queue: str) -> set[UUID]:
        """Rows without a message: of the oldest, or of all if that is due or Redis has no message left."""
        with postgres.reading() as session:
            expected = queries.delivered_ids(session, queue, most=FRONT)
            if not expected:
                return set()
            waiting = delivery.waiting_count(queue)
            since = time.monotonic() - self._looked.get(queue, float("-inf"))
            if waiting > 0 and since <= max(FULL_LOOK_SECONDS, waiting / ROWS_PER_SECOND):
                return delivery.missing_messages(queue, expected, front=MESSAGES_PER_ROW * FRONT)
            self._looked[queue] = time.monotonic()
            return delivery.missing_messages(queue, queries.delivered_ids(session, queue))


def _tell_all() -> None:
    try:
        notifications.send_due()
    except DatabaseUnavailable as error:
        log.warning("%s", error)


def _watch() -> None:
    try:
        batches.watch()
    except LegworkError as error:
        log.warning("%s", error)


def deliver_due(seconds: float = float("inf")) -> None:
    """Deliver due jobs that have no message yet, oldest first, for at most so many seconds. Raises BrokerUnavailable."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        with postgres.session() as session:
            due = queries.undelivered(session)
        if not due:
            return
        delivery.deliver(due)
        with postgres.session() as session:
            ledger.mark_delivered(session.connection(), [job.id for job in due])


def tidy() -> None:
    """Delete workers that are gone and files that no page shows; count what ended in the last hours."""
    with postgres.session() as session:
        worker_registry.forget_silent(session)
        blobs = ledger.forget_hidden_files(session.connection())
        ledger.count_hours(session.connection(), catalogue.queues())
    kept_answers.forget_old()
    for blob in blobs:
        _remove(blob)


def sweep() -> None:
    """Remove the pieces of abandoned uploads, and the temporary folders of processes that were killed."""
    scratch.sweep()
    try:
        if pieces := blob_storage().sweep(STALE_SECONDS) + resumable.remove_expired():
            log.info("removed %d pieces of interrupted uploads", pieces)
    except (OSError, LegworkError) as error:
        log.warning("could not sweep the storage: %s", error)


def _remove(blob: str) -> Any:
    try:
        blob_storage().delete(blob)
    except OSError as error:
        log.warning("could not remove %s: %s", blob, error)

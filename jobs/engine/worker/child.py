"""The worker's child: takes one job after another from its parent, and leaves when a job may not meet what was before it.

It is born before it is needed and waits. A job of a kind that says REUSE_PROCESS may be followed by others of such kinds; any
other is the first and the last of its process. Whatever its kind, a job that ended badly, or left something behind, is the last.
"""

from __future__ import annotations

import itertools
import logging
import random
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from redis.exceptions import RedisError
from rq import Queue
from rq.executions import Execution
from rq.job import Job as Message
from rq.serializers import JSONSerializer
from rq.timeouts import BaseDeathPenalty, HorseMonitorTimeoutException

from jobs.engine import logs, sentry, tracing
from jobs.engine.db import postgres
from jobs.engine.errors import DatabaseUnavailable
from jobs.engine.queue import ledger
from jobs.engine.sandbox.parent_death import call_process, die_with_parent
from jobs.engine.worker import leak_check, outcome_writer, prefork
from jobs.engine.worker.rq_records import Bookkeeper, Commands
from jobs.engine.worker.run import Run

MOST_JOBS = 500  # of one process
IDLE_SECONDS = 5  # before its connections to Postgres are closed
GOOD_ENDS = ("succeeded", "partial")
IDLE, BUSY = "legwork-idle", "legwork-job"  # what the process is called

log = logging.getLogger("legwork.worker")

_current: Run | None = None  # of this process


@dataclass(frozen=True)
class Task:
    """A claimed job, and what RQ's parent knows of its message."""

    claim: ledger.Claim
    reuse: bool  # others may come after it in the same process
    message: dict[str, bytes]
    queue: str
    execution: tuple[str, datetime]
    opening: Commands  # what is to be told of it first
    redis_version: Any


def task(claim: ledger.Claim, reuse: bool, message: Message, queue: Queue, worker: Bookkeeper) -> Task:
    execution = worker.execution
    assert execution is not None
    fields = {name: _bytes(value) for name, value in message.to_dict(include_meta=False, include_result=False).items()}
    started = execution.id, execution.created_at
    return Task(claim, reuse, fields, queue.name, started, worker.opening, message.redis_server_version)


def current() -> Run:
    assert _current is not None, "only the child of a LegworkWorker runs jobs"
    return _current


class NoAlarm(BaseDeathPenalty):
    """RQ ends a wait by an alarm, whose exception may strike in the handler of SIGTERM. Here waits end by themselves."""

    def setup_death_penalty(self) -> None:
        """None is set."""

    def cancel_death_penalty(self) -> None:
        """None was set."""


class Keeper(Bookkeeper):
    """RQ's worker with a child that is kept. What differs is how a job comes to the child, and how it is told to have ended."""

    death_penalty_class = NoAlarm
    _child: prefork.PreforkedChild | None = None

    def be_ready(self) -> None:
        """Have a child, and a connection to claim by, before a job comes."""
        before = self._child
        if self._have_child() is not before:
            _connect()

    def look_ahead(self) -> None:
        """The child has done its work, and only has to settle it: a next job may be looked for."""

    def give(self, given: Task) -> None:
        """Hand the job to the child; to another one, where that is dead or may not be used for it."""
        child = self._have_child(fresh=not given.reuse)
        try:
            child.give(given)
        except OSError:
            self._let_go()
            child = self._have_child()
            child.give(given)
        self._horse_pid = child.pid

    def wait_for_horse(self) -> Any:
        if self._child is None:
            return None, None, None
        status = self._child.wait(self.job_monitoring_interval)
        if status is None:
            raise HorseMonitorTimeoutException
        return self._child.pid, status, None

    def kill_horse(self, sig: signal.Signals = signal.SIGKILL) -> None:
        if self._horse_pid and self._child:
            self._child.signal(sig)

    def take_back(self) -> None:
        """After a job: keep the child if it may do another."""
        self._horse_pid = 0
        if self._child and not self._child.done():
            self._let_go()

    def teardown(self) -> None:
        self._let_go()
        super().teardown()

    def _have_child(self, fresh: bool = False) -> prefork.PreforkedChild:
        if self._child is None or not self._child.alive or (fresh and not self._child.fresh):
            self._let_go()
            self._child = prefork.PreforkedChild(lambda line: serve(self, line), self.look_ahead)
        return self._child

    def _let_go(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.close()


def serve(worker: Keeper, line: prefork.ChildChannel) -> None:
    """Do what comes along the line, until the parent wants no more or this process is not to be used again."""
    die_with_parent(worker.pid or 0)
    worker._is_horse = True
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: _current.shut_down() if _current else None)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    prefork.listen()
    sentry.begin("worker")
    outcome_writer.start_threads()
    _connect()
    before = leak_check.snapshot()
    for number in itertools.count(1):
        call_process(IDLE)
        given = line.take(postgres.engine().dispose, IDLE_SECONDS)
        if given is None:
            return
        call_process(BUSY)
        stays = given.reuse and number < MOST_JOBS
        worker.on_settled = partial(_settled, line, given, before, stays)
        _do(worker, given, line.ends if stays else _nothing)
        if not line.answered:
            line.answer(stays=False)
            return


def _connect() -> None:
    """Have a connection before it is needed. One that is there at a fork stays the parent's alone: a child forgets it."""
    with suppress(DatabaseUnavailable), postgres.driver_connection():
        return


def _settled(line: prefork.ChildChannel, given: Task, before: leak_check.ProcessState, stays: bool) -> None:
    """The row is settled. Where another job may come, the parent claims it while this process tells RQ of the last."""
    if line.answered or not (stays and current().state in GOOD_ENDS):
        return
    if left := before.left():
        log.info("job %s left its process with other %s: it is not used again", given.claim.job_id, ", ".join(left))
        return
    sys.stdout.flush()
    sys.stderr.flush()
    line.answer(stays=True)


def _nothing() -> None:
    """Nobody is told."""


def _do(worker: Keeper, given: Task, ends: Callable[[], None]) -> None:
    """Run the job as RQ's child does."""
    global _current
    logs.hold(given.claim.job_id)
    random.seed()
    run = _current = Run(given.claim)
    message = Message(str(given.claim.job_id), worker.connection, JSONSerializer)
    message.restore(given.message)
    message.redis_server_version = given.redis_version
    execution = Execution(given.execution[0], message.id, worker.connection, worker.name)
    execution.created_at, execution._job = given.execution[1], message
    worker.executions, worker.opening, worker.brief = {execution.id: execution}, given.opening, given.reuse
    run.writer.begun, run.ends = worker.tell_opening, ends
    span = tracing.attempt(given.claim.job_id, given.claim.kind, given.claim.attempt)
    try:
        worker.perform_job(message, next(one for one in worker.queues if one.name == given.queue), execution)
    except RedisError as error:  # the row is settled; what is missing is only RQ's own record of it
        log.warning("job %s: the broker does not answer: %s", message.id, error)
    finally:
        worker.executions, _current = {}, None
        if span is not None:  # sent now: the process may be ended as soon as the job has
            span.end({"legwork.state": run.state}, failed=run.state == "failed")
            tracing.send([span])
        logs.hold()


def _bytes(value: Any) -> bytes:
    """A value of a hash as Redis gives it back. A word of an enum is a text, and not its name."""
    if isinstance(value, bytes):
        return value
    return value.encode() if isinstance(value, str) else str(value).encode()

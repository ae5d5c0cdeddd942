"""The RQ worker: claims the row, has its child run it, watches, and sees that the row is settled however the child ended.

RQ takes messages, supervises and shows it all in rq-dashboard. What it does not do is done here, around its hooks:

1. A message that does not name the one allowed function, or whose row is not due, is dropped.
2. The child is born before a job comes (horse.py, kept.py), so that none waits for a fork. The parent claims the row on a
   connection that it keeps. Its children forget that one, and have each their own before their first job.
3. While the child works the parent beats each second. The beat reads back whether a stop was asked; a child that does not
   end within its grace is killed. So is one over its time limit, and one whose lease could not be kept (watch.py).
4. The child dies with its parent, and settles its own row. If it died instead, the parent settles for it.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

from redis.exceptions import RedisError
from rq import Queue
from rq.exceptions import StopRequested
from rq.executions import Execution
from rq.job import Job as Message
from rq.serializers import JSONSerializer
from rq.timeouts import HorseMonitorTimeoutException
from rq.worker import WorkerStatus
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import NoResultFound

from jobs.engine import logs
from jobs.engine.db import postgres, redis
from jobs.engine.errors import BrokerUnavailable, DatabaseUnavailable, LeaseLost
from jobs.engine.kinds import catalogue
from jobs.engine.queue import delivery, ledger, queries
from jobs.engine.worker import child, take_message
from jobs.engine.worker.watchdog import Watchdog

BEAT_SECONDS = 1
STOP_GRACE_SECONDS = 3  # between a stop asked and the child killed
LIMIT_GRACE_SECONDS = 4  # between the time limit and the child killed
IDLE_SECONDS = 2  # between looks at whether a worker that waits for a message is to leave
SHUTDOWN_GRACE_SECONDS = 6  # between SIGTERM and the child killed
RISK_SECONDS = ledger.LEASE_SECONDS * 0.8  # without a beat: kill the child before anybody else may start

log = logging.getLogger("legwork.worker")


class JobDidNotSucceed(Exception):
    """Raised for RQ alone, so that its dashboard shows the message as failed; the row says it better."""


def run_job(job: str, kind: str, attempt: int, params: dict[str, Any]) -> str:
    """The one function that messages may name. Everything it needs is in the row, which the parent has claimed."""
    state = child.current().go()
    log.info("job %s: %s", job, state)
    if state == "failed":
        raise JobDidNotSucceed(f"job {job} failed; its page says why")
    return state


class LegworkWorker(child.Keeper):
    """See the module's docstring."""

    max_connection_wait_time = 2.0  # seconds between tries while Redis is away

    def __init__(self, queues: list[str], name: str):
        connection = redis.connect(socket_connect_timeout=2)
        super().__init__(
            [delivery.queue(queue, connection) for queue in queues],
            name=name,
            connection=connection,
            serializer=JSONSerializer,
            worker_ttl=20,
            job_monitoring_interval=BEAT_SECONDS,
            default_result_ttl=delivery.RESULT_SECONDS,
        )
        self.log_job_description = False
        self._claim: ledger.Claim | None = None
        self._ahead: tuple[Message, Queue] | None = None  # a message that was taken before its turn to be done
        self._began = 0.0
        self._watch = Watchdog(RISK_SECONDS, lambda: self._kill("risk"))
        self._asked_at: float | None = None  # when this worker was told to leave
        self._not_ours = 0  # beats that found the row not held by this claim
        self._exit_status: int | None = None
        self._child_told = False  # the child has told Redis that this worker is idle, or is about to
        self._ended_by: str | None = None  # why the parent killed the child: stop, time_limit, shutdown, risk

    def subscribe(self) -> None:
        """RQ's commands over pub/sub are not listened to: a stop is a column, and a parent without threads forks safely."""

    # Taking a message.

    def dequeue_job_and_maintain_ttl(self, timeout: int | None, max_idle_time: int | None = None) -> Any:
        """As RQ's, but a message that RQ cannot read is dropped; by itself it would end the worker.

        Raises StopRequested where the worker was told to finish: here, between two messages, none can get lost by it.
        """
        self.be_ready()
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            self.set_state(WorkerStatus.IDLE)
            self.heartbeat()
            return ahead
        while True:
            try:
                if taken := super().dequeue_job_and_maintain_ttl(timeout, IDLE_SECONDS):
                    return taken
                if self._stop_requested:
                    raise StopRequested
            except (RedisError, StopRequested):
                raise
            except Exception as error:
                if not self._dropped(error):
                    raise

    def look_ahead(self) -> None:
        """Take the next message while the child settles the row of a job that went well.

        Where this worker dies or the child takes longer than a moment, the row is rung again, as for any message lost.
        """
        if self._ahead is not None or self._stop_requested or self.should_run_maintenance_tasks:
            return
        try:
            with self._asking_briefly():
                self._ahead = self.queue_class.dequeue_any(self._ordered_queues, None, self.connection)
        except RedisError as error:
            log.warning("the broker does not answer: %s", error)
        except Exception as error:
            if not self._dropped(error):
                raise
        if self._ahead is not None:
            self._ahead[0].redis_server_version = self.get_redis_server_version()

    def teardown(self) -> None:
        """Leave; a message that was taken ahead goes back to where it was."""
        if self._ahead is not None:
            message, queue = self._ahead
            with suppress(RedisError):
                self.connection.lpush(queue.key, message.id)
        super().teardown()

    def _dropped(self, error: Exception) -> bool:
        """Whether the error is of a message that RQ cannot read, which is gone then."""
        poison = getattr(error, "job_id", None)
        if poison is not None:
            log.warning("dropped message %s: %s", poison, error)
            self.connection.delete(Message.key_for(poison))
        return poison is not None

    def execute_job(self, message: Message, queue: Queue) -> None:
        """Claim the row that the message names; run it if it was due, drop the message if not."""
        # An idle worker that is told to leave has an exception raised, here into the claim.
        self._state = WorkerStatus.BUSY
        message, self._claim = take_message.claimed(message, queue, self.name)
        if self._claim is None:
            take_message.drop(message, queue)
            return
        logs.hold(self._claim.job_id)
        self._exit_status = self._ended_by = None
        self._not_ours = 0
        self._began = time.monotonic()
        self._watch.beaten(self._began)
        try:
            if not self._stop_requested:
                super().execute_job(message, queue)
        finally:
            self._settle_for_child()
            self.take_back()
            logs.hold()

    # The child.

    def fork_work_horse(self, message: Message, queue: Queue) -> None:
        assert self._claim is not None
        claim = self._claim
        reuse = catalogue.kind(claim.kind).reuse_process
        self.give(child.task(claim, reuse, message, queue, self))
        log.info("job %s: attempt %d of %s begins", claim.job_id, claim.attempt, claim.kind)

    def set_state(self, state: str, pipeline: Any = None) -> None:
        """A child that ended well tells Redis itself that the worker is idle."""
        if pipeline is None and state == WorkerStatus.IDLE and self._child_told:
            self._state, self._child_told = state, False
        else:
            super().set_state(state, pipeline)

    # In the parent, while the child works.

    def wait_for_horse(self) -> Any:
        pid, status, usage = super().wait_for_horse()
        if pid:
            self._exit_status = status
            self._child_told = status == os.EX_OK
        return pid, status, usage

    def monitor_work_horse(self, message: Message, queue: Queue, execution: Execution) -> None:
        with self._watch.kept():
            super().monitor_work_horse(message, queue, execution)

    def maintain_heartbeats(self, message: Message, execution: Execution) -> None:
        try:
            with self._watch.asking():
                self._beat()
                with self._asking_briefly():
                    super().maintain_heartbeats(message, execution)
        except RedisError as error:  # a broker that is away must not end a worker in the middle of a job
            log.warning("job %s: the broker does not answer: %s", message.id, error)

    @contextmanager
    def _asking_briefly(self) -> Iterator[None]:
        """RQ's own client waits 15 s for an answer, longer than a lease lasts without a beat; this one waits two."""
        patient, self.connection = self.connection, redis.broker()
        try:
            yield
        finally:
            self.connection = patient

    def _beat(self) -> None:
        assert self._claim is not None
        now = time.monotonic()
        try:
            with _connection(
                postgres.unpooled_engine()
            ) as connection:  # opening one ends in time where nothing answers
                signal_ = ledger.beat(connection, self._claim.job_id, self._claim.lease)
        except DatabaseUnavailable as error:
            log.warning("job %s: no beat: %s", self._claim.job_id, error)
            if self._watch.overdue:
                self._kill("risk")
            return
        self._watch.beaten(now)
        if signal_ is None:
            self._not_ours += 1  # once is usual: the child has settled and is about to leave
            if self._not_ours > 1:
                self._kill("risk")
        elif (signal_.stop_asked_seconds or 0) > STOP_GRACE_SECONDS:
            self._kill("stop")
        elif now - self._began > self._claim.time_limit + LIMIT_GRACE_SECONDS:
            self._kill("time_limit")
        elif self._asked_to_leave() > SHUTDOWN_GRACE_SECONDS:
            self._kill("shutdown")
        elif self._asked_at is not None:
            self.kill_horse(signal.SIGTERM)  # again: a child that was just being born when it was told did not hear

    def _kill(self, why: str) -> None:
        self._ended_by = self._ended_by or why
        log.warning("job %s: killing its process: %s", self._claim.job_id if self._claim else "?", why)
        self.kill_horse(signal.SIGKILL)

    # In the parent, after the child.

    def _settle_for_child(self) -> None:
        """The row is the child's to settle. One that died, or never was born, is spoken for here."""
        claim, self._claim = self._claim, None
        assert claim is not None
        if self._horse_pid:  # RQ was interrupted by an error of its own
            self.kill_horse(signal.SIGKILL)
            while self._exit_status is None:
                with suppress(HorseMonitorTimeoutException):
                    self.wait_for_horse()
        try:
            if self._exit_status != os.EX_OK:
                self._settle(claim)
            if self._exit_status != os.EX_OK or self._stop_requested:
                _ring_again(claim.job_id)
        except (DatabaseUnavailable, BrokerUnavailable) as error:
            log.warning("job %s: left to the clock: %s", claim.job_id, error)

    def _settle(self, claim: ledger.Claim) -> None:
        held = claim.job_id, claim.lease
        try:
            with _connection(postgres.unpooled_engine()) as connection:
                if self._ended_by == "stop":
                    ledger.settle(connection, *held, "cancelled", reason="stopped", message="Stopped by a person.")
                elif self._ended_by == "time_limit":
                    words = "Reached its time limit and did not end by itself. What was done is kept."
                    ledger.settle(connection, *held, "failed", reason="time_limit", message=words)
                elif self._ended_by == "shutdown" or self._exit_status is None:
                    ledger.release(connection, *held)
                else:
                    ledger.give_up(connection, *held)
        except LeaseLost:
            log.info("job %s was settled already", claim.job_id)

    # Signals.

    def _install_signal_handlers(self) -> None:
        super()._install_signal_handlers()
        signal.signal(signal.SIGUSR1, self._finish)

    def _finish(self, *_: Any) -> None:
        """SIGUSR1: finish the job at hand, take no other, and leave."""
        self._stop_requested = True

    def handle_warm_shutdown_request(self) -> None:
        """SIGTERM, a deploy: tell the child to flush and give its job back."""
        if self._horse_pid:
            self.kill_horse(signal.SIGTERM)

    def request_stop(self, signum: int, frame: Any) -> None:
        self._asked_at = self._asked_at or time.monotonic()
        self._stop_requested = True
        super().request_stop(signum, frame)

    def request_force_stop(self, signum: int, frame: Any) -> None:
        """A second SIGTERM asks for what is under way already."""

    def set_shutdown_requested_date(self) -> None:
        try:
            super().set_shutdown_requested_date()
        except RedisError:
            log.warning("the broker does not answer; leaving all the same")

    def _asked_to_leave(self) -> float:
        """Seconds since this worker was asked to leave, 0 if it was not."""
        return time.monotonic() - self._asked_at if self._asked_at is not None else 0.0


def work(queues: list[str], name: str) -> None:
    """Take jobs from these queues, the first ones first, until told to leave."""
    _ask_once()
    LegworkWorker(queues, name).work(logging_level="WARNING")


def _ask_once() -> None:
    """Have the mappers and the engines set up before the first fork: each child would do it again, for 50 ms."""
    for engine in (postgres.unpooled_engine(), postgres.engine()):
        with suppress(DatabaseUnavailable, NoResultFound), postgres.session(engine) as session:
            queries.counts(session, UUID(int=0))


def _ring_again(job_id: UUID) -> None:
    """Deliver a job that came back, at the front; the clock would do it a second later."""
    with postgres.session(postgres.unpooled_engine()) as session:
        due = queries.undelivered(session, only=[job_id])
        delivery.deliver(due)
        ledger.mark_delivered(session.connection(), [job.id for job in due])


@contextmanager
def _connection(engine: Engine) -> Iterator[Connection]:
    with postgres.database_errors(), engine.begin() as connection:
        yield connection

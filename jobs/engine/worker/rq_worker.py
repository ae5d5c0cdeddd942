"""The RQ worker: takes a message, claims its row, has its child run the job, and makes sure that the row is settled.

RQ registers the worker, waits for messages and cleans up its registries; rq-dashboard shows it all. The rest is done here:

1. A message that does not name the one allowed function, or whose row is not due, is dropped (take_message.py).
2. The child is forked before a job comes (child.py). The parent claims the row on a connection that it keeps open; a child
   forgets that one and opens its own before its first job.
3. While the child works, the parent sends a heartbeat each second and reads back whether a stop was asked for. It kills a child
   that does not end within its grace, or is over its limit of time or memory, or whose lease could not be renewed (lease.py).
4. The child settles its row and dies with its parent. If it died instead, the parent settles for it.
"""

from __future__ import annotations

import logging
import signal
import time
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import UUID

from redis.client import Pipeline
from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.exceptions import StopRequested
from rq.executions import Execution
from rq.job import Job as RqJob
from rq.serializers import JSONSerializer
from rq.worker import WorkerStatus
from sqlalchemy.exc import NoResultFound

from jobs.engine import logs, machine_memory
from jobs.engine.db import postgres, redis
from jobs.engine.errors import DatabaseUnavailable, LegworkError
from jobs.engine.kinds import catalogue
from jobs.engine.queue import delivery, queries
from jobs.engine.queue.delivery import QueueMessage
from jobs.engine.sandbox import scratch
from jobs.engine.worker import child, rq_records, take_message
from jobs.engine.worker.child import Child
from jobs.engine.worker.lease import Lease

BEAT_SECONDS = 1
ONLY_OURS = "Only Legwork's workers can run these jobs. Start them with `python -m jobs worker`."
SIGNAL_SECONDS = 1.0  # between a shutdown's SIGTERM to a child and the one to its worker
SHOWN_SECONDS = 0.25  # a job that ends sooner is never shown as running in rq-dashboard
IDLE_SECONDS = 2  # between checks whether a worker that waits for a message is to leave
RECORD_SECONDS = 3  # between two updates of an unchanged record in Redis, and between looks for `rq suspend`

log = logging.getLogger("legwork.worker")


def run_job(**_: object) -> None:
    """The one function that messages name. Only RQ's own worker calls it; Legwork's run the row that a message is about."""
    raise RuntimeError(ONLY_OURS)


def help_job(**_: object) -> None:
    """The function that messages name which call workers to a part of a job."""
    run_job()


class LegworkWorker(Worker):
    """See the module's docstring."""

    queue_class = delivery.MessageQueue
    job_class = QueueMessage
    max_connection_wait_time = 2.0  # seconds between tries while Redis is away

    def __init__(self, queues: list[str], name: str, **of_rq_command: object):
        if of_rq_command:  # `rq worker -w`: there is no supervisor around it, which starts it anew and runs the clock
            raise SystemExit(ONLY_OURS)
        connection = redis.connect(socket_connect_timeout=2)
        super().__init__(
            [delivery.queue(before + queue, connection) for before in ("", delivery.PARTS) for queue in queues],
            name=name,
            connection=connection,
            serializer=JSONSerializer,
            worker_ttl=20,
            job_monitoring_interval=BEAT_SECONDS,
            default_result_ttl=delivery.RESULT_SECONDS,
        )
        self.log_job_description = False
        self._serves = queues
        self._child: Child | None = None
        self._lease: Lease | None = None  # of the job at hand
        self._ahead: tuple[RqJob, Queue] | None = None  # a message that was fetched before its turn
        self._asked_at: float | None = None  # when this worker was told to leave
        self._shown_state = ""  # the state in Redis
        self._recorded = self._asked = 0.0  # when this worker's record was updated, and `rq suspend` looked for

    def subscribe(self) -> None:
        """Not to RQ's commands: a stop is a column of the row, and a parent without threads forks safely."""

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
        """Fetch the next message while the child settles the row of a job that went well.

        If this worker dies then, the clock delivers that job again, as for any message lost.
        """
        if self._ahead is not None or self._stop_requested or self.should_run_maintenance_tasks:
            return
        try:
            self._ahead = self.queue_class.dequeue_any(self._ordered_queues, None, redis.broker())
        except RedisError as error:
            log.warning("the broker does not answer: %s", error)
        except Exception as error:
            if not self._dropped(error):
                raise

    def teardown(self) -> None:
        """Leave; a message that was fetched ahead goes back to where it was."""
        if self._ahead is not None:
            message, queue = self._ahead
            with suppress(RedisError):
                self.connection.lpush(queue.key, message.id)
        self._let_go()
        super().teardown()

    def _dropped(self, error: Exception) -> bool:
        """Delete the message that the error is about. False if it is about none."""
        poison = getattr(error, "job_id", None)
        if poison is not None:
            log.warning("dropped message %s: %s", poison, error)
            self.connection.delete(QueueMessage.key_for(poison))
        return poison is not None

    # Running the job.

    def execute_job(self, message: RqJob, queue: Queue) -> None:
        """Claim the row that the message names; run it if it was due, drop the message if not."""
        self._state = WorkerStatus.BUSY  # from here on SIGTERM sets a flag; in an idle worker it raises
        message, claim = take_message.claimed(message, queue, self.name, self._serves)
        if claim is None:
            take_message.drop(message, queue)
            return
        logs.hold(claim.job_id)
        self._lease = lease = Lease(claim, self._kill_child)
        try:
            if not self._stop_requested:
                self._run(lease, message)
        finally:
            if lease.given and not lease.settled:  # also where Redis or RQ raised something here
                self._kill_child()
            if self._child and not self._child.alive:
                self._let_go()
            self._lease = None
            lease.close(self._stop_requested)
            logs.hold()

    def _run(self, lease: Lease, message: RqJob) -> None:
        """Have a child run the job; a second one if the first was dying and has not begun it."""
        claim = lease.claim
        task = rq_records.task(claim, _may_reuse(claim.kind), message, self)
        what = f"attempt {claim.attempt} of {claim.kind} begins" if claim.help is None else "helping with it"
        log.info("job %s: %s", claim.job_id, what)
        end = child.DIED
        for _ in range(2):
            process = self._have_child(fresh=not task.reuse)
            lease.given = True
            process.give(task)
            with lease.watchdog.kept():
                end = self._follow(process, message, rq_records.execution(claim, message.id, self))
            lease.settled = end in (child.STAYS, child.LEAVES)
            if process.taken or lease.killed:
                break
        if end == child.BACK:
            lease.given_back = self._is_told_to_leave()
        elif not lease.settled:
            rq_records.record_end(self, task, child.DIED)

    def _follow(self, process: Child, message: RqJob, execution: Execution) -> str:
        """Send heartbeats until the child is done with the job. Returns its last word, or DIED."""
        pause = SHOWN_SECONDS
        while True:
            if process.wait(pause):
                word = process.receive()
                if word == child.ENDING:
                    self.look_ahead()
                elif word != child.TAKEN:
                    return word
            elif pause == SHOWN_SECONDS:
                pause = BEAT_SECONDS
                rq_records.record_start(self, message, execution)
            else:
                self.maintain_heartbeats(message, execution)

    def maintain_heartbeats(self, message: RqJob, execution: Execution) -> None:
        """As RQ's, and the row's. RQ's own client waits 15 s for an answer, longer than a lease lasts; the broker's, two."""
        assert self._lease is not None
        patient = self.connection
        try:
            with self._lease.watchdog.asking():
                self._lease.beat(self._leaving_seconds())
                if self._child and self._child.memory > machine_memory.job_limit():
                    self._lease.kill("memory_limit")
                if self._asked_at is not None:  # again: a child that was just being forked did not get it
                    self.handle_warm_shutdown_request()
                self.connection = redis.broker()
                super().maintain_heartbeats(message, execution)
        except RedisError as error:  # must not end a worker in the middle of a job
            log.warning("job %s: the broker does not answer: %s", message.id, error)
        finally:
            self.connection = patient

    # The child.

    def be_ready(self) -> None:
        """Have a child, and a connection to claim by, before a job comes."""
        before = self._child
        if self._have_child() is not before:
            child.connect()

    def _have_child(self, fresh: bool = False) -> Child:
        if self._child is None or not self._child.alive or (fresh and not self._child.fresh):
            self._let_go()
            record_end = partial(rq_records.record_end, self)
            self._child = Child(partial(child.serve, parent=self.pid or 0, record_end=record_end))
        return self._child

    def _kill_child(self) -> None:
        if self._child:
            self._child.signal(signal.SIGKILL)

    def _let_go(self) -> None:
        process, self._child = self._child, None
        if process is not None:
            process.close()

    # What RQ records of the worker.

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """As RQ's, but each RECORD_SECONDS at most and in one round trip: RQ asks for it four times a job, in three each."""
        if pipeline is not None:
            super().heartbeat(timeout, pipeline)
        elif self._is_due():
            self._recorded = time.monotonic()
            with self.connection.pipeline(transaction=False) as together:
                super().heartbeat(timeout, together)
                together.execute()

    def set_state(self, state: str, pipeline: Pipeline | None = None) -> None:
        """As RQ's, but written only where it changes, and each RECORD_SECONDS. Without Redis it is written the next time."""
        self._state = state
        if pipeline is not None or state != self._shown_state or self._is_due():
            with suppress(RedisError):
                super().set_state(state, pipeline)
                self._shown_state = state

    def check_for_suspension(self, burst: bool) -> None:
        if time.monotonic() - self._asked > RECORD_SECONDS:
            self._asked = time.monotonic()
            super().check_for_suspension(burst)

    def set_shutdown_requested_date(self) -> None:
        try:
            super().set_shutdown_requested_date()
        except RedisError:
            log.warning("the broker does not answer; leaving all the same")

    def _is_due(self) -> bool:
        return time.monotonic() - self._recorded > RECORD_SECONDS

    # Signals.

    def _install_signal_handlers(self) -> None:
        super()._install_signal_handlers()
        signal.signal(signal.SIGUSR1, self._finish)

    def _finish(self, *_: Any) -> None:
        """SIGUSR1: finish the job at hand, take no other, and leave."""
        self._stop_requested = True

    def handle_warm_shutdown_request(self) -> None:
        """SIGTERM, a deploy: tell the child to write what is done and give its job back."""
        if self._lease and self._lease.given and self._child:
            self._child.signal(signal.SIGTERM)

    def request_stop(self, signum: int, frame: Any) -> None:
        self._asked_at = self._asked_at or time.monotonic()
        self._stop_requested = True
        super().request_stop(signum, frame)

    def request_force_stop(self, signum: int, frame: Any) -> None:
        """A second SIGTERM asks for what is under way already."""

    def _is_told_to_leave(self) -> bool:
        """Whether this is a shutdown. A platform sends SIGTERM to every process, so the child's may come first."""
        deadline = time.monotonic() + SIGNAL_SECONDS
        while not self._stop_requested and time.monotonic() < deadline:
            time.sleep(0.02)
        return self._stop_requested

    def _leaving_seconds(self) -> float:
        """Seconds since this worker was told to leave, 0 if it was not."""
        return time.monotonic() - self._asked_at if self._asked_at is not None else 0.0


def _may_reuse(kind: str) -> bool:
    """Whether its process may run others. One that is not known here is the child's to tell of."""
    try:
        return catalogue.kind(kind).reuse_process
    except LegworkError:
        return False


def work(queues: list[str], name: str) -> None:
    """Take jobs from these queues, the first ones first, until told to leave."""
    scratch.sweep()
    _ask_once()
    LegworkWorker(queues, name).work(logging_level="WARNING")


def _ask_once() -> None:
    """Set up mappers and engines before the first fork: each child would do it again, for 50 ms."""
    for engine in (postgres.unpooled_engine(), postgres.engine()):
        with suppress(DatabaseUnavailable, NoResultFound), postgres.session(engine) as session:
            queries.counts(session, UUID(int=0))

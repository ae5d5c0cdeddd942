"""RQ's own record of workers and messages, which rq-dashboard shows, kept in as few trips to Redis as it takes.

Nothing that is decided depends on it: the rows say what happened.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.executions import Execution
from rq.job import Job as Message
from rq.utils import now
from rq.worker import WorkerStatus

from jobs.engine.db import redis
from jobs.engine.queue import delivery

TELL_SECONDS = 3  # between two updates of a worker's record, where nothing has changed; an idle one waits for less

log = logging.getLogger("legwork.worker")

Commands = Sequence[tuple[Any, Any]]  # as redis-py's pipelines keep them: what to send, and how to read what comes back


class Bookkeeper(Worker):
    """RQ's worker, more sparing with what it tells Redis."""

    queue_class = delivery.MessageQueue
    # In the child: called when the row is settled, and the message not yet.
    on_settled: Callable[[], None] | None = None
    # What is to be told of a job that begins. The parent hands it to its child, which tells it with its own.
    opening: Commands = ()
    brief = False  # in the child: the job is likely to be over in no time
    _told = _asked = 0.0  # when this worker's record was last brought up to date, and `rq suspend` looked for

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """As RQ's, but at most each TELL_SECONDS, and in one round trip: RQ asks for it four times a job, in three each."""
        if pipeline is not None:
            super().heartbeat(timeout, pipeline)
        elif self._is_due():
            self._told = time.monotonic()
            with self.connection.pipeline(transaction=False) as together:
                super().heartbeat(timeout, together)
                together.execute()

    def set_state(self, state: str, pipeline: Any = None) -> None:
        if pipeline is not None or state != self.get_state() or self._is_due():
            super().set_state(state, pipeline)

    def prepare_execution(self, message: Message) -> Execution:
        """As RQ's, but it is not sent from here: the job would wait for it."""
        with self.connection.pipeline() as unsent:
            execution = Execution.create(message, self.get_heartbeat_ttl(message), unsent, self.name)
            super().set_state(WorkerStatus.BUSY, unsent)
            self.opening = list(unsent.command_stack)
        self.executions[execution.id] = execution
        return execution

    def prepare_job_execution(self, message: Message, remove_from_intermediate_queue: bool = False) -> None:
        """In the child. Of a job that is `brief` nothing is sent yet: it may have ended before anybody could have looked."""
        noting = _Noting(self.connection, self.opening)
        with self._using(noting):
            super().prepare_job_execution(message, remove_from_intermediate_queue)
        self.opening = noting.commands
        if not self.brief:
            self.tell_opening()

    def tell_opening(self) -> None:
        """Once: that the job has begun. A broker that is away does not keep it from going on: the row is claimed."""
        untold, self.opening = self.opening, ()
        if not untold:
            return
        try:
            with _continued(redis.broker().pipeline(), untold) as pipeline:
                pipeline.execute()
        except RedisError as error:
            log.warning("the broker does not answer: %s", error)

    def check_for_suspension(self, burst: bool) -> None:
        if time.monotonic() - self._asked > TELL_SECONDS:
            self._asked = time.monotonic()
            super().check_for_suspension(burst)

    def handle_execution_ended(self, message: Message, queue: Queue, heartbeat_ttl: int) -> None:
        """As RQ's without its last heartbeat: the message is given its end at once. In the child."""
        message.ended_at = now()
        if self.on_settled:
            self.on_settled()

    def handle_job_success(self, job: Message, queue: Queue, *rest: Any, **named: Any) -> None:
        with self._using(_Closing(self.connection, self._before_end(job, queue))):
            super().handle_job_success(job, queue, *rest, **named)

    def handle_job_failure(self, job: Message, queue: Queue, *rest: Any, **named: Any) -> None:
        with self._using(_Closing(self.connection, self._before_end(job, queue))):
            super().handle_job_failure(job, queue, *rest, **named)

    def _before_end(self, message: Message, queue: Queue) -> Commands:
        """What is still to be done for the beginning: the end writes the message whole, so that nothing is missing then."""
        untold, self.opening = self.opening, ()
        return [(("LREM", queue.intermediate_queue_key, 1, message.id), {})] if untold else ()

    def cleanup_execution(self, message: Message, pipeline: Any, execution: Execution | None = None) -> None:
        """As RQ's, and with it that the worker is idle: its parent does not tell that of a child that ended well."""
        super().cleanup_execution(message, pipeline, execution)
        super().set_state(WorkerStatus.IDLE, pipeline)

    @contextmanager
    def _using(self, other: Any) -> Iterator[None]:
        plain, self.connection = self.connection, other
        try:
            yield
        finally:
            self.connection = plain

    def _is_due(self) -> bool:
        return time.monotonic() - self._told > TELL_SECONDS


class _Around:
    """A client that differs from another in its pipelines alone, which begin with these commands."""

    def __init__(self, client: Any, commands: Commands):
        self._client, self.commands = client, commands

    def pipeline(self) -> Any:
        return _continued(self._client.pipeline(), self.commands)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


class _Noting(_Around):
    """Its pipelines note what they would send."""

    def pipeline(self) -> Any:
        noted = super().pipeline()
        noted.execute = lambda: setattr(self, "commands", list(noted.command_stack))
        return noted


class _Closing(_Around):
    """Its pipelines watch nothing: RQ watches for messages that wait for another, and ours never do."""

    def pipeline(self) -> Any:
        closing = super().pipeline()
        closing.watch = closing.multi = lambda *_: None
        return closing


def _continued(pipeline: Any, commands: Commands) -> Any:
    for command, how in commands:
        pipeline.execute_command(*command, **how)
    return pipeline

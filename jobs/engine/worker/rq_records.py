"""RQ's records of a job, which rq-dashboard shows: its start and its end, each in one transaction. Nothing depends on them."""

from __future__ import annotations

import logging
from typing import Any

from redis.exceptions import RedisError, WatchError
from rq import Worker
from rq.executions import Execution, ExecutionRegistry
from rq.job import Job as RqJob
from rq.job import JobStatus
from rq.serializers import JSONSerializer
from rq.utils import now
from rq.worker import WorkerStatus

from jobs.engine.db import redis
from jobs.engine.queue import delivery
from jobs.engine.queue.delivery import QueueMessage
from jobs.engine.queue.ledger import Claim
from jobs.engine.worker.child import DIED, Task

log = logging.getLogger("legwork.worker")


def task(claim: Claim, reuse: bool, message: RqJob, worker: Worker) -> Task:
    """What a child needs to run the job and to record its end."""
    message.worker_name, message.started_at = worker.name, now()
    fields = message.to_dict(include_meta=False, include_result=False)
    return Task(claim, reuse, message.id, {name: _bytes(value) for name, value in fields.items()})


def execution(claim: Claim, message_id: str, worker: Worker) -> Execution:
    """RQ's name for an attempt. Parent and child make the same one without telling each other."""
    return Execution(str(claim.lease), message_id, redis.broker(), worker.name)


def record_start(worker: Worker, message: RqJob, execution: Execution) -> None:
    """Show the job as started, unless its child has recorded its end by now."""
    lasts = worker.get_heartbeat_ttl(message)
    try:
        with redis.broker().pipeline() as pipeline:
            pipeline.watch(message.key)
            if pipeline.hget(message.key, "status") != JobStatus.QUEUED.encode():
                return
            pipeline.multi()
            worker.set_state(WorkerStatus.BUSY, pipeline)
            message.prepare_for_execution(worker.name, pipeline)
            pipeline.persist(message.key)
            execution.save(lasts, pipeline)
            ExecutionRegistry(message.id, redis.broker()).add(execution, lasts, pipeline)
            message.started_job_registry.add_execution(execution, pipeline, lasts)
            pipeline.sadd(worker.executions_key, execution.composite_key)
            pipeline.execute()
    except WatchError:
        return
    except RedisError as error:
        log.warning("job %s: the broker does not answer: %s", message.id, error)


def record_end(worker: Worker, task: Task, state: str) -> None:
    """In the child, or in the parent for one that died: write the message with its end, whatever of it is in Redis."""
    message = QueueMessage(task.message_id, redis.broker(), JSONSerializer)
    message.restore(task.message)
    message.ended_at = message.last_heartbeat = ended = now()
    attempt = execution(task.claim, task.message_id, worker)
    how: dict[str, Any] = {"worker_name": worker.name, "execution_id": attempt.id, "execution_ended_at": ended}
    try:
        with redis.broker().pipeline() as pipeline:
            pipeline.lrem(delivery.queue(message.origin).intermediate_queue_key, 1, message.id)
            worker.increment_total_working_time(ended - (message.started_at or ended), pipeline)
            if state in ("failed", DIED):
                worker.increment_failed_job_count(pipeline)
                message._status = JobStatus.FAILED
                message.save(pipeline, include_meta=False, include_result=False)
                message._handle_failure(delivery.shown(f"job {message.id} {state}; its page says why"), pipeline, **how)
            else:
                worker.increment_successful_job_count(pipeline)
                message._result = delivery.shown(state)
                message._handle_success(delivery.RESULT_SECONDS, pipeline, **how)
                message.cleanup(delivery.RESULT_SECONDS, pipeline, remove_from_queue=False)
            attempt.delete(message, pipeline)
            pipeline.execute()
    except RedisError as error:  # the row is settled
        log.warning("job %s: the broker does not answer: %s", message.id, error)


def _bytes(value: Any) -> bytes:
    """A value of a hash as Redis returns it. Of a JobStatus str() gives the name instead of the value."""
    if isinstance(value, bytes):
        return value
    return value.encode() if isinstance(value, str) else str(value).encode()

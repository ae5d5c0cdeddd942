"""Messages: a job's JSON description on its way through Redis. Of the queue package, only this and fair_share know RQ.

A message only rings: the worker reads the job from its row. Losing one costs a delay, two of them are harmless.
"""

from __future__ import annotations

import html
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from rq.job import Job as RqJob
from rq.serializers import JSONSerializer

from jobs.engine.db import redis
from jobs.engine.db.job_view import JobView
from jobs.engine.errors import BrokerUnavailable
from jobs.engine.kinds import catalogue

SOUGHT = 20  # messages that are looked for one by one, before the whole queue is read instead
NOTED = 20  # jobs of a delivery that get a log line of their own
log = logging.getLogger("legwork.delivery")

FUNCTION = "jobs.engine.worker.rq_worker.run_job"  # the function that workers run for a job
HELP_FUNCTION = "jobs.engine.worker.rq_worker.help_job"  # and for parts of a job that another worker leads
RESULT_SECONDS = 500  # how long an ended message stays to be looked at in rq-dashboard; results are in Postgres
FAILURE_SECONDS = 3_600
PART_SECONDS = 60  # how long a message of a part lasts
PARTS = "parts-"  # before the name of a queue: that of the queue of its parts, from which idle workers alone take
LOOKED_AT = 1_000  # keys, when it is asked whose database of the broker this is
TEXT_CHARACTERS = 500  # of one text in a message: it is a description, not the job


# What deliver() and rq_records write of a message. With its other fields RQ would import callbacks, call webhooks, wait for
# other jobs, or repeat this one.
_FIELDS = frozenset(
    ("created_at", "data", "description", "ended_at", "enqueued_at", "failure_ttl", "last_heartbeat", "origin", "result_ttl",
     "started_at", "status", "timeout", "worker_name"),
)  # fmt: skip


class QueueMessage(RqJob):
    """A job's hash in Redis. Whoever wrote it, RQ sees none of its fields but those that Legwork writes."""

    foreign: tuple[str, ...] = ()  # the names of the others that were set

    def restore(self, raw_data: Mapping[Any, Any]) -> None:
        fields = {name.decode() if isinstance(name, bytes) else name: value for name, value in raw_data.items()}
        self.foreign = tuple(sorted(name for name, value in fields.items() if value and name not in _FIELDS))
        super().restore({name: value for name, value in fields.items() if name in _FIELDS})


# From the first queue that is not empty: the queue, the job and its hash. RQ makes two round trips of it.
_TAKE = """
    for _, key in ipairs(KEYS) do
        local id = redis.call('LPOP', key)
        if id then
            local hash = redis.pcall('HGETALL', ARGV[1] .. id)
            return {key, id, hash.err and {} or hash}
        end
    end
"""


class MessageQueue(Queue):
    """RQ's queue, which takes a message and its hash in one round trip."""

    job_class = QueueMessage

    @classmethod
    def dequeue_any(
        cls, queues: Iterable[Queue], timeout: int | None, connection: Redis, *rest: Any, **named: Any
    ) -> tuple[RqJob, Queue] | None:
        """As RQ's. One that has lost its hash is passed over; an error over a hash names its `job_id`."""
        keys = {queue.key: queue for queue in queues}
        take = connection.register_script(_TAKE)
        while taken := take(list(keys), [QueueMessage.redis_job_namespace_prefix]):
            key, job_id, fields = taken
            if fields:
                return _restored(str(job_id, "utf-8", "replace"), fields, connection), keys[key.decode()]
        return super().dequeue_any(keys.values(), timeout, connection, *rest, **named) if timeout else None


def _restored(job_id: str, fields: Sequence[bytes], connection: Redis) -> QueueMessage:
    try:
        message = QueueMessage(job_id, connection, JSONSerializer)
        message.restore(dict(zip(fields[::2], fields[1::2], strict=True)))
    except Exception as error:
        error.job_id = job_id  # type: ignore[attr-defined]  # as RQ does
        raise
    return message


def queue(name: str, connection: Redis | None = None) -> Queue:
    return MessageQueue(name, connection=connection or redis.broker(), serializer=JSONSerializer)


def deliver(jobs: Sequence[JobView]) -> None:
    """Put a message for each job into its queue: a first attempt at the back, any other at the front.

    Raises BrokerUnavailable; some may have been delivered then.
    """
    try:
        for name in {job.queue for job in jobs}:
            first = [job for job in jobs if job.queue == name and job.lease == 0]
            again = [job for job in jobs if job.queue == name and job.lease > 0]
            _to_the_back(queue(name), first)
            _to_the_front(queue(name), again)
            _note(name, first + again)
    except RedisError as error:
        raise BrokerUnavailable(
            "The broker does not answer. The job is safe in the database and starts when it is back."
        ) from error


def call_helpers(job_id: UUID, kind: str, name: str, parts: Sequence[int]) -> None:
    """Tell idle workers of a queue of free parts, one message each, unless as many messages wait already.

    The message only rings: which part a worker takes, and of which job, is decided in Postgres. Raises BrokerUnavailable.
    """
    try:
        line = queue(PARTS + name)
        wanted = parts[: max(0, len(parts) - line.count)]
        line.enqueue_many(
            [
                Queue.prepare_data(
                    HELP_FUNCTION,
                    kwargs={"job": str(job_id), "kind": kind, "from": first},
                    job_id=f"part-{job_id}-{first}",
                    description=f"{kind}: a part of job {job_id}",
                    result_ttl=PART_SECONDS,
                    failure_ttl=PART_SECONDS,
                )
                for first in wanted
            ]
        )
    except RedisError as error:
        raise BrokerUnavailable("The broker does not answer. The job goes on in one worker meanwhile.") from error


def _note(name: str, jobs: Sequence[JobView]) -> None:
    for job in jobs[:NOTED]:
        log.info("job %s: sent to queue %s", job.id, name)
    if len(jobs) > NOTED:
        log.info("and %d more jobs sent to queue %s", len(jobs) - NOTED, name)


def missing_messages(name: str, job_ids: Collection[UUID], front: int | None = None) -> set[UUID]:
    """Those of these jobs whose message is not in a queue, or not among its first so many. Raises BrokerUnavailable."""
    try:
        if front is None and len(job_ids) <= SOUGHT:
            with redis.broker().pipeline(transaction=False) as pipeline:
                for job_id in job_ids:
                    pipeline.lpos(queue(name).key, str(job_id))
                places = pipeline.execute()
            return {job_id for job_id, place in zip(job_ids, places, strict=True) if place is None}
        entries: Any = redis.broker().lrange(queue(name).key, 0, -1 if front is None else front - 1)
        there = set(entries)
        return {job_id for job_id in job_ids if str(job_id).encode() not in there}
    except RedisError as error:
        raise BrokerUnavailable("The broker does not answer.") from error


def waiting_count(name: str) -> int:
    """How many messages wait in a queue. Raises BrokerUnavailable."""
    try:
        return redis.broker().llen(queue(name).key)
    except RedisError as error:
        raise BrokerUnavailable("The broker does not answer.") from error


def broker_answers() -> bool:
    try:
        return bool(redis.broker().ping())
    except RedisError:
        return False


def broker_problem() -> str | None:
    """What is wrong with the broker's own settings, in a sentence; None if nothing. Raises BrokerUnavailable."""
    try:
        memory = redis.broker().info("memory")
        stranger = _stranger()
    except RedisError as error:
        raise BrokerUnavailable("The broker does not answer.") from error
    policy = memory.get("maxmemory_policy", "noeviction")
    if policy != "noeviction" and memory.get("maxmemory"):
        return (
            f"The broker at REDIS_URL drops keys when it is full (maxmemory-policy {policy}). No job is lost by that, but "
            "each one dropped starts late; set maxmemory-policy noeviction."
        )
    if stranger:
        return (
            f"Another program uses the same database of the broker: it holds {stranger!r}. Give Legwork one of its own, as "
            "redis://host/1; messages that are not its own are dropped by its workers."
        )
    return None


def _stranger() -> str:
    """The name of a key or a queue that is none of ours, where one is among the first that are there; else empty."""
    keys: Any = redis.broker().scan(count=LOOKED_AT)[1]
    queues: Any = redis.broker().smembers("rq:queues")
    names = [str(name, "utf-8", "replace") for name in keys]
    foreign = [name for name in names if not name.startswith(("rq:", "legwork:"))]
    ours = {f"rq:queue:{before}{name}" for name in catalogue.queues() for before in ("", PARTS)}
    foreign += [name for one in queues if (name := str(one, "utf-8", "replace")) not in ours]
    return next(iter(foreign), "")[:80]


def withdraw(job: JobView) -> None:
    """Take a job's message out of its queue where that is easy; one that stays is harmless."""
    withdraw_message(job.queue, job.id)


def withdraw_message(name: str, job_id: UUID) -> None:
    """The same by the queue's name and the job's id."""
    try:
        redis.broker().lrem(queue(name).key, 1, str(job_id))
    except RedisError:
        return


def withdraw_all(name: str) -> None:
    """Take all messages out of a queue. Raises BrokerUnavailable."""
    try:
        queue(name).empty()
    except RedisError as error:
        raise BrokerUnavailable("The broker does not answer.") from error


def _to_the_back(queue: Queue, jobs: Sequence[JobView]) -> None:
    if jobs:
        queue.enqueue_many([Queue.prepare_data(FUNCTION, **_message(job), **_keeping(job)) for job in jobs])


def _to_the_front(queue: Queue, jobs: Iterable[JobView]) -> None:
    for job in sorted(jobs, key=lambda job: job.id, reverse=True):  # the oldest goes in last, so it comes out first
        queue.enqueue_call(FUNCTION, **_message(job), **_keeping(job), at_front=True)


def _message(job: JobView) -> dict[str, Any]:
    """What rq-dashboard and redis-cli show of a job."""
    params = {name: _shown_param(value) for name, value in catalogue.shown_params(job.kind, job.params).items()}
    kwargs = {"job": str(job.id), "kind": job.kind, "attempt": job.attempt + 1, "params": params}
    return {"kwargs": kwargs, "job_id": str(job.id), "description": shown(f"{job.kind}: {job.label}", 200)}


def _keeping(job: JobView) -> dict[str, Any]:
    # To RQ the timeout only says how long its records of a running job last: worker/lease.py ends a job at its time limit.
    return {"timeout": job.time_limit + 600, "result_ttl": RESULT_SECONDS, "failure_ttl": FAILURE_SECONDS}


def shown(text: str, characters: int = TEXT_CHARACTERS) -> str:
    """A text for a message: cut, and escaped for HTML, since dashboards put it into their pages as it is."""
    return html.escape(text if len(text) <= characters else text[:characters] + "…")


def _shown_param(value: Any) -> Any:
    return value if isinstance(value, int | float | bool | None) else shown(str(value))

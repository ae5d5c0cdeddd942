"""Whose turn it is in a queue: owners take turns, whatever the number of jobs each has waiting.

The owner with the fewest running jobs comes first; of several, the one whose last turn is the longest ago. Within an owner the
oldest job is first. Postgres says which owners have jobs waiting; Redis stores their turns, and if it loses them each owner
loses at most one turn.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple
from uuid import UUID

from redis.exceptions import RedisError
from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.job import Job as RqJob
from rq.serializers import JSONSerializer
from sqlalchemy import Connection

from jobs.engine.db import postgres, redis
from jobs.engine.queue.delivery import QueueMessage

_TURNS = "legwork:turns:{}"


class WaitingOwner(NamedTuple):
    """An owner with jobs to do: the oldest one that has a message, and how many of theirs run."""

    owner: str
    job_id: UUID
    running: int


# Whether the account of a job may work. While it is suspended its jobs wait; without accounts every owner may work.
SUSPENDED = "select owner from accounts where suspended_at is not null"
MAY_WORK = f"jobs.owner <> all(array({SUSPENDED}))"

# The owners with queued jobs, for a `with recursive`; `{queue}` is the placeholder of the queue's name. They are found by
# leaps in the index jobs_turns: as many steps as there are owners, not jobs.
QUEUED_OWNERS = """owners as (
        (select owner from jobs where state = 'queued' and queue = {queue} order by owner limit 1)
        union all
        select (select owner from jobs where state = 'queued' and queue = {queue} and owner > owners.owner
            order by owner limit 1) from owners where owners.owner is not null
    )"""

_DELIVERED_OF_OTHERS = """exists (select from jobs as other where state = 'queued' and queue = jobs.queue
            and owner {} jobs.owner and delivered_at is not null and (run_at is null or run_at <= now()))"""

# Whether owners other than that of `jobs` have delivered jobs in its queue: two ranges, each of which the index serves.
OTHERS_WAIT = f"({_DELIVERED_OF_OTHERS.format('<')} or {_DELIVERED_OF_OTHERS.format('>')})"

_WAITING = f"""
    with recursive {QUEUED_OWNERS.format(queue="%(queue)s")}
    select owners.owner, oldest.id as job_id, (select count(*) from jobs where state in ('running', 'stopping')
        and jobs.queue = %(queue)s and jobs.owner = owners.owner) as running
    from owners cross join lateral (select id from jobs where state = 'queued' and queue = %(queue)s
        and jobs.owner = owners.owner and delivered_at is not null and (run_at is null or run_at <= now())
        order by id limit 1) as oldest
"""  # noqa: S608 (of our own fragments)
_OWNER = "select owner from jobs where id = %(id)s and state = 'queued'"


def message_in_turn(connection: Connection, message: RqJob, queue: Queue) -> RqJob:
    """This message, or the one it was exchanged for in the queue because it is another owner's turn."""
    waiting = waiting_owners(connection, queue.name)
    owner = _owner_of(connection, UUID(message.id)) if len(waiting) > 1 else None
    if owner is None:
        return message
    with suppress(NoSuchJobError, RedisError):
        first = next_owner(waiting, _recorded_turns(queue.name))
        wanted = first.owner != owner and QueueMessage.fetch(str(first.job_id), queue.connection, JSONSerializer)
        if wanted and _swap_messages(queue, message.id, wanted.id):
            message, owner = wanted, first.owner
        _record_turn(queue.name, owner)
    return message


def waiting_owners(connection: Connection, queue: str) -> list[WaitingOwner]:
    """The owners that have a delivered, due job in this queue."""
    return [WaitingOwner(*row) for row in postgres.execute(connection, _WAITING, {"queue": queue})]


def _owner_of(connection: Connection, job_id: UUID) -> str | None:
    """The owner of a queued job; None if it is not queued any more."""
    found = postgres.execute(connection, _OWNER, {"id": job_id})
    return str(found[0][0]) if found else None


def next_owner(waiting: list[WaitingOwner], had: Mapping[str, float]) -> WaitingOwner:
    """The owner whose turn it is. had: the number of each owner's last turn, counted over all owners."""
    return min(waiting, key=lambda one: (one.running, had.get(one.owner, 0), one.job_id))


def _recorded_turns(queue_name: str) -> dict[str, float]:
    """The number of each owner's last turn in this queue, as far as Redis has it."""
    kept: Any = redis.broker().zrange(_TURNS.format(queue_name), 0, -1, withscores=True)
    return {str(owner, "utf-8", "replace"): score for owner, score in kept}


def _record_turn(queue_name: str, owner: str) -> None:
    """Count a turn of this owner. The counts expire after a day without any."""
    key = _TURNS.format(queue_name)
    with redis.broker().pipeline() as pipeline:
        pipeline.incr(f"{key}:last")
        pipeline.expire(f"{key}:last", 86_400)
        number = pipeline.execute()[0]
        pipeline.zadd(key, {owner: number})
        pipeline.expire(key, 86_400)
        pipeline.execute()


def _swap_messages(queue_: Queue, taken: str, wanted: str) -> bool:
    """Return a taken message to the front of the queue and take another; False if another worker has that one.

    A worker that dies in between loses both messages for some seconds: their jobs are then delivered again.
    """
    connection = queue_.connection
    if not connection.lrem(queue_.key, 1, wanted):
        return False
    with connection.pipeline() as pipeline:
        pipeline.lpush(queue_.key, taken)
        pipeline.lrem(queue_.intermediate_queue_key, 1, taken)
        pipeline.execute()
    return True

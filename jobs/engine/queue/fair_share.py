"""Whose turn it is in a queue: owners take turns, whatever the number of jobs each has waiting.

First comes whoever has the fewest jobs running, then whoever has not had a turn for the longest. Within an owner the oldest job
is first, as ever. The rows say who waits; Redis remembers the turns, and losing that costs nobody more than one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

from rq import Queue
from sqlalchemy import Connection, text

from jobs.engine.db import redis

_TURNS = "legwork:turns:{}"


class WaitingOwner(NamedTuple):
    """An owner with jobs to do: the oldest one that has a message, and how many of theirs run."""

    owner: str
    job_id: UUID
    running: int


# The owners are found by leaps in the index jobs_turns: as many steps as there are owners, not jobs.
_WAITING = text("""
    with recursive owners as (
        (select owner from jobs where state = 'queued' and queue = :queue order by owner limit 1)
        union all
        select (select owner from jobs where state = 'queued' and queue = :queue and owner > owners.owner
            order by owner limit 1) from owners where owners.owner is not null
    )
    select owners.owner, oldest.id as job_id, (select count(*) from jobs where state in ('running', 'stopping')
        and jobs.queue = :queue and jobs.owner = owners.owner) as running
    from owners cross join lateral (select id from jobs where state = 'queued' and queue = :queue
        and jobs.owner = owners.owner and delivered_at is not null and (run_at is null or run_at <= now())
        order by id limit 1) as oldest
""")
_OWNER = text("select owner from jobs where id = :id and state = 'queued'")


def waiting_owners(connection: Connection, queue: str) -> list[WaitingOwner]:
    """Everybody who has a delivered job to do in this queue."""
    return [WaitingOwner(*row) for row in connection.execute(_WAITING, {"queue": queue})]


def owner_of(connection: Connection, job_id: UUID) -> str | None:
    """Whose queued job it is; None if it waits no more."""
    return connection.execute(_OWNER, {"id": job_id}).scalar_one_or_none()


def next_owner(waiting: list[WaitingOwner], had: Mapping[str, float]) -> WaitingOwner:
    """Who comes next. had: the number of each owner's last turn, counted up over all owners."""
    return min(waiting, key=lambda one: (one.running, had.get(one.owner, 0), one.job_id))


def recorded_turns(queue_name: str) -> dict[str, float]:
    """The number of each owner's last turn in this queue, as far as Redis remembers."""
    kept: Any = redis.broker().zrange(_TURNS.format(queue_name), 0, -1, withscores=True)
    return {str(owner, "utf-8", "replace"): score for owner, score in kept}


def record_turn(queue_name: str, owner: str) -> None:
    """Remember that this owner has just had a turn. It is forgotten after a day in which nobody had to wait for another."""
    key = _TURNS.format(queue_name)
    with redis.broker().pipeline() as pipeline:
        pipeline.incr(f"{key}:last")
        pipeline.expire(f"{key}:last", 86_400)
        number = pipeline.execute()[0]
        pipeline.zadd(key, {owner: number})
        pipeline.expire(key, 86_400)
        pipeline.execute()


def swap_messages(queue_: Queue, taken: str, wanted: str) -> bool:
    """Put a message that was taken back to the front and take another instead; False if another worker has that one.

    A worker that dies in between loses both messages for some seconds: the rows are rung again.
    """
    connection = queue_.connection
    if not connection.lrem(queue_.key, 1, wanted):
        return False
    with connection.pipeline() as pipeline:
        pipeline.lpush(queue_.key, taken)
        pipeline.lrem(queue_.intermediate_queue_key, 1, taken)
        pipeline.execute()
    return True

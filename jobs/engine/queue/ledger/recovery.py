"""What is done for workers that died in the middle of a job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from jobs.engine.queue.ledger.attempts import end_attempts, mark_started_unknown, note

# A worker that died after finishing items is not held against the job: only attempts in a row that got nowhere are counted.
# {most} of those are the end: a child that dies has most likely died of the job, a whole worker that vanishes has not.
_LOSE = """
    update jobs set
        state = case when state = 'stopping' then 'cancelled'
            when attempt >= {most} and not advanced then 'failed' else 'queued' end,
        reason = case when state = 'stopping' then 'stopped' else 'worker_lost' end,
        message = case when state = 'stopping' then 'Stopped by a person. What was done is kept.'
            when attempt >= {most} and not advanced
                then 'Its worker died ' || attempt || ' times without finishing anything. Look at the log before trying again.'
            else 'Its worker was lost; another goes on after the last finished item.' end,
        finished_at = case when state = 'stopping' or attempt >= {most} and not advanced then now() end,
        attempt = case when advanced and state = 'running' then 0 else attempt end,
        lease_until = null, delivered_at = null, worker = null
    where {which} and state in ('running', 'stopping')
    returning id, lease, state
"""
_LOSE_ONE = text(_LOSE.format(which="id = :id and lease = :lease", most="max_attempts"))
_LOSE_SILENT = text(
    _LOSE.format(
        which="""id in (select id from jobs where state in ('running', 'stopping') and lease_until < now()
            order by id limit 500 for update skip locked)""",
        most="2 * max_attempts",
    )
)
_LOSE_DEAD = text(_LOSE.format(which="worker = any(:workers)", most="2 * max_attempts"))


def give_up(connection: Connection, job_id: UUID, lease: int) -> str | None:
    """Free a job whose child died, as its worker sees it. Returns the state it is in now; None if it was not ours."""
    lost = connection.execute(_LOSE_ONE, {"id": job_id, "lease": lease}).all()
    _after_loss(connection, lost)
    return lost[0].state if lost else None


def recover_expired(connection: Connection) -> list[UUID]:
    """Free the jobs whose workers have been silent for longer than their lease. Returns their ids."""
    lost = connection.execute(_LOSE_SILENT).all()
    _after_loss(connection, lost)
    return [row.id for row in lost]


def recover_dead(connection: Connection, workers: Sequence[str]) -> list[UUID]:
    """Free the jobs of workers that their supervisor saw end, at once. Returns their ids."""
    lost = connection.execute(_LOSE_DEAD, {"workers": list(workers)}).all()
    _after_loss(connection, lost)
    return [row.id for row in lost]


def _after_loss(connection: Connection, lost: Sequence[Any]) -> None:
    for row in lost:
        mark_started_unknown(connection, row.id)
    end_attempts(connection, [(row.id, row.lease) for row in lost], "lost", None)
    words = {
        "queued": "its worker was lost; back in the queue, what is finished is kept",
        "failed": "its worker was lost",
    }
    for row in lost:
        note(connection, row.id, "warning", words.get(row.state, "its worker was lost while it was being stopped"))

"""Recovery: put back into the queue, or fail, the jobs of workers that were lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from jobs.engine.db.postgres import execute
from jobs.engine.queue.ledger.attempts import end_attempts, mark_started_unknown, note

# Only attempts in a row that finished no item count, and after {most} of them the job fails: fewer where a child process died,
# most likely of the job itself, than where a whole worker vanished.
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
        sealed = case when state = 'stopping' or attempt >= {most} and not advanced then null else sealed end,
        attempt = case when advanced and state = 'running' then 0 else attempt end,
        lease_until = null, delivered_at = null, worker = null
    where {which} and state in ('running', 'stopping')
    returning id, lease, state
"""
_LOSE_ONE = _LOSE.format(which="id = %(id)s and lease = %(lease)s", most="max_attempts")
_LOSE_EXPIRED = _LOSE.format(
    which="""id in (select id from jobs where state in ('running', 'stopping') and lease_until < now()
        order by id limit 500 for update skip locked)""",
    most="2 * max_attempts",
)
_LOSE_DEAD = _LOSE.format(which="worker = any(%(workers)s)", most="2 * max_attempts")


class LostJob(NamedTuple):
    """A job whose worker or child process died, and the state it is in now."""

    id: UUID
    lease: int
    state: str


def give_up(connection: Connection, job_id: UUID, lease: int) -> str | None:
    """Free a job whose child process died. Returns the state it is in now; None if this lease did not hold it."""
    lost = _recover(connection, _LOSE_ONE, {"id": job_id, "lease": lease})
    return lost[0].state if lost else None


def recover_expired(connection: Connection) -> list[UUID]:
    """Free the jobs whose lease has expired. Returns their ids."""
    return [job.id for job in _recover(connection, _LOSE_EXPIRED)]


def recover_dead(connection: Connection, workers: Sequence[str]) -> list[UUID]:
    """Free the jobs of workers that their supervisor saw end, at once. Returns their ids."""
    return [job.id for job in _recover(connection, _LOSE_DEAD, {"workers": list(workers)})]


def _recover(connection: Connection, statement: str, values: Mapping[str, Any] | None = None) -> list[LostJob]:
    lost = [LostJob(*row) for row in execute(connection, statement, values)]
    for job in lost:
        mark_started_unknown(connection, job.id)
    end_attempts(connection, [(job.id, job.lease) for job in lost], "lost", None)
    for job in lost:
        note(connection, job.id, "warning", _LINES.get(job.state, "its worker was lost while it was being stopped"))
    return lost


_LINES = {
    "queued": "its worker was lost; back in the queue, what is finished is kept",
    "failed": "its worker was lost",
}

"""How a worker claims a job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from jobs.engine.db.postgres import execute
from jobs.engine.queue import fair_share
from jobs.engine.queue.ledger.attempts import DOUBTED, NOT_HELPED

LEASE_SECONDS = 6


@dataclass(frozen=True)
class PartRange:
    """A stretch of a job's items: the positions and keys of its first and its last one."""

    first: int
    last: int
    first_key: str
    last_key: str


@dataclass(frozen=True)
class Help:
    """What makes a claim that of a helper: its number, its worker and the queues that one serves, and its first part."""

    helper: int
    worker: str
    part: PartRange
    queues: tuple[str, ...]


@dataclass(frozen=True)
class Claim:
    """A job that a worker has claimed; with `help`, a job that it takes parts of while another worker leads it."""

    job_id: UUID
    lease: int
    kind: str
    params: dict[str, Any]
    owner: str
    attempt: int
    max_attempts: int
    sample: int | None
    time_limit: int
    resumed: bool  # an earlier attempt may have finished some items
    sealed: dict[str, str] | None = None  # secret params, encrypted
    help: Help | None = None


class Contended(Exception):
    """Nothing was claimed: jobs of other owners wait in the same queue, so fair share decides first."""


# One statement, so that one round trip claims on a connection in autocommit mode.
_CLAIM = f"""
    with due as (
        select id, lease, {{contested}} as contested from jobs
        where id = %(id)s and state = 'queued' and (run_at is null or run_at <= now())
            and not exists (select from paused_queues where paused_queues.queue = jobs.queue)
            and {fair_share.MAY_WORK} for update
    ), doubted as (
        {DOUBTED} from due where not contested and items.job_id = due.id and due.lease > 0 and items.state = 'started'
            and {NOT_HELPED}
        returning 1
    ), taken as (
        update jobs set state = 'running', lease = jobs.lease + 1, attempt = attempt + 1, advanced = false,
            worker = %(worker)s, lease_until = now() + interval '{LEASE_SECONDS} s',
            started_at = coalesce(started_at, now()), unknown = unknown + (select count(*) from doubted),
            reason = null, message = null, detail = null, result = null
        from due where not contested and jobs.id = due.id
        returning jobs.id as job_id, jobs.lease, kind, params, owner, attempt, max_attempts, sample, time_limit,
            (jobs.lease > 1) as resumed, sealed
    ), attempt as (
        insert into attempts (job_id, lease, attempt, worker) select job_id, lease, attempt, %(worker)s from taken
    )
    select contested, taken.* from due left join taken on true
"""
_CLAIM_ALONE = _CLAIM.format(contested=fair_share.OTHERS_WAIT)
_CLAIM_ANYWAY = _CLAIM.format(contested="false")


def claim(connection: Connection, job_id: UUID, worker: str) -> Claim | None:
    """Claim a due queued job for this worker; None if it is claimed, stopped, deleted, paused or not due yet,
    or its owner's account is suspended.

    Items that an earlier attempt started and never ended are `unknown` from here on.
    """
    return _claimed(connection, _CLAIM_ANYWAY, job_id, worker)


def claim_if_uncontended(connection: Connection, job_id: UUID, worker: str) -> Claim | None:
    """As `claim`, but raises Contended where the queue has delivered jobs of other owners too."""
    return _claimed(connection, _CLAIM_ALONE, job_id, worker)


def _claimed(connection: Connection, statement: str, job_id: UUID, worker: str) -> Claim | None:
    found = execute(connection, statement, {"id": job_id, "worker": worker})
    if not found:
        return None
    contested, *taken = found[0]
    if contested:
        raise Contended
    return Claim(*taken)

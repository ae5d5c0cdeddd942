"""Parts: how several workers work on one job. See docs/wide-jobs.md.

The worker that claimed the job leads it: it cuts the items that are left into parts (`publish`). Any worker of the queue that has
nothing else to do becomes a helper, with a lease of its own (`help_out`), and takes one part after another (`next_part`). The
leader takes what nobody has taken (`take_own`), and `look` tells it which parts are done and which came back.

What a helper writes names its own lease. If the leader is lost, its helpers finish their parts; the next leader waits for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from jobs.engine.db.postgres import execute
from jobs.engine.jsonsafe import dumps
from jobs.engine.queue import fair_share
from jobs.engine.queue.ledger.attempts import DOUBTED, note
from jobs.engine.queue.ledger.claims import LEASE_SECONDS, Claim, Help, PartRange
from jobs.engine.queue.ledger.lease import Signal

MOST_FAILED = 3  # helpers of an attempt that failed: then nobody helps any more
LOST = ("lost", "risk", "memory_limit")  # ends of a helper that the job's log tells
MOST_RETURNED = 2  # times that a part came back: then the leader does it

_PUBLISH = """
    insert into parts (job_id, leader, first, last, first_key, last_key)
    select jobs.id, jobs.lease, p.first, p.last, p.first_key, p.last_key
    from jobs, json_to_recordset(cast(%(parts)s as json)) as p(first bigint, last bigint, first_key text, last_key text)
    where jobs.id = %(id)s and jobs.lease = %(lease)s and jobs.state = 'running'
    on conflict do nothing
"""


def publish(connection: Connection, job_id: UUID, lease: int, parts: Sequence[PartRange]) -> None:
    """Offer these parts to other workers. Safe to call again. Nothing happens where the job has another lease by now."""
    execute(connection, _PUBLISH, {"id": job_id, "lease": lease, "parts": dumps([vars(part) for part in parts])})


_TAKE_OWN = """
    with ended as (
        update parts set state = 'done' where job_id = %(id)s and leader = %(lease)s and first = any(%(done)s)
    ), part as (
        select first from parts where job_id = %(id)s and leader = %(lease)s and state = 'free'
        order by first limit 1 for update skip locked
    )
    update parts set state = 'taken', helper = null from part
    where parts.job_id = %(id)s and parts.leader = %(lease)s and parts.first = part.first
    returning parts.first, parts.returned > 0
"""


class OwnPart(NamedTuple):
    """A part that the leader has taken. `begun`: helpers have had it, so some of its items may have ended."""

    first: int
    begun: bool


def take_own(connection: Connection, job_id: UUID, lease: int, done: Sequence[int] = ()) -> OwnPart | None:
    """The leader takes the first free part; None if none is free. `done`: the first positions of those it has finished."""
    taken = execute(connection, _TAKE_OWN, {"id": job_id, "lease": lease, "done": list(done)})
    return OwnPart(*taken[0]) if taken else None


class PartState(NamedTuple):
    """A part as it is now. `state`: free, taken or done; `helper` is None where the leader has taken it."""

    first: int
    state: str
    helper: int | None


_LOOK = "select first, state, helper from parts where job_id = %(id)s and leader = %(lease)s and first = any(%(parts)s)"


def look(connection: Connection, job_id: UUID, lease: int, parts: Sequence[int]) -> list[PartState]:
    """How these parts of an attempt stand, named by their first positions."""
    return [PartState(*row) for row in execute(connection, _LOOK, {"id": job_id, "lease": lease, "parts": list(parts)})]


# Whether a job that is due waits in one of a worker's queues: such a job comes before any part.
_DUE = f"""exists (select from jobs as due where due.state = 'queued' and due.queue = any(%(queues)s)
    and due.delivered_at is not null and (due.run_at is null or due.run_at <= now())
    and due.owner <> all(array({fair_share.SUSPENDED})) and due.queue not in (select queue from paused_queues))"""
_FREE = f"""exists (select from parts where parts.job_id = {{0}}.id and parts.leader = {{0}}.lease and parts.state = 'free'
    and parts.returned < {MOST_RETURNED})"""
_HELPERS_OF_OWNER = """(select count(*) from helpers join jobs as theirs on theirs.id = helpers.job_id
    where helpers.ended_at is null and theirs.owner = {}.owner)"""

# The job whose owner has the fewest helpers, of those the one with the fewest.
_HELP_OUT = f"""
    with wide as (
        select jobs.id, jobs.lease from jobs
        where jobs.state = 'running' and jobs.queue = any(%(queues)s) and jobs.kind = any(%(kinds)s)
            and {_FREE.format("jobs")} and not {_DUE}
            and jobs.queue not in (select queue from paused_queues) and {fair_share.MAY_WORK}
            and (select count(*) from helpers where helpers.job_id = jobs.id and helpers.leader = jobs.lease
                and how = 'failed') < {MOST_FAILED}
        order by {_HELPERS_OF_OWNER.format("jobs")},
            (select count(*) from helpers where helpers.job_id = jobs.id and ended_at is null), jobs.id
        limit 1
    ), part as (
        select job_id, leader, first from parts, wide where job_id = wide.id and leader = wide.lease and state = 'free'
            and returned < {MOST_RETURNED}
        order by first limit 1 for update of parts skip locked
    ), helper as (
        insert into helpers (job_id, leader, worker, lease_until)
        select job_id, leader, %(worker)s, now() + interval '{LEASE_SECONDS} s' from part returning id
    ), taken as (
        update parts set state = 'taken', helper = helper.id from part, helper
        where parts.job_id = part.job_id and parts.leader = part.leader and parts.first = part.first
        returning parts.job_id, helper, parts.first, last, first_key, last_key
    )
    select jobs.id, jobs.lease, kind, params, owner, attempt, max_attempts, sample, time_limit, true as resumed, sealed,
        taken.helper, taken.first, last, first_key, last_key
    from jobs, taken where jobs.id = taken.job_id
"""


def help_out(connection: Connection, kinds: Sequence[str], queues: Sequence[str], worker: str) -> Claim | None:
    """Take a part of a running job of these kinds in these queues; None if there is none, or a due job waits in one of them."""
    found = execute(connection, _HELP_OUT, {"kinds": list(kinds), "queues": list(queues), "worker": worker})
    if not found:
        return None
    *job, helper, first, last, first_key, last_key = found[0]
    given = Help(helper, worker, PartRange(first, last, first_key, last_key), tuple(queues))
    return replace(Claim(*job), help=given)


# Not if a due job waits, the queue is paused, the worker was asked to leave, or another owner's job has fewer helpers.
_NEXT_PART = f"""
    with held as (
        select helpers.job_id, helpers.leader from helpers join jobs on jobs.id = helpers.job_id
        where helpers.id = %(helper)s and ended_at is null and jobs.lease = helpers.leader and jobs.state = 'running'
            and not {_DUE} and jobs.queue not in (select queue from paused_queues)
            and not exists (select from workers where workers.name = helpers.worker and asked is not null)
            and not exists (select from jobs as other where other.state = 'running' and other.queue = any(%(queues)s)
                and other.owner <> jobs.owner and {_FREE.format("other")}
                and {_HELPERS_OF_OWNER.format("other")} + 1 < {_HELPERS_OF_OWNER.format("jobs")})
    ), part as (
        select parts.job_id, parts.leader, first from parts, held
        where parts.job_id = held.job_id and parts.leader = held.leader and state = 'free' and first > %(after)s
            and returned < {MOST_RETURNED}
        order by first limit 1 for update of parts skip locked
    )
    update parts set state = 'taken', helper = %(helper)s from part
    where parts.job_id = part.job_id and parts.leader = part.leader and parts.first = part.first
    returning parts.first, last, first_key, last_key
"""


def next_part(connection: Connection, given: Help, after: int) -> PartRange | None:
    """The helper's next part, beyond the position `after`; None where it is to end."""
    values = {"helper": given.helper, "queues": list(given.queues), "after": after}
    taken = execute(connection, _NEXT_PART, values)
    return PartRange(*taken[0]) if taken else None


_FINISH = "update parts set state = 'done' where helper = %(helper)s and state = 'taken' and first = %(first)s"


def finish_part(connection: Connection, helper: int, first: int) -> None:
    """All items of the helper's part that begins here are recorded."""
    execute(connection, _FINISH, {"helper": helper, "first": first})


_BEAT = f"""
    update helpers set lease_until = now() + interval '{LEASE_SECONDS} s' from jobs
    where helpers.id = %(helper)s and ended_at is null and jobs.id = job_id
        and state in ('running', 'stopping', 'queued')
    returning extract(epoch from now() - cancel_requested_at)::float8
"""


def beat(connection: Connection, helper: int) -> Signal | None:
    """Extend a helper's lease; None if it has ended."""
    found = execute(connection, _BEAT, {"helper": helper})
    return Signal(*found[0]) if found else None


_END = "update helpers set ended_at = now(), how = %(how)s where {} and ended_at is null returning id, job_id"
_END_ONE = _END.format("id = %(helper)s")
_END_EXPIRED = _END.format("lease_until < now()")
_END_OF_WORKERS = _END.format("worker = any(%(workers)s)")
_END_OF_JOB = _END.format("job_id = %(id)s")

# Parts that are not done are free again; what was started in them and never ended is unknown. A statement of its own: the one
# before may have waited for the last outcomes of these helpers, and would not see them.
_FREE_PARTS = f"""
    with freed as (
        update parts set state = 'free', helper = null, returned = returned + 1
        where helper = any(%(helpers)s) and state = 'taken' returning job_id, first, last
    ), doubted as (
        {DOUBTED} from freed where items.job_id = freed.job_id and items.state = 'started'
            and items.position between freed.first and freed.last
        returning items.job_id
    ), counted as (
        select job_id, count(*) as many from doubted group by job_id
    )
    update jobs set unknown = unknown + many from counted where jobs.id = counted.job_id
"""


def _end(connection: Connection, statement: str, how: str, **values: Any) -> list[UUID]:
    """Both statements, in the caller's transaction. Returns the jobs."""
    ended = execute(connection, statement, values | {"how": how})
    if ended:
        execute(connection, _FREE_PARTS, {"helpers": [helper for helper, _ in ended]})
    if how in LOST:
        for _, job_id in ended:
            note(
                connection, job_id, "warning", "a helping worker was lost; its parts are free, what is finished is kept"
            )
    return list({job_id for _, job_id in ended})


def end_helper(connection: Connection, helper: int, how: str) -> None:
    """End a helper's lease. how: done, stopped, shutdown, failed or lost. In a transaction."""
    _end(connection, _END_ONE, how, helper=helper)


def end_helpers_of(connection: Connection, job_id: UUID) -> None:
    """End the leases of all helpers of a job, before it is settled. In a transaction."""
    _end(connection, _END_OF_JOB, "stopped", id=job_id)


def recover_helpers(connection: Connection, workers: Sequence[str] | None = None) -> list[UUID]:
    """Free the parts of helpers whose lease has expired, or of workers that were seen to end. Returns their jobs.

    In a transaction.
    """
    if workers is None:
        return _end(connection, _END_EXPIRED, "lost")
    return _end(connection, _END_OF_WORKERS, "lost", workers=list(workers))


_ALIVE = "select count(*) from helpers where job_id = %(id)s and ended_at is null"


def living_helpers(connection: Connection, job_id: UUID) -> int:
    """How many helpers of this job, of any attempt, have a lease."""
    return int(execute(connection, _ALIVE, {"id": job_id})[0][0])

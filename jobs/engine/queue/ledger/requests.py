"""What people and the clock ask for: create, stop, retry, pin and delete jobs, and mark their messages."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from jobs.engine.db.job_view import COLUMNS, JobView
from jobs.engine.db.models import Job, new_id
from jobs.engine.db.postgres import execute
from jobs.engine.jsonsafe import dumps
from jobs.engine.queue import fair_share
from jobs.engine.queue.ledger.attempts import MESSAGE_CHARACTERS, cut, note


class KeyTaken(Exception):
    """Nothing was created: the owner has a job with this idempotency key."""


class TooManyWaiting(Exception):
    """Nothing was created: the owner has as many waiting jobs as the limit allows."""


def create(connection: Connection, job: Job, *, delivered: bool = False, most: int | None = None) -> JobView:
    """Put a new job into the queue. The caller commits, and only then delivers. Raises KeyTaken, TooManyWaiting.

    most: jobs of the owner that may wait, this one included; None for any number.
    delivered: mark it as delivered now, which saves a transaction. The caller delivers it next, and calls
    `mark_undelivered` if that fails; if the caller dies in between, the clock finds no message and delivers it.
    """
    values = {"id": new_id()} | {name: value for name, value in vars(job).items() if not name.startswith("_")}
    asked = values | {"params": dumps(job.params), "sealed": job.sealed and dumps(job.sealed), "_most": most}
    asked |= {"estimated": dumps(job.estimated)} if job.estimated else {}
    ((full, *made),) = execute(connection, _creating(tuple(values), delivered), asked)
    if full:
        raise TooManyWaiting
    if made[0] is None:
        raise KeyTaken
    return JobView(*made)


@cache
def _creating(names: tuple[str, ...], delivered: bool) -> str:
    columns, given = (*names, "delivered_at") if delivered else names, [f"%({name})s" for name in names]
    values = [*given, "now()"] if delivered else given
    return f"""
        with waiting as (
            select count(*) >= cast(%(_most)s as bigint) as full from (
                select from jobs where owner = %(owner)s and state = 'queued' limit %(_most)s) as counted
        ), made as (
            insert into jobs ({", ".join(columns)}) select {", ".join(values)} from waiting where waiting.full is not true
            on conflict do nothing returning {", ".join(COLUMNS)}
        )
        select waiting.full, made.* from waiting left join made on true
    """


_DELIVERED = "update jobs set delivered_at = now() where id = any(%(ids)s) and state = 'queued'"


def mark_delivered(connection: Connection, job_ids: Sequence[UUID]) -> None:
    """Note that messages for these jobs were put into Redis just now."""
    execute(connection, _DELIVERED, {"ids": list(job_ids)})


_UNDELIVERED = "update jobs set delivered_at = null where id = any(%(ids)s) and state = 'queued'"


def mark_undelivered(connection: Connection, job_ids: Sequence[UUID]) -> None:
    """Note that the messages of these jobs are gone from Redis; the clock delivers them again."""
    if job_ids:
        execute(connection, _UNDELIVERED, {"ids": list(job_ids)})


_UNDELIVER_QUEUE = """
    update jobs set delivered_at = null where state = 'queued' and queue = %(queue)s and delivered_at is not null
"""


def undeliver(connection: Connection, queue: str) -> None:
    """Note that all messages of this queue are gone; the clock delivers the jobs that are due."""
    execute(connection, _UNDELIVER_QUEUE, {"queue": queue})


_DEFER = """
    update jobs set run_at = now() + make_interval(secs => %(seconds)s), reason = 'no_kind', message = %(message)s,
        delivered_at = null
    where id = %(id)s and kind = %(kind)s and state = 'queued' and (run_at is null or run_at <= now())
"""


def defer_unknown_kind(connection: Connection, job_id: UUID, kind: str, seconds: float, message: str) -> None:
    """Put off a due job that this worker cannot run, because it does not know the kind. No attempt is counted."""
    values = {"id": job_id, "kind": kind, "seconds": seconds, "message": cut(message, MESSAGE_CHARACTERS)}
    execute(connection, _DEFER, values)


_RESUME = """
    update jobs set run_at = null, delivered_at = null, reason = 'answered', message = 'It has its answer and goes on.'
    where id = %(id)s and state = 'queued' and reason = %(reason)s
"""


def resume(connection: Connection, job_id: UUID, reason: str = "approval") -> None:
    """Let a job go on that waited for a person, or for a provider. The caller commits, and only then delivers."""
    execute(connection, _RESUME, {"id": job_id, "reason": reason})


_ASK_STOP = """
    update jobs set state = case when state = 'queued' then 'cancelled' else 'stopping' end,
        cancel_requested_at = coalesce(cancel_requested_at, now()),
        finished_at = case when state = 'queued' then now() end, reason = 'stopped',
        sealed = case when state = 'queued' then null else sealed end,
        message = case when state = 'queued' then 'Stopped by a person before it began.'
            else 'A stop was asked; the work is ending.' end
    where {which} and state in ('queued', 'running') returning id, state, kind, queue
"""
_ASK_ONE = _ASK_STOP.format(which="id = %(id)s")
_ASK_MANY = _ASK_STOP.format(which="id = any(%(ids)s) and owner = %(owner)s")


def ask_stop(connection: Connection, job_id: UUID) -> str | None:
    """Stop a queued job at once, a running one at its next check. Returns its new state; None if it was neither."""
    asked = execute(connection, _ASK_ONE, {"id": job_id})
    return str(asked[0][1]) if asked else None


def ask_stops(connection: Connection, job_ids: Sequence[UUID], owner: str) -> list[tuple[UUID, str, str, str]]:
    """The same for many jobs of an owner: id, new state, kind and queue of each that was queued or running."""
    asked = execute(connection, _ASK_MANY, {"ids": list(job_ids), "owner": owner})
    return [(job_id, state, kind, queue) for job_id, state, kind, queue in asked]


_HOLD = """
    update jobs set delivered_at = null
    where state = 'queued' and delivered_at is not null and owner = any(%(owners)s)
"""
_STOP_RUNNING = """
    update jobs set state = 'stopping', cancel_requested_at = now(), reason = 'stopped',
        message = 'Its account was suspended; the work is ending.'
    where state = 'running' and owner = any(%(owners)s) returning id
"""


def hold_suspended(connection: Connection) -> list[UUID]:
    """Stop what suspended accounts have running, and let what they have waiting wait. Returns the stopped jobs."""
    owners = [owner for (owner,) in execute(connection, fair_share.SUSPENDED)]
    if not owners:
        return []
    execute(connection, _HOLD, {"owners": owners})
    return [job_id for (job_id,) in execute(connection, _STOP_RUNNING, {"owners": owners})]


_RETRY = """
    update jobs set state = 'queued', attempt = 0, advanced = false, reason = null, message = null, detail = null,
        result = null, run_at = null, delivered_at = null, cancel_requested_at = null, finished_at = null, worker = null,
        started_at = null, failed = case when %(everything)s or %(failed)s then 0 else failed end,
        done = case when %(everything)s then 0 else done end, skipped = case when %(everything)s then 0 else skipped end,
        unknown = case when %(everything)s or %(doubtful)s then 0 else unknown end,
        total = case when %(everything)s then null else total end,
        note = null
    where id = %(id)s and state in ('succeeded', 'partial', 'failed', 'cancelled') returning id
"""


def retry(
    connection: Connection, job_id: UUID, *, everything: bool, failed: bool = True, doubtful: bool = False
) -> bool:
    """Queue an ended job again: from nothing, or keeping its items but those asked for. False if it has not ended.

    failed: those that failed are done again. doubtful: those that are `unknown` are done again.
    """
    wanted = {"id": job_id, "everything": everything, "failed": failed, "doubtful": doubtful}
    if not execute(connection, _RETRY, wanted):
        return False
    execute(connection, _FORGET_ITEMS, wanted)
    execute(connection, _FORGET_BATCHES, {"id": job_id})
    if everything:
        execute(connection, _FORGET_STEPS, {"id": job_id})
        execute(connection, _FORGET_APPROVALS, {"id": job_id})
    execute(connection, _HIDE_FILES, {"id": job_id})
    note(connection, job_id, "info", "started again by a person" + ("" if everything else ", keeping what is done"))
    return True


_FORGET_ROWS = """
    with gone as (
        delete from items where job_id = %(id)s and position = any(cast(%(positions)s as bigint[]))
            and (state in ('failed', 'unknown') or not %(keep_done)s) returning state
    )
    select count(*) filter (where state = 'done'), count(*) filter (where state = 'failed'),
        count(*) filter (where state = 'skipped'), count(*) filter (where state = 'unknown') from gone
"""
_TAKE_OFF = """
    update jobs set done = done + %(done)s, failed = failed + %(failed)s, skipped = skipped + %(skipped)s,
        unknown = unknown + %(unknown)s where id = %(id)s
"""


def retry_rows(connection: Connection, job_id: UUID, positions: Sequence[int], *, keep_done: bool) -> bool:
    """Queue an ended job again, which the caller has locked, without the items at these places. False if there are none.

    keep_done: what is done or skipped stays.
    """
    named = {"id": job_id, "positions": list(positions), "keep_done": keep_done}
    gone = execute(connection, _FORGET_ROWS, named)[0]
    if not any(gone):
        return False
    kept = {"id": job_id, "everything": False, "failed": False, "doubtful": False}
    execute(connection, _RETRY, kept)
    execute(connection, _FORGET_BATCHES, {"id": job_id})
    counts = zip(("done", "failed", "skipped", "unknown"), gone, strict=True)
    execute(connection, _TAKE_OFF, {"id": job_id} | {name: -count for name, count in counts})
    execute(connection, _HIDE_FILES, {"id": job_id})
    note(connection, job_id, "info", f"started again by a person for {sum(gone)} chosen rows, keeping the others")
    return True


_FORGET_ITEMS = """
    delete from items where job_id = %(id)s
        and (%(everything)s or (cast(%(failed)s as boolean) and state = 'failed')
            or (cast(%(doubtful)s as boolean) and state = 'unknown'))
"""
_FORGET_BATCHES = "update provider_batches set state = 'over' where job_id = %(id)s and state = 'ended'"
_FORGET_STEPS = "delete from steps where job_id = %(id)s"
_FORGET_APPROVALS = "delete from approvals where job_id = %(id)s"
_HIDE_FILES = "update files set visible = false where job_id = %(id)s and lease is not null"


_RESEAL = """
    update jobs set params = cast(%(params)s as json), sealed = cast(%(sealed)s as json)
    where id = %(id)s
"""


def reseal(connection: Connection, job_id: UUID, params: dict[str, Any], sealed: dict[str, str] | None) -> None:
    """Store the secrets of a job under another key. The caller has locked the row."""
    values = {"id": job_id, "params": dumps(params), "sealed": sealed and dumps(sealed)}
    execute(connection, _RESEAL, values)


def pin(connection: Connection, job_id: UUID, pinned: bool) -> None:
    """Protect a job from deletion, or no longer."""
    execute(connection, "update jobs set pinned = %(pinned)s where id = %(id)s", {"id": job_id, "pinned": pinned})


def rename(connection: Connection, job_id: UUID, name: str) -> None:
    """Give a job another name."""
    execute(connection, "update jobs set label = %(name)s where id = %(id)s", {"id": job_id, "name": name})


def delete(connection: Connection, job_id: UUID) -> list[str]:
    """Delete an ended job with its items, log and outputs. Returns the blobs to remove after the commit."""
    blobs = [blob for (blob,) in execute(connection, _DELETE_FILES, {"id": job_id})]
    for statement in _DELETE:
        execute(connection, statement, {"id": job_id})
    return blobs


_DELETE_FILES = "delete from files where job_id = %(id)s returning blob"
_DELETE = [
    f"delete from {table} where {column} = %(id)s"
    for table, column in (("items", "job_id"), ("job_log", "job_id"), ("jobs", "id"))
]

# Outputs that were not shown when their job ended. While it goes on, a later attempt may still take them over.
_FORGET_FILES = """
    delete from files using jobs
    where files.job_id = jobs.id and not files.visible
        and jobs.state in ('succeeded', 'partial', 'failed', 'cancelled')
    returning files.blob
"""


def forget_hidden_files(connection: Connection) -> list[str]:
    """Delete the outputs that will never be shown. Returns the blobs to remove after the commit."""
    return [blob for (blob,) in execute(connection, _FORGET_FILES)]


_REVISE = """
    update items set verdict = r.verdict, output = r.output
    from json_to_recordset(cast(%(rows)s as json)) as r(key text, verdict text, output json)
    where items.job_id = %(id)s and items.key = r.key and items.state = 'done'
"""


def revise(connection: Connection, job_id: UUID, rows: Sequence[dict[str, Any]]) -> None:
    """Give finished items another verdict. Each row: key, verdict and the whole output. The caller has locked the job's row."""
    execute(connection, _REVISE, {"id": job_id, "rows": dumps(rows)})


_REVISE_RESULT = "update jobs set result = cast(%(result)s as json) where id = %(id)s and result is not null"


def revise_result(connection: Connection, job_id: UUID, result: dict[str, Any]) -> None:
    """Set the result of an ended job after its items were revised."""
    execute(connection, _REVISE_RESULT, {"id": job_id, "result": dumps(result)})

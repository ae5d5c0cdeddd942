"""What the worker that has claimed a job writes. Every write names the lease."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from jobs.engine.billing import Bill
from jobs.engine.db.models import ENDED_STATES, Counts, new_id
from jobs.engine.db.postgres import execute
from jobs.engine.errors import LeaseLost, LegworkError
from jobs.engine.files.blobs import Blob
from jobs.engine.jsonsafe import clean_text, dumps
from jobs.engine.queue.ledger.attempts import DETAIL_CHARACTERS, DOUBTED, MESSAGE_CHARACTERS, cut, end_attempts
from jobs.engine.queue.ledger.claims import LEASE_SECONDS, Claim

RESULT_BYTES = 1_000_000


@dataclass(frozen=True)
class Signal:
    """What a write returns to the attempt."""

    stop_asked_seconds: float | None  # how long ago a person asked for a stop
    prompt_tokens: int = 0
    completion_tokens: int = 0
    counts: Counts | None = None


@dataclass
class Outcome:
    """The outcome of one item. `state` is one of models.ITEM_STATES."""

    key: str
    position: int
    state: str
    input: dict[str, Any] | None = None
    output: dict[str, Any] | None = None
    reason: str | None = None
    error: str | None = None
    tokens: int | None = None
    seconds: float | None = None
    verdict: str | None = None  # where items are judged: one of models.VERDICTS
    completion_tokens: int | None = None  # of `tokens`, as are the next two
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost: str | None = None  # a decimal number of dollars
    unpriced: int = 0  # 1 where the price is not known
    released: str = "0"  # of what was reserved for it,
    unsure: str = "0"  # of which this may have been spent by calls that broke off
    reused: int = 0  # answers that were kept from earlier jobs,
    saved: str = "0"  # and what they cost then

    def charge(self, bill: Bill) -> None:
        """Note what its calls of a model took."""
        usage = bill.usage
        self.tokens = usage.tokens or None
        self.completion_tokens = usage.completion or None
        self.cached_tokens, self.reasoning_tokens = usage.cached or None, usage.reasoning or None
        self.cost, self.unpriced = None if bill.cost is None else format(bill.cost, "f"), int(bill.unpriced)
        self.released, self.unsure = format(bill.held, "f"), format(bill.unsure, "f")
        self.reused, self.saved = bill.reused, format(bill.saved, "f")


@dataclass
class Batch:
    """What one transaction of an attempt writes."""

    outcomes: list[Outcome] = field(default_factory=list)
    lines: list[tuple[str, str]] = field(default_factory=list)  # level, text
    progress: dict[str, Any] = field(default_factory=dict)  # total, note, result; done only for kinds without items


_BEAT = f"""
    update jobs set lease_until = now() + interval '{LEASE_SECONDS} s'
    where id = %(id)s and lease = %(lease)s and state in ('running', 'stopping')
    returning extract(epoch from now() - cancel_requested_at)::float8
"""


def beat(connection: Connection, job_id: UUID, lease: int) -> Signal | None:
    """Extend the lease by LEASE_SECONDS; None if the job has another lease by now, or none."""
    found = execute(connection, _BEAT, {"id": job_id, "lease": lease})
    return Signal(*found[0]) if found else None


# One statement, so that one round trip writes items, log, counts and tokens, or nothing of them.
# `held` locks the row whose lease is named: the job's, or that of a helper, which leaves the job's unlocked until the end.
_RECORD_HELD = """
    with held as ({}), given as (
        select o.* from json_to_recordset(cast(%(outcomes)s as json)) as o(key text, position bigint, state text, input json,
            output json, reason text, error text, tokens bigint, seconds float8, verdict text, completion_tokens bigint,
            cached_tokens bigint, reasoning_tokens bigint, cost numeric, unpriced bigint, released numeric, unsure numeric,
            reused bigint, saved numeric)
    ), outcome as (
        insert into items (job_id, key, position, state, input, output, reason, error, tokens, seconds, verdict,
            cached_tokens, reasoning_tokens, cost, finished_at)
        select held.id, o.key, o.position, o.state, o.input, o.output, o.reason, o.error, o.tokens, o.seconds, o.verdict,
            o.cached_tokens, o.reasoning_tokens, o.cost, case when o.state <> 'started' then now() end
        from held, given o
        on conflict (job_id, key) do update set (state, input, output, reason, error, tokens, seconds, verdict,
                cached_tokens, reasoning_tokens, cost, finished_at) =
            (excluded.state, coalesce(excluded.input, items.input), excluded.output, excluded.reason, excluded.error,
             excluded.tokens, excluded.seconds, excluded.verdict, excluded.cached_tokens, excluded.reasoning_tokens,
             excluded.cost, excluded.finished_at)
            where items.state = 'started' and excluded.state <> 'started'
        returning state
    ), paid as (
        select coalesce(sum(tokens), 0) as tokens, coalesce(sum(completion_tokens), 0) as completion,
            coalesce(sum(cached_tokens), 0) as cached, coalesce(sum(reasoning_tokens), 0) as reasoning, sum(cost) as cost,
            coalesce(sum(unpriced), 0) as unpriced, coalesce(sum(released), 0) as released, coalesce(sum(unsure), 0) as unsure,
            coalesce(sum(reused), 0) as reused, coalesce(sum(saved), 0) as saved
        from given
    ), counted as (
        select count(*) filter (where state = 'done') as done, count(*) filter (where state = 'failed') as failed,
            count(*) filter (where state = 'skipped') as skipped, count(*) filter (where state = 'unknown') as unknown
        from outcome
    ), lines as (
        insert into job_log (job_id, level, text)
        select held.id, line ->> 0, line ->> 1 from held, json_array_elements(cast(%(lines)s as json)) as line
    )
    update jobs set
        done = coalesce(cast(%(done)s as bigint), jobs.done + counted.done), failed = jobs.failed + counted.failed,
        skipped = jobs.skipped + counted.skipped, unknown = jobs.unknown + counted.unknown,
        total = coalesce(cast(%(total)s as bigint), total), note = coalesce(cast(%(note)s as text), note),
        result = coalesce(cast(%(result)s as json), jobs.result),
        advanced = advanced or counted.done + counted.failed + counted.skipped > 0,
        prompt_tokens = prompt_tokens + paid.tokens - paid.completion,
        completion_tokens = completion_tokens + paid.completion, cached_tokens = cached_tokens + paid.cached,
        reasoning_tokens = reasoning_tokens + paid.reasoning,
        cost = case when paid.cost is null then jobs.cost else coalesce(jobs.cost, 0) + paid.cost end,
        unpriced = jobs.unpriced + paid.unpriced, cost_unsure = cost_unsure + paid.unsure,
        reused = jobs.reused + paid.reused, cost_saved = cost_saved + paid.saved,
        cost_held = greatest(cost_held - paid.released, 0)
    from held, counted, paid where jobs.id = held.id
    returning extract(epoch from now() - cancel_requested_at)::float8, prompt_tokens, completion_tokens,
        jobs.done, jobs.failed, jobs.skipped, jobs.unknown, total, state
"""
_RECORD = _RECORD_HELD.format(
    "select id from jobs where id = %(id)s and lease = %(lease)s and state in ('running', 'stopping') for update"
)
_RECORD_PART = _RECORD_HELD.format(
    """update helpers set finished = finished + (select count(*) from json_to_recordset(cast(%(outcomes)s as json))
        as o(state text) where o.state <> 'started') where id = %(helper)s and ended_at is null returning job_id as id"""
)


def record(connection: Connection, job_id: UUID, lease: int, batch: Batch, helper: int | None = None) -> Signal:
    """Write a whole batch or nothing. Raises LeaseLost if the job has another lease by now, or none.

    helper: who writes, if not the worker that leads the job: its own lease is named then, and the job may have been freed.
    """
    values = {
        "id": job_id,
        "lease": lease,
        "outcomes": dumps([vars(outcome) for outcome in batch.outcomes]),
        "lines": dumps(batch.lines),
        "done": batch.progress.get("done"),
        "total": batch.progress.get("total"),
        "note": batch.progress.get("note"),
        "result": batch.progress.get("result"),
    }
    recorded = execute(connection, _RECORD if helper is None else _RECORD_PART, values | {"helper": helper})
    if not recorded:
        raise LeaseLost
    stop_asked, prompt_tokens, completion_tokens, *counts, state = recorded[0]
    if state in ENDED_STATES:
        raise LeaseLost  # only a helper comes here: what it was at is kept, and there is nothing more to do
    return Signal(stop_asked, prompt_tokens, completion_tokens, Counts(*counts))


# One statement, so that one round trip marks started items as unknown, ends the job and its attempt, and shows its files.
# An attempt that saw its whole input sets `total`; one that ended early leaves it.
_SETTLE = f"""
    with held as (
        select id from jobs where id = %(id)s and lease = %(lease)s and state in ('running', 'stopping') for update
    ), doubted as (
        {DOUBTED} from held where items.job_id = held.id and items.state = 'started' returning 1
    ), doubts as (
        select count(*) as many from doubted
    ), ended as (
        update jobs set state = case when state = 'stopping' then 'cancelled' else %(state)s end,
            reason = case when state = 'stopping' then 'stopped' else cast(%(reason)s as text) end,
            message = case when state = 'stopping' then cast(%(stop_message)s as text) else cast(%(message)s as text) end,
            detail = %(detail)s, result = coalesce(cast(%(result)s as json), result), lease_until = null, finished_at = now(),
            sealed = null, unknown = unknown + many,
            total = case when %(whole)s and state <> 'stopping'
                    and (total is not null or done + failed + skipped + unknown + many > 0)
                then done + failed + skipped + unknown + many else total end
        from held, doubts where jobs.id = held.id
        returning jobs.id, state, done + failed + skipped + unknown as finished
    ), attempt as (
        update attempts set ended_at = now(), message = cast(%(message)s as text), finished = ended.finished,
            how = case when ended.state = 'cancelled' then 'stopped'
                when cast(%(reason)s as text) = 'time_limit' then 'time_limit' else ended.state end
        from ended where attempts.job_id = ended.id and attempts.lease = %(lease)s and attempts.ended_at is null
    ), shown as (
        update files set visible = true from ended where files.job_id = ended.id and files.lease = %(lease)s
    )
    select state from ended
"""


def settle(
    connection: Connection,
    job_id: UUID,
    lease: int,
    state: str,
    *,
    reason: str | None = None,
    message: str | None = None,
    detail: str | None = None,
    result: Any = None,
    whole: bool = False,
) -> str:
    """End the job as succeeded, partial, failed or cancelled; show its files. Raises LeaseLost.

    A job that was asked to stop is cancelled whatever `state` says. Returns the state it ended in.
    `whole`: the attempt saw its whole input. `result` is JSON of at most RESULT_BYTES; None leaves what was recorded so far.
    """
    kept = dumps(result) if result is not None else None
    if kept is not None and len(kept.encode()) > RESULT_BYTES:
        raise LegworkError("The result is over 1 MB; the kind should save it as a file.", reason="result_too_large")
    values = {
        "id": job_id,
        "lease": lease,
        "state": state,
        "reason": reason,
        "message": cut(message, MESSAGE_CHARACTERS),
        "stop_message": "Stopped by a person. What was done is kept.",
        "detail": cut(detail, DETAIL_CHARACTERS),
        "result": kept,
        "whole": whole,
    }
    ended = execute(connection, _SETTLE, values)
    if not ended:
        raise LeaseLost
    return str(ended[0][0])


_RELEASE = """
    update jobs set state = case when state = 'stopping' then 'cancelled' else 'queued' end, attempt = attempt - 1,
        reason = case when state = 'stopping' then 'stopped' else 'shutdown' end,
        message = case when state = 'stopping' then 'Stopped by a person. What was done is kept.'
            else 'Its worker was shut down; another goes on after the last finished item.' end,
        finished_at = case when state = 'stopping' then now() end,
        sealed = case when state = 'stopping' then null else sealed end, lease_until = null, delivered_at = null, worker = null
    where id = %(id)s and lease = %(lease)s and state in ('running', 'stopping')
    returning queue
"""


def release(connection: Connection, job_id: UUID, lease: int) -> str | None:
    """Put the job back into the queue at a shutdown; the attempt is not counted. Returns its queue; None if this lease is over."""
    released = execute(connection, _RELEASE, {"id": job_id, "lease": lease})
    if not released:
        return None
    end_attempts(connection, [(job_id, lease)], "shutdown", None)
    return str(released[0][0])


_POSTPONE = """
    update jobs set state = 'queued', run_at = now() + make_interval(secs => %(seconds)s), reason = %(reason)s,
        message = %(message)s, detail = %(detail)s, lease_until = null, delivered_at = null, worker = null
    where id = %(id)s and lease = %(lease)s and state = 'running' and attempt < max_attempts
    returning id
"""


def postpone(
    connection: Connection, job_id: UUID, lease: int, seconds: float, reason: str, message: str, detail: str | None
) -> bool:
    """Queue the job again for later, after an error that may pass. False if no attempt is left or a stop was asked."""
    values = {"id": job_id, "lease": lease, "seconds": seconds, "reason": reason}
    values |= {"message": cut(message, MESSAGE_CHARACTERS), "detail": cut(detail, DETAIL_CHARACTERS)}
    if not execute(connection, _POSTPONE, values):
        return False
    end_attempts(connection, [(job_id, lease)], "retry", message)
    return True


_WAIT = """
    update jobs set state = 'queued', run_at = coalesce(%(until)s, now() + interval '1 hour'), reason = %(reason)s,
        message = %(message)s, attempt = attempt - 1,
        lease_until = null, delivered_at = null, worker = null
    where id = %(id)s and lease = %(lease)s and state = 'running'
    returning id
"""


def wait(
    connection: Connection, job_id: UUID, lease: int, until: datetime | None, message: str, reason: str = "approval"
) -> bool:
    """Put the job back until a person or a provider has answered, or until that time; the attempt is not counted.

    Without a time it looks again within the hour. False if a stop was asked.
    """
    values = {"id": job_id, "lease": lease, "until": until, "reason": reason}
    values |= {"message": cut(message, MESSAGE_CHARACTERS)}
    if not execute(connection, _WAIT, values):
        return False
    end_attempts(connection, [(job_id, lease)], reason, message)
    return True


_HELD = "select 1 from jobs where id = %(id)s and lease = %(lease)s and state in ('running', 'stopping') for update"


class StepState(NamedTuple):
    """A step as it was recorded. `state`: started or done."""

    state: str
    result: Any


_KNOWN_STEP = "select state, result from steps where job_id = %(id)s and key = %(key)s"
_START_STEP = """
    insert into steps (job_id, key, state) values (%(id)s, %(key)s, 'started') on conflict (job_id, key) do nothing
"""


def start_step(connection: Connection, job_id: UUID, lease: int, key: str) -> StepState | None:
    """Record that a step begins, and return it as an earlier attempt left it, if one did. Raises LeaseLost."""
    lock(connection, job_id, lease)
    known = execute(connection, _KNOWN_STEP, {"id": job_id, "key": key})
    execute(connection, _START_STEP, {"id": job_id, "key": key})
    return StepState(*known[0]) if known else None


# A step that ends is progress, as an item is: what the job's process does to itself is counted from there.
_END_STEP = """
    with ended as (
        update steps set state = 'done', result = cast(%(result)s as jsonb) where job_id = %(id)s and key = %(key)s
    )
    update jobs set advanced = true where id = %(id)s and not advanced
"""


def end_step(connection: Connection, job_id: UUID, lease: int, key: str, result: Any) -> None:
    """Store the result of a step. Raises LeaseLost."""
    lock(connection, job_id, lease)
    execute(connection, _END_STEP, {"id": job_id, "key": key, "result": dumps(result)})


_ADD_FILE = """
    insert into files (id, owner, job_id, lease, visible, name, media_type, blob, bytes, sha256)
    values (%(id)s, %(owner)s, %(job_id)s, %(lease)s, false, %(name)s, %(media_type)s, %(blob)s, %(bytes)s, %(sha256)s)
"""


def add_file(connection: Connection, claim: Claim, name: str, media_type: str, blob: Blob) -> UUID:
    """Record an output; it is hidden until its job is settled by the same lease. Raises LeaseLost."""
    lock(connection, claim.job_id, claim.lease)
    file_id = new_id()
    whose = {"id": file_id, "owner": claim.owner, "job_id": claim.job_id, "lease": claim.lease}
    what = {"name": clean_text(name)[:255], "media_type": media_type}
    kept = {"blob": blob.key, "bytes": blob.bytes, "sha256": blob.sha256}
    execute(connection, _ADD_FILE, whose | what | kept)
    return file_id


def lock(connection: Connection, job_id: UUID, lease: int) -> None:
    """Lock the row until the end of the transaction. Raises LeaseLost if the job has another lease by now, or none."""
    if not execute(connection, _HELD, {"id": job_id, "lease": lease}):
        raise LeaseLost

"""The only writer of job rows. Every arrow of docs/architecture.md is one function here.

How a job is held, in five steps:
1. `claim` moves a due `queued` row to `running`, adds one to its `lease` and gives it until `lease_until`. Of any number of
   workers that try, the row lock lets one see `queued`.
2. `beat` pushes `lease_until` on while the work goes on. All times are the database's.
3. `record` writes what came of items, the log and the progress. Like every write of a run it names the lease; a run whose
   lease is no longer the row's writes nothing and is told so by LeaseLost.
4. `settle`, `release`, `postpone` or `give_up` ends the hold, again by naming the lease.
5. A row whose `lease_until` has passed is freed by `free_silent`; whoever held it finds its lease gone at its next write.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, insert, select, text, update
from sqlalchemy.orm import Session

from jobs.engine.errors import LeaseLost, LegworkError
from jobs.engine.jsonsafe import clean, clean_text, dumps
from jobs.engine.models import Counts, File, Job, Step, new_id
from jobs.engine.storage import Blob

LEASE_SECONDS = 6
RESULT_BYTES = 1_000_000
MESSAGE_CHARACTERS = 2_000
DETAIL_CHARACTERS = 20_000


@dataclass(frozen=True)
class Claim:
    """A job that this worker holds now."""

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


@dataclass(frozen=True)
class Signal:
    """What the row says back to its run."""

    stop_asked_seconds: float | None  # how long ago a person asked for a stop
    prompt_tokens: int = 0
    completion_tokens: int = 0
    counts: Counts | None = None


@dataclass
class Outcome:
    """What came of one item. `state` is one of models.ITEM_STATES."""

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


@dataclass
class Batch:
    """What one transaction of a run writes."""

    outcomes: list[Outcome] = field(default_factory=list)
    lines: list[tuple[str, str]] = field(default_factory=list)  # level, text
    progress: dict[str, Any] = field(default_factory=dict)  # total, note, result; done only for kinds without items
    prompt_tokens: int = 0
    completion_tokens: int = 0


def create(session: Session, job: Job) -> Job:
    """Put a new job into the queue. The caller commits, and only then delivers."""
    session.add(job)
    session.flush()
    session.refresh(job)
    return job


_CLAIM = text(f"""
    with taken as (
        update jobs set state = 'running', lease = lease + 1, attempt = attempt + 1, advanced = false, worker = :worker,
            lease_until = now() + interval '{LEASE_SECONDS} s', started_at = coalesce(started_at, now()),
            reason = null, message = null, detail = null, result = null
        where id = :id and state = 'queued' and (run_at is null or run_at <= now())
            and not exists (select from paused_queues where paused_queues.queue = jobs.queue)
        returning id as job_id, lease, kind, params, owner, attempt, max_attempts, sample, time_limit,
            (lease > 1) as resumed
    ), attempt as (
        insert into attempts (job_id, lease, attempt, worker) select job_id, lease, attempt, :worker from taken
    )
    select * from taken
""")


def claim(connection: Connection, job_id: UUID, worker: str) -> Claim | None:
    """Take a due queued job for this worker, or None: it is taken, stopped, gone, paused or not due yet."""
    row = connection.execute(_CLAIM, {"id": job_id, "worker": worker}).mappings().one_or_none()
    if row is None:
        return None
    taken = Claim(**row)
    if taken.resumed:
        doubt_started(connection, job_id)
    return taken


_BEAT = text(f"""
    update jobs set lease_until = now() + interval '{LEASE_SECONDS} s'
    where id = :id and lease = :lease and state in ('running', 'stopping')
    returning extract(epoch from now() - cancel_requested_at)::float8 as stop_asked_seconds
""")


def beat(connection: Connection, job_id: UUID, lease: int) -> Signal | None:
    """Hold the job for another LEASE_SECONDS; None if it is no longer held by this lease."""
    row = connection.execute(_BEAT, {"id": job_id, "lease": lease}).mappings().one_or_none()
    return Signal(**row) if row else None


# One statement, so that one round trip writes items, log, counts and tokens, or nothing of them.
_RECORD = text("""
    with held as (
        select id from jobs where id = :id and lease = :lease and state in ('running', 'stopping') for update
    ), outcome as (
        insert into items (job_id, key, position, state, input, output, reason, error, tokens, seconds, verdict, finished_at)
        select held.id, o.key, o.position, o.state, o.input, o.output, o.reason, o.error, o.tokens, o.seconds, o.verdict,
            case when o.state <> 'started' then now() end
        from held, json_to_recordset(cast(:outcomes as json)) as o(key text, position bigint, state text, input json,
            output json, reason text, error text, tokens bigint, seconds float8, verdict text)
        on conflict (job_id, key) do update set (state, input, output, reason, error, tokens, seconds, verdict, finished_at) =
            (excluded.state, coalesce(excluded.input, items.input), excluded.output, excluded.reason, excluded.error,
             excluded.tokens, excluded.seconds, excluded.verdict, excluded.finished_at)
            where items.state = 'started' and excluded.state <> 'started'
        returning state
    ), counted as (
        select count(*) filter (where state = 'done') as done, count(*) filter (where state = 'failed') as failed,
            count(*) filter (where state = 'skipped') as skipped, count(*) filter (where state = 'unknown') as unknown
        from outcome
    ), lines as (
        insert into job_log (job_id, level, text)
        select held.id, line ->> 0, line ->> 1 from held, json_array_elements(cast(:lines as json)) as line
    )
    update jobs set
        done = coalesce(cast(:done as bigint), jobs.done + counted.done), failed = jobs.failed + counted.failed,
        skipped = jobs.skipped + counted.skipped, unknown = jobs.unknown + counted.unknown,
        total = coalesce(cast(:total as bigint), total), note = coalesce(cast(:note as text), note),
        result = coalesce(cast(:result as json), jobs.result),
        advanced = advanced or counted.done + counted.failed + counted.skipped > 0,
        prompt_tokens = prompt_tokens + :prompt_tokens, completion_tokens = completion_tokens + :completion_tokens
    from held, counted where jobs.id = held.id
    returning extract(epoch from now() - cancel_requested_at)::float8, prompt_tokens, completion_tokens,
        jobs.done, jobs.failed, jobs.skipped, jobs.unknown, total
""")


def record(connection: Connection, job_id: UUID, lease: int, batch: Batch) -> Signal:
    """Write a batch whole or not at all. Raises LeaseLost if the job is held by another lease, or by none."""
    values = {
        "id": job_id,
        "lease": lease,
        "outcomes": dumps([asdict(outcome) for outcome in batch.outcomes]),
        "lines": dumps(batch.lines),
        "done": batch.progress.get("done"),
        "total": batch.progress.get("total"),
        "note": batch.progress.get("note"),
        "result": batch.progress.get("result"),
        "prompt_tokens": batch.prompt_tokens,
        "completion_tokens": batch.completion_tokens,
    }
    row = connection.execute(_RECORD, values).one_or_none()
    if row is None:
        raise LeaseLost
    stop_asked, prompt_tokens, completion_tokens, *counts = row
    return Signal(stop_asked, prompt_tokens, completion_tokens, Counts(*counts))


# A run that saw its whole input settles what `total` is; one that ended early keeps the total it had.
_SETTLE = text("""
    update jobs set state = case when state = 'stopping' then 'cancelled' else :state end,
        reason = case when state = 'stopping' then 'stopped' else cast(:reason as text) end,
        message = case when state = 'stopping' then cast(:stop_message as text) else cast(:message as text) end,
        detail = :detail, result = coalesce(cast(:result as json), result), lease_until = null, finished_at = now(),
        total = case when :whole and state <> 'stopping' and (total is not null or done + failed + skipped + unknown > 0)
            then done + failed + skipped + unknown else total end
    where id = :id and lease = :lease and state in ('running', 'stopping')
    returning state
""")


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
    `whole`: the run saw its whole input. `result` is JSON of at most RESULT_BYTES; None leaves what was recorded so far.
    """
    kept = dumps(result) if result is not None else None
    if kept is not None and len(kept.encode()) > RESULT_BYTES:
        raise LegworkError("The result is over 1 MB; the kind should save it as a file.", reason="result_too_large")
    doubt_started(connection, job_id)
    values = {
        "id": job_id,
        "lease": lease,
        "state": state,
        "reason": reason,
        "message": _cut(message, MESSAGE_CHARACTERS),
        "stop_message": "Stopped by a person. What was done is kept.",
        "detail": _cut(detail, DETAIL_CHARACTERS),
        "result": kept,
        "whole": whole,
    }
    ended = connection.execute(_SETTLE, values).scalar_one_or_none()
    if ended is None:
        raise LeaseLost
    how = {"cancelled": "stopped"}.get(ended, "time_limit" if reason == "time_limit" else ended)
    _end_attempts(connection, [(job_id, lease)], how, message)
    connection.execute(_SHOW_FILES, {"id": job_id, "lease": lease})
    return ended


_SHOW_FILES = text("update files set visible = true where job_id = :id and lease = :lease")

_RELEASE = text("""
    update jobs set state = case when state = 'stopping' then 'cancelled' else 'queued' end, attempt = attempt - 1,
        reason = case when state = 'stopping' then 'stopped' else 'shutdown' end,
        message = case when state = 'stopping' then 'Stopped by a person. What was done is kept.'
            else 'Its worker was shut down; another goes on after the last finished item.' end,
        finished_at = case when state = 'stopping' then now() end, lease_until = null, delivered_at = null, worker = null
    where id = :id and lease = :lease and state in ('running', 'stopping')
    returning queue
""")


def release(connection: Connection, job_id: UUID, lease: int) -> str | None:
    """Give the job back at a shutdown; the attempt is not counted. Returns its queue, or None if it was not ours."""
    queue = connection.execute(_RELEASE, {"id": job_id, "lease": lease}).scalar_one_or_none()
    if queue is not None:
        _end_attempts(connection, [(job_id, lease)], "shutdown", None)
    return queue


_POSTPONE = text("""
    update jobs set state = 'queued', run_at = now() + make_interval(secs => :seconds), reason = :reason,
        message = :message, detail = :detail, lease_until = null, delivered_at = null, worker = null
    where id = :id and lease = :lease and state = 'running' and attempt < max_attempts
    returning id
""")


def postpone(
    connection: Connection, job_id: UUID, lease: int, seconds: float, reason: str, message: str, detail: str | None
) -> bool:
    """Queue the job again for later, after an error that may pass. False if no attempt is left or a stop was asked."""
    values = {"id": job_id, "lease": lease, "seconds": seconds, "reason": reason}
    values |= {"message": _cut(message, MESSAGE_CHARACTERS), "detail": _cut(detail, DETAIL_CHARACTERS)}
    if connection.execute(_POSTPONE, values).scalar_one_or_none() is None:
        return False
    _end_attempts(connection, [(job_id, lease)], "retry", message)
    return True


_WAIT = text("""
    update jobs set state = 'queued', run_at = :until, reason = 'approval', message = :message, attempt = attempt - 1,
        lease_until = null, delivered_at = null, worker = null
    where id = :id and lease = :lease and state = 'running'
    returning id
""")


def wait(connection: Connection, job_id: UUID, lease: int, until: datetime | None, message: str) -> bool:
    """Put the job back until a person has answered, or until that time; the attempt is not counted.

    False if a stop was asked.
    """
    values = {"id": job_id, "lease": lease, "until": until, "message": _cut(message, MESSAGE_CHARACTERS)}
    if connection.execute(_WAIT, values).scalar_one_or_none() is None:
        return False
    _end_attempts(connection, [(job_id, lease)], "approval", message)
    return True


_GO_ON = text("""
    update jobs set run_at = null, delivered_at = null, reason = 'answered', message = 'It has its answer and goes on.'
    where id = :id and state = 'queued' and reason = 'approval'
""")


def go_on(connection: Connection, job_id: UUID) -> None:
    """Free a job that waited for a person. The caller commits, and only then delivers."""
    connection.execute(_GO_ON, {"id": job_id})


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


def free_silent(connection: Connection) -> list[UUID]:
    """Free the jobs whose workers have been silent for longer than their lease. Returns their ids."""
    lost = connection.execute(_LOSE_SILENT).all()
    _after_loss(connection, lost)
    return [row.id for row in lost]


_SET_ASIDE = text("""
    update jobs set run_at = now() + make_interval(secs => :seconds), reason = 'no_kind', message = :message,
        delivered_at = null
    where id = :id and kind = :kind and state = 'queued' and (run_at is null or run_at <= now())
""")


def set_aside(connection: Connection, job_id: UUID, kind: str, seconds: float, message: str) -> None:
    """A worker that cannot run a due job of this kind leaves it to others, and to later. No attempt is counted."""
    values = {"id": job_id, "kind": kind, "seconds": seconds, "message": _cut(message, MESSAGE_CHARACTERS)}
    connection.execute(_SET_ASIDE, values)


def free_dead(connection: Connection, workers: Sequence[str]) -> list[UUID]:
    """Free the jobs of workers that their supervisor saw end, at once. Returns their ids."""
    lost = connection.execute(_LOSE_DEAD, {"workers": list(workers)}).all()
    _after_loss(connection, lost)
    return [row.id for row in lost]


def _after_loss(connection: Connection, lost: Sequence[Any]) -> None:
    for row in lost:
        doubt_started(connection, row.id)
    _end_attempts(connection, [(row.id, row.lease) for row in lost], "lost", None)
    words = {
        "queued": "its worker was lost; back in the queue, what is finished is kept",
        "failed": "its worker was lost",
    }
    for row in lost:
        note(connection, row.id, "warning", words.get(row.state, "its worker was lost while it was being stopped"))


_DOUBT = text("""
    with doubted as (
        update items set state = 'unknown', finished_at = now(), reason = 'interrupted',
            error = 'It was started and never heard of again: it may have happened. It is not repeated by itself.'
        where job_id = :id and state = 'started' returning 1
    )
    update jobs set unknown = unknown + (select count(*) from doubted)
    where id = :id and exists (select 1 from doubted)
""")


def doubt_started(connection: Connection, job_id: UUID) -> None:
    """Items that were started and never ended are `unknown`: whether their side effect happened cannot be told."""
    connection.execute(_DOUBT, {"id": job_id})


_HELD = text("select 1 from jobs where id = :id and lease = :lease and state in ('running', 'stopping') for update")
_START_STEP = text("""
    insert into steps (job_id, key, state) values (:id, :key, 'started') on conflict (job_id, key) do nothing
""")


def start_step(connection: Connection, job_id: UUID, lease: int, key: str) -> Row[Any] | None:
    """Record that a step begins, and return it as an earlier attempt left it, if one did. Raises LeaseLost."""
    hold(connection, job_id, lease)
    known = connection.execute(
        select(Step.state, Step.result).where(Step.job_id == job_id, Step.key == key)
    ).one_or_none()
    connection.execute(_START_STEP, {"id": job_id, "key": key})
    return known


def end_step(connection: Connection, job_id: UUID, lease: int, key: str, result: Any) -> None:
    """Keep the result of a step. Raises LeaseLost."""
    hold(connection, job_id, lease)
    ended = update(Step).where(Step.job_id == job_id, Step.key == key)
    connection.execute(ended.values(state="done", result=clean(result)))


def add_file(connection: Connection, claim: Claim, name: str, media_type: str, blob: Blob) -> UUID:
    """Record an output; it is hidden until its job is settled by the same lease. Raises LeaseLost."""
    hold(connection, claim.job_id, claim.lease)
    file_id = new_id()
    whose = {"owner": claim.owner, "job_id": claim.job_id, "lease": claim.lease, "visible": False}
    what = {"name": clean_text(name)[:255], "media_type": media_type}
    kept = {"blob": blob.key, "bytes": blob.bytes, "sha256": blob.sha256}
    connection.execute(insert(File).values(id=file_id, **whose, **what, **kept))
    return file_id


def hold(connection: Connection, job_id: UUID, lease: int) -> None:
    """Lock the row until the end of the transaction. Raises LeaseLost if another lease holds the job, or none."""
    if connection.execute(_HELD, {"id": job_id, "lease": lease}).one_or_none() is None:
        raise LeaseLost


_REVISE = text("""
    update items set verdict = r.verdict, output = r.output
    from json_to_recordset(cast(:rows as json)) as r(key text, verdict text, output json)
    where items.job_id = :id and items.key = r.key and items.state = 'done'
""")


def revise(connection: Connection, job_id: UUID, rows: Sequence[dict[str, Any]]) -> None:
    """Give items that are done another verdict. Each row: key, verdict and the whole output. The caller holds the job's row."""
    connection.execute(_REVISE, {"id": job_id, "rows": dumps(rows)})


_REVISE_RESULT = text("update jobs set result = cast(:result as json) where id = :id and result is not null")


def revise_result(connection: Connection, job_id: UUID, result: dict[str, Any]) -> None:
    """Have an ended job's result follow what was revised in its items."""
    connection.execute(_REVISE_RESULT, {"id": job_id, "result": dumps(result)})


_ASK_STOP = text("""
    update jobs set state = case when state = 'queued' then 'cancelled' else 'stopping' end,
        cancel_requested_at = coalesce(cancel_requested_at, now()),
        finished_at = case when state = 'queued' then now() end, reason = 'stopped',
        message = case when state = 'queued' then 'Stopped by a person before it began.'
            else 'A stop was asked; the work is ending.' end
    where id = :id and state in ('queued', 'running') returning state
""")


def ask_stop(connection: Connection, job_id: UUID) -> str | None:
    """Stop a queued job at once, a running one as soon as it looks. None if it is neither."""
    return connection.execute(_ASK_STOP, {"id": job_id}).scalar_one_or_none()


_RETRY = text("""
    update jobs set state = 'queued', attempt = 0, advanced = false, reason = null, message = null, detail = null,
        result = null, run_at = null, delivered_at = null, cancel_requested_at = null, finished_at = null, worker = null,
        started_at = null, failed = case when :everything or :failed then 0 else failed end,
        done = case when :everything then 0 else done end, skipped = case when :everything then 0 else skipped end,
        unknown = case when :everything or :doubtful then 0 else unknown end,
        total = case when :everything then null else total end,
        note = null
    where id = :id and state in ('succeeded', 'partial', 'failed', 'cancelled') returning id
""")


def retry(
    connection: Connection, job_id: UUID, *, everything: bool, failed: bool = True, doubtful: bool = False
) -> bool:
    """Queue an ended job again: from nothing, or keeping its items but those asked for. False if it has not ended.

    failed: those that failed are done again. doubtful: those that are `unknown` are done again.
    """
    wanted = {"id": job_id, "everything": everything, "failed": failed, "doubtful": doubtful}
    if connection.execute(_RETRY, wanted).scalar_one_or_none() is None:
        return False
    connection.execute(_FORGET_ITEMS, wanted)
    if everything:
        connection.execute(_FORGET_STEPS, {"id": job_id})
        connection.execute(_FORGET_APPROVALS, {"id": job_id})
    connection.execute(_HIDE_FILES, {"id": job_id})
    note(connection, job_id, "info", "started again by a person" + ("" if everything else ", keeping what is done"))
    return True


_FORGET_ITEMS = text("""
    delete from items where job_id = :id
        and (:everything or (cast(:failed as boolean) and state = 'failed')
            or (cast(:doubtful as boolean) and state = 'unknown'))
""")
_FORGET_STEPS = text("delete from steps where job_id = :id")
_FORGET_APPROVALS = text("delete from approvals where job_id = :id")
_HIDE_FILES = text("update files set visible = false where job_id = :id and lease is not null")


def pin(connection: Connection, job_id: UUID, pinned: bool) -> None:
    """Keep a job from being deleted, or let go of it."""
    connection.execute(text("update jobs set pinned = :pinned where id = :id"), {"id": job_id, "pinned": pinned})


def delete(connection: Connection, job_id: UUID) -> list[str]:
    """Remove an ended job with all that hangs on it. Returns the blobs to remove after the commit."""
    blobs = [row.blob for row in connection.execute(_DELETE_FILES, {"id": job_id})]
    for statement in _DELETE:
        connection.execute(statement, {"id": job_id})
    return blobs


_DELETE_FILES = text("delete from files where job_id = :id returning blob")
_DELETE = [
    text(f"delete from {table} where {column} = :id")
    for table, column in (("items", "job_id"), ("job_log", "job_id"), ("jobs", "id"))
]

# Outputs that were not shown when their job ended. While it goes on, a later attempt may still take them over.
_FORGET_FILES = text("""
    delete from files using jobs
    where files.job_id = jobs.id and not files.visible
        and jobs.state in ('succeeded', 'partial', 'failed', 'cancelled')
    returning files.blob
""")


def forget_hidden_files(connection: Connection) -> list[str]:
    """Drop the outputs that will never be shown. Returns the blobs to remove after the commit."""
    return list(connection.execute(_FORGET_FILES).scalars())


_DELIVERED = text("update jobs set delivered_at = now() where id = any(:ids) and state = 'queued'")


def mark_delivered(connection: Connection, job_ids: Sequence[UUID]) -> None:
    """Remember that messages for these jobs were put into Redis just now."""
    connection.execute(_DELIVERED, {"ids": list(job_ids)})


_UNDELIVER = text("""
    update jobs set delivered_at = null where state = 'queued' and queue = :queue and delivered_at is not null
""")


def undeliver(connection: Connection, queue: str) -> None:
    """No job of this queue has a message any more; the clock delivers those that are due."""
    connection.execute(_UNDELIVER, {"queue": queue})


_NOTE = text("insert into job_log (job_id, level, text) values (:id, :level, :text)")


def note(connection: Connection, job_id: UUID, level: str, line: str) -> None:
    """Add a line to the job's log from outside its run."""
    connection.execute(_NOTE, {"id": job_id, "level": level, "text": clean_text(line)})


_END_ATTEMPTS = text("""
    update attempts set ended_at = now(), how = :how, message = :message,
        finished = (select done + failed + skipped + unknown from jobs where jobs.id = attempts.job_id)
    where job_id = :id and lease = :lease and ended_at is null
""")


def _end_attempts(connection: Connection, held: Sequence[tuple[UUID, int]], how: str, message: str | None) -> None:
    for job_id, lease in held:
        values = {"id": job_id, "lease": lease, "how": how, "message": _cut(message, MESSAGE_CHARACTERS)}
        connection.execute(_END_ATTEMPTS, values)


def _cut(words: str | None, most: int) -> str | None:
    if words is None:
        return None
    words = clean_text(words)
    return words if len(words) <= most else words[: most - 1] + "…"

"""Why a job waits, how fast one runs, and when it will be done."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select

from jobs.engine.db import postgres
from jobs.engine.db.job_view import JobView
from jobs.engine.db.models import Job
from jobs.engine.db.records import COUNT_CAP
from jobs.engine.queue import delivery, fair_share, worker_registry
from jobs.engine.queue.polling import recent_items

RECENT = 50  # ended jobs of a queue that say how long one takes
UNSENT_SECONDS = 3  # that a due job may be without a message before it is asked whether the broker answers


@dataclass(frozen=True)
class Waiting:
    """Why a queued job does not run yet.

    code: scheduled, retrying, approval, provider, suspended, paused, worker_lost, no_worker, no_kind, undelivered, queue.
    """

    code: str
    sentence: str
    position: int | None = None  # how many are before it; COUNT_CAP: as many or more
    eta_seconds: float | None = None


@dataclass(frozen=True)
class Pace:
    """Items per second in the last minute, and the seconds left at that rate; None while the total is unknown."""

    per_second: float
    seconds_left: float | None


@dataclass(frozen=True)
class JobsAhead:
    """What is ahead of a new job of a queue. `busy`: no worker is free. jobs: those that wait, up to COUNT_CAP.

    seconds: until a worker is free; None where no job of the queue has succeeded yet.
    """

    workers: int
    busy: bool
    jobs: int
    seconds: float | None


def jobs_ahead(queue: str) -> JobsAhead:
    """What a job that is submitted now will wait for."""
    with postgres.reading() as session:
        serving = [worker.queues for worker in worker_registry.alive(session) if queue in worker.queues]
        held = Job.state.in_(("running", "stopping")) & Job.queue.in_({name for queues in serving for name in queues})
        running = session.scalar(select(func.count()).select_from(Job).where(held)) or 0
        some = select(Job.id).where(*_due(queue)).limit(COUNT_CAP).subquery()
        jobs = session.scalar(select(func.count()).select_from(some)) or 0
    busy = bool(jobs) or running >= len(serving)
    each = postgres.fetch_all(_EACH, {"queue": queue})[0][0] if busy and serving and jobs < COUNT_CAP else None
    return JobsAhead(len(serving), busy, jobs, None if each is None else each * (jobs + 1) / len(serving))


def why_waiting(job: JobView) -> Waiting | None:
    """Why this job waits; None if it does not."""
    if job.state != "queued":
        return None
    if job.run_at is not None and (seconds := postgres.fetch_all(_UNTIL, {"at": job.run_at})[0][0]) > 0:
        return _later(job, seconds)
    asked = {"id": job.id, "queue": job.queue, "owner": job.owner, "cap": COUNT_CAP}
    due = max(job.created_at, job.run_at or job.created_at)
    ((waited, may_work, paused, serving, before, each),) = postgres.fetch_all(_PLACE, asked | {"due": due})
    if not may_work:
        return Waiting("suspended", "Its account is suspended. It starts when an administrator reinstates the account.")
    if paused:
        return Waiting("paused", f"Queue {job.queue} is paused. It starts when an operator resumes the queue.", before)
    if serving == 0:
        return Waiting("no_worker", f"No worker serves queue {job.queue}. It starts as soon as one does.", before)
    if job.delivered_at is None and waited > UNSENT_SECONDS:
        return Waiting("undelivered", _SOON if delivery.broker_answers() else _BROKER, before)
    eta = None if each is None else each * (before + 1) / serving if before else 0.0
    if job.reason in ("worker_lost", "shutdown"):
        return Waiting("worker_lost", job.message or "Its worker was lost; another takes over.", before, eta)
    if before >= COUNT_CAP:
        return Waiting("queue", f"{before:,} jobs or more before this one.", before)
    ahead = "Next in line." if before == 0 else f"{before:,} {'job' if before == 1 else 'jobs'} before this one."
    return Waiting("queue", ahead, before, eta)


_SOON = "It is sent to a worker in a moment. If this stays, an operator finds what is wrong under Operations."
_BROKER = "The broker does not answer. The job is safe in the database and starts when it is back."


def _later(job: JobView, seconds: float) -> Waiting:
    if job.reason == "approval":
        return Waiting("approval", job.message or "It waits for your yes or no.")
    if job.reason == "provider":
        return Waiting("provider", job.message or "Its provider answers within 24 hours.")
    if job.reason == "no_kind":
        return Waiting("no_kind", job.message or "No worker here knows this kind of job.")
    if job.lease > 0:
        tries = f"Attempt {job.attempt + 1} of {job.max_attempts}"
        return Waiting(
            "retrying", f"{job.message or 'It failed in a way that may pass.'} {tries} comes next.", None, seconds
        )
    return Waiting("scheduled", "It starts at its time.", None, seconds)


_UNTIL = "select extract(epoch from %(at)s - now())::float8"

# The median duration of the last jobs of a queue that succeeded.
_EACH = f"""
    select percentile_cont(0.5) within group (order by took)::float8 from (
        select extract(epoch from finished_at - started_at) as took from jobs
        where queue = %(queue)s and state = 'succeeded' and finished_at is not null
        order by finished_at desc limit {RECENT}
    ) as recent
"""  # noqa: S608 (of our own making)

# Ahead of a job are the owner's older ones, and of each other owner as many as get turns until then (fair_share.py). Owners are
# found by skipping through the index jobs_turns, and no more jobs are read than are counted.
_PLACE = f"""
    with recursive mine as (
        select count(*) as many from (
            select from jobs where state = 'queued' and queue = %(queue)s and (run_at is null or run_at <= now())
                and owner = %(owner)s and id < %(id)s limit %(cap)s
        ) as counted
    ), {fair_share.QUEUED_OWNERS.format(queue="%(queue)s")}, others as (
        select count(*) as many from (
            select from owners cross join lateral (
                select from jobs where state = 'queued' and queue = %(queue)s and (run_at is null or run_at <= now())
                    and jobs.owner = owners.owner order by id limit (select many + 1 from mine)
            ) as theirs
            where owners.owner <> %(owner)s and (select many from mine) < %(cap)s limit %(cap)s
        ) as counted
    ), place as (
        select least(mine.many + others.many, %(cap)s) as before from mine, others
    )
    select extract(epoch from now() - %(due)s)::float8,
        cast(%(owner)s as text) <> all(array({fair_share.SUSPENDED})), exists (select from paused_queues where queue = %(queue)s),
        (select count(*) from workers where beat_at > now() - {worker_registry.SILENT} and %(queue)s = any(queues)),
        before, ({_EACH})
    from place
"""  # noqa: S608 (of our own making)


def _due(queue: str) -> list[ColumnElement[bool]]:
    return [Job.state == "queued", Job.queue == queue, (Job.run_at.is_(None)) | (Job.run_at <= func.now())]


def pace(job: JobView) -> Pace | None:
    """How fast the items of a running job end."""
    if job.state not in ("running", "stopping"):
        return None
    ended, seconds = recent_items(job)
    if not ended or not seconds or seconds <= 0:
        return None
    rate = ended / seconds
    return Pace(rate, job.pending / rate if job.pending is not None else None)

"""Why a job waits, how fast one runs, and when it would be done: what its page says beside the state."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select, text
from sqlalchemy.orm import Session

from jobs.engine import database, presence
from jobs.engine.glances import Glance, lately
from jobs.engine.models import Job, PausedQueue
from jobs.engine.records import COUNT_CAP

RECENT = 50  # ended jobs of a queue that say how long one takes


@dataclass(frozen=True)
class Waiting:
    """Why a queued job does not run yet.

    code: scheduled, retrying, approval, paused, worker_lost, no_worker, no_kind, undelivered, queue.
    """

    code: str
    sentence: str
    position: int | None = None  # how many are before it; COUNT_CAP: as many or more
    eta_seconds: float | None = None


@dataclass(frozen=True)
class Pace:
    """Items a second of late, and the seconds left at that rate; None where it cannot be told."""

    per_second: float
    seconds_left: float | None


@dataclass(frozen=True)
class Ahead:
    """What a job of a queue would have before it. `busy`: no worker is free. jobs: those that wait, up to COUNT_CAP.

    seconds: until a worker is free; None where it cannot be told.
    """

    workers: int
    busy: bool
    jobs: int
    seconds: float | None


def ahead(queue: str) -> Ahead:
    """What a job that is submitted now would wait for."""
    with database.reading() as session:
        serving = [worker.queues for worker in presence.alive(session) if queue in worker.queues]
        held = Job.state.in_(("running", "stopping")) & Job.queue.in_({name for queues in serving for name in queues})
        running = session.scalar(select(func.count()).select_from(Job).where(held)) or 0
        some = select(Job.id).where(*_due(queue)).limit(COUNT_CAP).subquery()
        jobs = session.scalar(select(func.count()).select_from(some)) or 0
        busy = bool(jobs) or running >= len(serving)
        each = _seconds_a_job(session, queue) if busy and serving and jobs < COUNT_CAP else None
    return Ahead(len(serving), busy, jobs, None if each is None else each * (jobs + 1) / len(serving))


def waiting(job: Job) -> Waiting | None:
    """Why this job waits; None if it does not."""
    if job.state != "queued":
        return None
    with database.reading() as session:
        now = database.now(session)
        if job.run_at is not None and job.run_at > now:
            return _later(job, (job.run_at - now).total_seconds())
        serving = sum(job.queue in worker.queues for worker in presence.alive(session))
        before = _before(session, job)
        if session.get(PausedQueue, job.queue):
            return Waiting(
                "paused", f"Queue {job.queue} is paused. It starts when an operator resumes the queue.", before
            )
        if serving == 0:
            return Waiting("no_worker", f"No worker serves queue {job.queue}. It starts as soon as one does.", before)
        due = max(job.created_at, job.run_at or job.created_at)
        if job.delivered_at is None and (now - due).total_seconds() > 3:
            return Waiting("undelivered", _BROKER, before)
        seconds = _seconds_a_job(session, job.queue)
        eta = None if seconds is None else seconds * (before + 1) / serving if before else 0.0
    if job.reason in ("worker_lost", "shutdown"):
        return Waiting("worker_lost", job.message or "Its worker was lost; another takes over.", before, eta)
    if before >= COUNT_CAP:
        return Waiting("queue", f"{before:,} jobs or more before this one.", before)
    ahead = "Next in line." if before == 0 else f"{before:,} {'job' if before == 1 else 'jobs'} before this one."
    return Waiting("queue", ahead, before, eta)


_BROKER = "The broker does not answer. The job is safe in the database and starts when it is back."


def _later(job: Job, seconds: float) -> Waiting:
    if job.reason == "approval":
        return Waiting("approval", job.message or "It waits for your yes or no.")
    if job.reason == "no_kind":
        return Waiting("no_kind", job.message or "No worker here knows this kind of job.")
    if job.lease > 0:
        tries = f"Attempt {job.attempt + 1} of {job.max_attempts}"
        return Waiting(
            "retrying", f"{job.message or 'It failed in a way that may pass.'} {tries} comes next.", None, seconds
        )
    return Waiting("scheduled", "It starts at its time.", None, seconds)


def _before(session: Session, job: Job) -> int:
    """How many come before it at most, up to COUNT_CAP: the owner's own older ones, and of everybody else's as many as they
    get turns till then."""
    asked = {"queue": job.queue, "owner": job.owner, "id": job.id, "cap": COUNT_CAP}
    mine = session.scalar(_MINE, asked) or 0
    return min(mine + (session.scalar(_OTHERS, asked | {"turns": mine + 1}) or 0), COUNT_CAP)


_MINE = text("""
    select count(*) from (select from jobs where state = 'queued' and queue = :queue and (run_at is null or run_at <= now())
        and owner = :owner and id < :id limit :cap) as counted
""")

# The owners are found by leaps in the index jobs_turns, and no more jobs are looked at than are counted.
_OTHERS = text("""
    with recursive owners as (
        (select owner from jobs where state = 'queued' and queue = :queue order by owner limit 1)
        union all
        select (select owner from jobs where state = 'queued' and queue = :queue and owner > owners.owner
            order by owner limit 1) from owners where owners.owner is not null
    )
    select count(*) from (
        select from owners cross join lateral
            (select from jobs where state = 'queued' and queue = :queue and (run_at is null or run_at <= now())
                and jobs.owner = owners.owner order by id limit :turns) as theirs
        where owners.owner <> :owner limit :cap
    ) as counted
""")


def _due(queue: str) -> list[ColumnElement[bool]]:
    return [Job.state == "queued", Job.queue == queue, (Job.run_at.is_(None)) | (Job.run_at <= func.now())]


def _seconds_a_job(session: Session, queue: str) -> float | None:
    """The median time that the last jobs of a queue took that succeeded."""
    took = func.extract("epoch", Job.finished_at - Job.started_at).label("took")
    ended = (Job.queue == queue) & (Job.state == "succeeded") & Job.finished_at.is_not(None)
    recent = select(took).where(ended).order_by(Job.finished_at.desc()).limit(RECENT).subquery()
    median = session.scalar(select(func.percentile_cont(0.5).within_group(recent.c.took)))
    return float(median) if median is not None else None


def pace(job: Job | Glance) -> Pace | None:
    """How fast the items of a running job end."""
    if job.state not in ("running", "stopping"):
        return None
    ended, seconds = lately(job)
    if not ended or not seconds or seconds <= 0:
        return None
    rate = ended / seconds
    return Pace(rate, job.pending / rate if job.pending is not None else None)

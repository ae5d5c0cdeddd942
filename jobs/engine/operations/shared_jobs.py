"""Jobs that several workers share: how many items each of them has finished."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from jobs.engine.db.models import Job, JobHelper

MOST = 20  # jobs that are shown


@dataclass(frozen=True)
class SharedJob:
    """A running job and the workers that work on it: name -> items finished, the leader first."""

    job: Job
    finished: dict[str, int]


def helped_jobs(session: Session) -> dict[str, Job]:
    """The jobs that workers help with just now, by the worker's name."""
    helping = select(JobHelper.worker, Job).join(Job, Job.id == JobHelper.job_id).where(JobHelper.ended_at.is_(None))
    return {str(worker): job for worker, job in session.execute(helping)}


def shared_jobs(session: Session) -> list[SharedJob]:
    """The running jobs with helpers, the longest running first. What helpers of earlier attempts did counts as the leader's."""
    counts = select(JobHelper.job_id, JobHelper.worker, func.sum(JobHelper.finished)).join(
        Job, (Job.id == JobHelper.job_id) & (Job.lease == JobHelper.leader) & Job.state.in_(("running", "stopping"))
    )
    by_job: dict[object, dict[str, int]] = {}
    for job_id, worker, finished in session.execute(counts.group_by(JobHelper.job_id, JobHelper.worker)):
        by_job.setdefault(job_id, {})[str(worker)] = int(finished)
    running = select(Job).where(Job.id.in_(by_job)).order_by(Job.started_at).limit(MOST)
    return [_shared(job, by_job[job.id]) for job in session.scalars(running)]


def _shared(job: Job, helped: dict[str, int]) -> SharedJob:
    own = max(job.finished - sum(helped.values()), 0)
    return SharedJob(job, {str(job.worker): own} | helped)

"""The workers with their present jobs, and how to drain or stop one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs.engine.accounts import audit
from jobs.engine.db import postgres
from jobs.engine.db.models import Job, WorkerProcess
from jobs.engine.errors import NotFound
from jobs.engine.operations.shared_jobs import helped_jobs
from jobs.engine.queue import worker_registry


@dataclass(frozen=True)
class WorkerFigures:
    """One worker and its present job, which it leads or helps with."""

    name: str
    host: str
    pid: int
    program: str
    queues: list[str]
    version: str
    memory: int | None  # bytes
    asked: str | None  # finish, stop
    started_at: datetime
    beat_at: datetime
    job: Job | None


def workers(session: Session) -> list[WorkerFigures]:
    """The workers with a heartbeat in the last ten seconds, by host and program."""
    there = sorted(worker_registry.alive(session), key=lambda one: (one.host, one.program, one.pid))
    held = select(Job).where(Job.state.in_(("running", "stopping")), Job.worker.in_([one.name for one in there]))
    jobs = helped_jobs(session) | {str(job.worker): job for job in session.scalars(held)}
    return [_figures(one, jobs.get(one.name)) for one in there]


def _figures(one: WorkerProcess, job: Job | None) -> WorkerFigures:
    names = ("name", "host", "pid", "program", "queues", "version", "memory", "asked", "started_at", "beat_at")
    found = {name: getattr(one, name) for name in names}
    if found["asked"] not in worker_registry.ASKED:  # another one: nothing that this one does
        found["asked"] = None
    return WorkerFigures(**found, job=job)


def send_away(name: str, what: str, *, owner: str, address: str | None = None) -> None:
    """Make a worker exit: `finish` after its job, `stop` after releasing its job. It is not replaced.

    Raises NotFound, DatabaseUnavailable.
    """
    with postgres.session() as session:
        if what not in worker_registry.ASKED or not worker_registry.ask(session, name[:200], what):
            raise NotFound("This worker no longer exists.")
        audit.record(session, owner, f"worker_{what}", name, address=address)


def start_another(name: str, *, owner: str, address: str | None = None) -> None:
    """Make the program that keeps this worker start one more. Raises NotFound, DatabaseUnavailable."""
    with postgres.session() as session:
        if not worker_registry.ask(session, name[:200], worker_registry.ANOTHER):
            raise NotFound("This worker no longer exists, or it leaves.")
        audit.record(session, owner, "worker_another", name, address=address)

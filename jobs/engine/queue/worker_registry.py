"""Registry of living workers: supervisors report them every two seconds; one not reported for ten seconds is gone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import case, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from jobs.engine.db.models import Job, JobHelper, WorkerProcess

SILENT = text("interval '10 s'")
ASKED = ("finish", "stop")  # what an operator may ask of a worker
ANOTHER = "another"  # and of the program that keeps it: one worker more


@dataclass(frozen=True)
class Seen:
    """A worker as its supervisor sees it. `memory`: bytes, None while it is not known."""

    name: str
    pid: int
    memory: int | None = None


def report(
    session: Session,
    program: str,
    host: str,
    queues: Sequence[str],
    version: str,
    seen: Iterable[Seen],
    storage: str = "",
) -> dict[str, str]:
    """These workers of one supervisor are alive. Returns what operators asked of them, by name; `another` only once.

    storage: the id of where they keep files, see files/storage_id.py; empty where it is not known.
    """
    common: dict[str, Any] = {"program": program, "host": host, "queues": list(queues), "version": version}
    common["storage"] = storage or None
    rows = [common | {"name": one.name, "pid": one.pid, "memory": one.memory} for one in seen]
    if not rows:
        return {}
    statement = insert(WorkerProcess).values(rows)
    new = statement.excluded
    same = WorkerProcess.program == new.program  # in a container a name soon belongs to another process
    values = {
        "beat_at": func.now(),
        "started_at": case((same, WorkerProcess.started_at), else_=func.now()),
        "asked": case((same, WorkerProcess.asked)),
    } | {name: new[name] for name in ("program", "host", "queues", "version", "storage", "pid", "memory")}
    statement = statement.on_conflict_do_update(index_elements=["name"], set_=values)
    answered = session.execute(statement.returning(WorkerProcess.name, WorkerProcess.asked))
    found = {name: asked for name, asked in answered if asked}
    if ANOTHER in found.values():
        names = [name for name, asked in found.items() if asked == ANOTHER]
        session.execute(update(WorkerProcess).where(WorkerProcess.name.in_(names)).values(asked=None))
    return found


def leave(session: Session, names: Sequence[str]) -> None:
    session.execute(delete(WorkerProcess).where(WorkerProcess.name.in_(names)))


def forget_silent(session: Session) -> None:
    session.execute(delete(WorkerProcess).where(WorkerProcess.beat_at < func.now() - SILENT))


def alive(session: Session) -> list[WorkerProcess]:
    """The workers that were reported within ten seconds."""
    heard = select(WorkerProcess).where(WorkerProcess.beat_at > func.now() - SILENT).order_by(WorkerProcess.name)
    return list(session.scalars(heard))


def programs(session: Session, queues: Sequence[str]) -> int:
    """How many supervisors have workers for any of these queues."""
    serving = select(func.count(func.distinct(WorkerProcess.program))).where(
        WorkerProcess.beat_at > func.now() - SILENT, WorkerProcess.queues.overlap(list(queues))
    )
    return session.scalar(serving) or 0


def holding(session: Session, names: Sequence[str]) -> dict[str, UUID]:
    """The jobs that these workers are at, by the name of the worker: as leader or as helper."""
    led = select(Job.worker, Job.id).where(Job.state.in_(("running", "stopping")), Job.worker.in_(names))
    helped = select(JobHelper.worker, JobHelper.job_id).where(JobHelper.ended_at.is_(None), JobHelper.worker.in_(names))
    held = led.union_all(helped)
    return {str(worker): job_id for worker, job_id in session.execute(held)}


def ask(session: Session, name: str, what: str) -> bool:
    """Have a worker finish and leave, or give its job back and leave, or get another one beside it.

    Its supervisor reads it within two seconds. False if there is no such worker, or none that stays to ask for another.
    """
    living = update(WorkerProcess).where(WorkerProcess.name == name, WorkerProcess.beat_at > func.now() - SILENT)
    if what == ANOTHER:
        living = living.where(WorkerProcess.asked.is_(None) | (WorkerProcess.asked == ANOTHER))
    return session.scalar(living.values(asked=what).returning(WorkerProcess.name)) is not None

"""Which workers are there: their supervisors report them every two seconds; ten silent seconds mean gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from jobs.engine.models import WorkerProcess

SILENT = text("interval '10 s'")


def report(session: Session, host: str, queues: Sequence[str], running: Mapping[str, int]) -> None:
    """These workers (name -> pid) of one supervisor are alive."""
    if not running:
        return
    rows = [{"name": name, "host": host, "pid": pid, "queues": list(queues)} for name, pid in running.items()]
    statement = insert(WorkerProcess).values(rows)
    session.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"beat_at": func.now()}))


def leave(session: Session, names: Sequence[str]) -> None:
    session.execute(delete(WorkerProcess).where(WorkerProcess.name.in_(names)))


def forget_silent(session: Session) -> None:
    session.execute(delete(WorkerProcess).where(WorkerProcess.beat_at < func.now() - SILENT))


def alive(session: Session) -> list[WorkerProcess]:
    """The workers that were heard of within ten seconds."""
    heard = select(WorkerProcess).where(WorkerProcess.beat_at > func.now() - SILENT).order_by(WorkerProcess.name)
    return list(session.scalars(heard))

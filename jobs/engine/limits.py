"""What one owner may have: jobs that wait, and room for files. The settings say how much; whoever hits a limit is told so."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from jobs.engine import database, settings
from jobs.engine.errors import TooLarge, TooMany
from jobs.engine.models import File, Job


@dataclass(frozen=True)
class Usage:
    """How much an owner has, and may have. most_bytes 0: as much as there is room for."""

    waiting: int
    most_waiting: int
    bytes: int
    most_bytes: int


def usage(owner: str) -> Usage:
    chosen = settings.current()
    with database.session() as session:
        waiting = _waiting(session, owner, chosen.max_waiting_jobs)
        return Usage(waiting, chosen.max_waiting_jobs, _bytes(session, owner), chosen.max_storage_bytes)


def check_waiting(session: Session, owner: str) -> None:
    """Raise TooMany if as many jobs of this owner wait as may."""
    most = settings.current().max_waiting_jobs
    if _waiting(session, owner, most) >= most:
        sentence = f"{most:,} of your jobs are waiting, and no more may wait at a time. Let some end, or stop some."
        raise TooMany(sentence, reason="too_many_waiting")


def check_storage(owner: str, more: int = 0) -> None:
    """Raise TooLarge if this owner's files take more room than one may have, these `more` bytes included."""
    most = settings.current().max_storage_bytes
    if not most:
        return
    with database.session() as session:
        taken = _bytes(session, owner)
    if taken + more > most or (not more and taken == most):
        sentence = f"Your files take {taken / 1e6:,.1f} MB, and one may keep {most / 1e6:,.0f} MB."
        raise TooLarge(f"{sentence} Delete jobs that have ended first.", reason="storage_full")


def _waiting(session: Session, owner: str, most: int) -> int:
    some = select(Job.id).where(Job.owner == owner, Job.state == "queued").limit(most).subquery()
    return session.scalar(select(func.count()).select_from(some)) or 0


def _bytes(session: Session, owner: str) -> int:
    return int(session.scalar(select(func.sum(File.bytes)).where(File.owner == owner)) or 0)

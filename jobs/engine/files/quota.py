"""How much an owner's files may take. The setting says how much; whoever hits the limit is told so."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, not_, select, text
from sqlalchemy.orm import Session

from jobs.engine import settings
from jobs.engine.db import postgres
from jobs.engine.db.models import File, StorageUsed
from jobs.engine.errors import QuotaExceeded

SHOWN_FROM = 100_000  # bytes
_ONE_AT_A_TIME = text("select pg_advisory_xact_lock(hashtextextended(:owner, 7023464))")


def check_quota(owner: str, more: int = 0, job: tuple[UUID, int] | None = None) -> None:
    """`take_storage`, before there is anything to record: so that what has no room is not stored first."""
    if settings.current().max_storage_bytes:
        with postgres.session() as session:
            take_quota(session, owner, more, job)


def take_quota(session: Session, owner: str, more: int, job: tuple[UUID, int] | None = None) -> None:
    """Raise NoRoom if this owner's files take more room than one may have, these `more` bytes included.

    Until the transaction ends nobody else takes any of it. job: the id and the lease of the job that makes these
    files; what its earlier attempts left behind unseen does not count.
    """
    most = settings.current().max_storage_bytes
    if not most:
        return
    session.execute(_ONE_AT_A_TIME, {"owner": owner})
    taken = storage_used(session, owner, job)
    if taken + more > most or (not more and taken == most):
        sentence = f"Your files take {taken / 1e6:,.1f} MB, and one may keep {most / 1e6:,.0f} MB"
        wanted = f": there is no room for {more / 1e6:,.1f} MB more" if more >= SHOWN_FROM else ""
        raise QuotaExceeded(f"{sentence}{wanted}. Delete jobs that have ended first.")


def storage_used(session: Session, owner: str, job: tuple[UUID, int] | None = None) -> int:
    """Bytes of an owner's files. job: as for `take_storage`."""
    bytes_ = session.scalar(select(StorageUsed.bytes).where(StorageUsed.owner == owner)) or 0
    if job is None:
        return bytes_
    left = (File.job_id == job[0]) & (File.lease < job[1]) & not_(File.visible)
    return bytes_ - int(session.scalar(select(func.sum(File.bytes)).where(left)) or 0)

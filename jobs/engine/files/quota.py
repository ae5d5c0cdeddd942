"""The storage quota of an owner (MAX_STORAGE_MB)."""

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
    """`take_quota` in a transaction of its own, before the file is stored. Raises QuotaExceeded."""
    if settings.current().max_storage_bytes:
        with postgres.session() as session:
            take_quota(session, owner, more, job)


def take_quota(session: Session, owner: str, more: int, job: tuple[UUID, int] | None = None) -> None:
    """Raise QuotaExceeded if the owner's files and outbox with these `more` bytes are over the quota.

    It locks the owner's quota until the transaction ends. job: id and lease of the job that makes the files; outputs of its
    earlier attempts that are not visible do not count.
    """
    most = settings.current().max_storage_bytes
    if not most:
        return
    session.execute(_ONE_AT_A_TIME, {"owner": owner})
    used = storage_used(session, owner, job)
    if used + more > most or (not more and used == most):
        sentence = f"Your files take {used / 1e6:,.1f} MB of your {most / 1e6:,.0f} MB"
        needed = f"; {more / 1e6:,.1f} MB more do not fit" if more >= SHOWN_FROM else ""
        raise QuotaExceeded(f"{sentence}{needed}. Delete jobs that have ended, or empty the outbox.")


def storage_used(session: Session, owner: str, job: tuple[UUID, int] | None = None) -> int:
    """Bytes of an owner's files and outbox. job: as for `take_quota`."""
    bytes_ = session.scalar(select(StorageUsed.bytes).where(StorageUsed.owner == owner)) or 0
    if job is None:
        return bytes_
    discarded = (File.job_id == job[0]) & (File.lease < job[1]) & not_(File.visible)
    return bytes_ - int(session.scalar(select(func.sum(File.bytes)).where(discarded)) or 0)

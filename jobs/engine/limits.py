"""What one owner may have: jobs that wait, and room for files. The settings say how much; whoever hits a limit is told so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, not_, select, text
from sqlalchemy.orm import Session

from jobs.engine import database, settings
from jobs.engine.errors import NoRoom, TooMany
from jobs.engine.models import File, StorageUsed

if TYPE_CHECKING:
    from jobs.engine.ledger import Claim

SHOWN_FROM = 100_000  # bytes
_ONE_AT_A_TIME = text("select pg_advisory_xact_lock(hashtextextended(:owner, 7023464))")


@dataclass(frozen=True)
class Usage:
    """How much an owner has, and may have. most_bytes 0: as much as there is room for."""

    waiting: int
    most_waiting: int
    bytes: int
    most_bytes: int


def usage(owner: str) -> Usage:
    with database.reading() as session:
        taken = _bytes(session, owner)
    most = most_waiting()
    return Usage(_waiting(owner, most), most, taken, settings.current().max_storage_bytes)


def most_waiting() -> int:
    """How many jobs of one owner may wait."""
    return settings.current().max_waiting_jobs


def too_many_waiting() -> TooMany:
    """What is said to an owner of whose jobs as many wait as may."""
    sentence = (
        f"{most_waiting():,} of your jobs are waiting, and no more may wait at a time. Let some end, or stop some."
    )
    return TooMany(sentence, reason="too_many_waiting")


def check_storage(owner: str, more: int = 0, claim: Claim | None = None) -> None:
    """`take_storage`, before there is anything to record: so that what has no room is not stored first."""
    if settings.current().max_storage_bytes:
        with database.session() as session:
            take_storage(session, owner, more, claim)


def take_storage(session: Session, owner: str, more: int, claim: Claim | None = None) -> None:
    """Raise NoRoom if this owner's files take more room than one may have, these `more` bytes included.

    Until the transaction ends nobody else takes any of it. claim: of the job that makes these files; what its earlier
    attempts left behind unseen does not count.
    """
    most = settings.current().max_storage_bytes
    if not most:
        return
    session.execute(_ONE_AT_A_TIME, {"owner": owner})
    taken = _bytes(session, owner, claim)
    if taken + more > most or (not more and taken == most):
        sentence = f"Your files take {taken / 1e6:,.1f} MB, and one may keep {most / 1e6:,.0f} MB"
        wanted = f": there is no room for {more / 1e6:,.1f} MB more" if more >= SHOWN_FROM else ""
        raise NoRoom(f"{sentence}{wanted}. Delete jobs that have ended first.")


_WAITING = """
    select count(*) from (select from jobs where owner = %(owner)s and state = 'queued' limit %(most)s) as counted
"""


def _waiting(owner: str, most: int) -> int:
    return int(database.ask(_WAITING, {"owner": owner, "most": most})[0][0])


def _bytes(session: Session, owner: str, claim: Claim | None = None) -> int:
    used = session.scalar(select(StorageUsed.bytes).where(StorageUsed.owner == owner)) or 0
    if claim is None:
        return used
    left = (File.job_id == claim.job_id) & (File.lease < claim.lease) & not_(File.visible)
    return used - int(session.scalar(select(func.sum(File.bytes)).where(left)) or 0)

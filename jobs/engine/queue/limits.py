"""Limits of an owner: waiting jobs, and with them the use of storage."""

from __future__ import annotations

from dataclasses import dataclass

from jobs.engine import settings
from jobs.engine.db import postgres
from jobs.engine.errors import TooMany
from jobs.engine.files import quota


@dataclass(frozen=True)
class Usage:
    """How much an owner uses, and may use. most_bytes 0: no quota."""

    waiting: int
    most_waiting: int
    bytes: int
    most_bytes: int


def usage(owner: str) -> Usage:
    with postgres.reading() as session:
        taken = quota.storage_used(session, owner)
    most = max_waiting_jobs()
    return Usage(_waiting(owner, most), most, taken, settings.current().max_storage_bytes)


def max_waiting_jobs() -> int:
    """How many jobs of one owner may wait."""
    return settings.current().max_waiting_jobs


def too_many_waiting() -> TooMany:
    """The error for an owner who has reached the limit of waiting jobs."""
    sentence = (
        f"{max_waiting_jobs():,} of your jobs are waiting, and no more may wait at a time. Let some end, or stop some."
    )
    return TooMany(sentence, reason="too_many_waiting")


_WAITING = """
    select count(*) from (select from jobs where owner = %(owner)s and state = 'queued' limit %(most)s) as counted
"""


def _waiting(owner: str, most: int) -> int:
    return int(postgres.fetch_all(_WAITING, {"owner": owner, "most": most})[0][0])

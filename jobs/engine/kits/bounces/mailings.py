"""Which mailing a notice is about. Its Message-ID follows from job and address, so nobody can make one up for others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from jobs.engine.db import postgres
from jobs.engine.db.models import Job
from jobs.engine.errors import BadInput
from jobs.engine.mail import message_digest, parse_address

KIND = "send_emails"
DAYS = 90  # a notice about an older mailing belongs to none
MOST = 10_000


class Mailings:
    """The mailings of the last months, of all accounts."""

    def __init__(self) -> None:
        since = datetime.now(UTC) - timedelta(days=DAYS)
        jobs = select(Job.id, Job.owner).where(Job.kind == KIND, Job.created_at > since)
        with postgres.session() as session:
            self._jobs = [
                (one.id, one.owner) for one in session.execute(jobs.order_by(Job.created_at.desc()).limit(MOST))
            ]

    def of(self, message_id: str, address: str) -> tuple[UUID, str] | None:
        """The job that wrote this message to this address, and its owner; None if none did."""
        digest = message_id.strip("<>").partition("@")[0]
        key = address_key(address)
        if not digest or not key:
            return None
        return next((found for found in self._jobs if message_digest(str(found[0]), key) == digest), None)


def address_key(address: str) -> str:
    """The address in the one way in which it is kept; empty if it is none."""
    try:
        return parse_address(address).key
    except BadInput:
        return ""

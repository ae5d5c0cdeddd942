"""The audit log as the API shows it."""

from typing import Annotated, Any
from uuid import UUID

from jobs.engine.accounts import ACTIONS
from webapp.api.records import Moment, Next, Record, one_of


class AuditEntryRecord(Record):
    """Who did what."""

    id: UUID
    at: Moment
    who: str
    action: Annotated[str, one_of(ACTIONS)]
    target: str
    address: str | None
    detail: dict[str, Any]


class AuditEntries(Record):
    """A page of entries."""

    entries: list[AuditEntryRecord]
    next: Next

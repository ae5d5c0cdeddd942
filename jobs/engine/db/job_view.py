"""A job as it is read: what pages, the API and the queue see of a row in `jobs`. The table itself is `models.Job`."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute, Session

from jobs.engine.db.models import Job, Standing


class _JobRow(NamedTuple):
    """The fields of JobView. A tuple, because a frozen dataclass takes five times as long to make, and pages poll."""

    id: UUID
    kind: str
    label: str
    params: dict[str, Any]
    estimated: dict[str, Any] | None
    sample: int | None
    owner: str
    queue: str
    parent: UUID | None
    schedule_id: UUID | None
    state: str
    reason: str | None
    message: str | None
    detail: str | None
    lease: int
    attempt: int
    max_attempts: int
    time_limit: int
    worker: str | None
    run_at: datetime | None
    delivered_at: datetime | None
    cancel_requested_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    done: int
    failed: int
    skipped: int
    unknown: int
    total: int | None
    note: str | None
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    cost: Decimal | None
    unpriced: int
    cost_unsure: Decimal
    reused: int
    cost_saved: Decimal
    result: dict[str, Any] | None
    pinned: bool

    # Not columns; None where they were not read.
    file_count: int | None = None  # outputs that may be seen
    recent: tuple[int, float | None] | None = None  # as queue.polling.recent_items gives it


class JobView(Standing, _JobRow):
    """The columns of one job, as they were when it was read."""

    __slots__ = ()

    @classmethod
    def of(cls, job: Job) -> JobView:
        """The same row, read through the ORM."""
        return cls(*(getattr(job, name) for name in COLUMNS))


COLUMNS = tuple(name for name in _JobRow._fields if name not in _JobRow._field_defaults)


def columns(job: type[Job] = Job) -> list[InstrumentedAttribute[Any]]:
    """What a query selects for `views`."""
    return [getattr(job, name) for name in COLUMNS]


def views(session: Session, query: Select[Any]) -> list[JobView]:
    """The rows of a query of `columns()`."""
    return [JobView(*row) for row in session.execute(query)]

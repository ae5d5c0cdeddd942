"""Jobs, their attempts, items, steps and log lines. The row in `jobs` is the job."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.dialects.postgresql import JSON, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from jobs.engine.db.models.base import Base, new_id

JOB_STATES = ("queued", "running", "stopping", "succeeded", "partial", "failed", "cancelled")
ENDED_STATES = ("succeeded", "partial", "failed", "cancelled")
ITEM_STATES = ("started", "done", "failed", "skipped", "unknown")
VERDICTS = ("allow", "review", "block")


class Standing:
    """What follows from the columns of a job: for the table, `Job`, and for what is read of it, `JobView`."""

    __slots__ = ()

    state: Any
    done: Any
    failed: Any
    skipped: Any
    unknown: Any
    total: Any

    @property
    def ended(self) -> bool:
        return self.state in ENDED_STATES

    @property
    def finished(self) -> int:
        """Items that need nothing more."""
        return int(self.done + self.failed + self.skipped + self.unknown)

    @property
    def pending(self) -> int | None:
        """Items still to go; None while the total is unknown. done + failed + skipped + unknown + pending = total."""
        return None if self.total is None else self.total - self.finished


class Job(Standing, Base):
    """One piece of work. `state` changes only in queue/ledger; docs/architecture.md has a diagram of the changes."""

    __tablename__ = "jobs"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str]
    label: Mapped[str] = mapped_column(server_default="")  # its name, or what it works on, such as a file's name
    params: Mapped[dict[str, Any]] = mapped_column(JSON)
    estimated: Mapped[dict[str, Any] | None] = mapped_column(
        JSONB(none_as_null=True)
    )  # what the form said it would take
    sealed: Mapped[dict[str, str] | None] = mapped_column(
        JSON(none_as_null=True)
    )  # secret params, until the job has ended
    sample: Mapped[int | None]  # only the first N items
    owner: Mapped[str]
    queue: Mapped[str]
    parent: Mapped[UUID | None]  # the job that this one repeats
    schedule_id: Mapped[UUID | None] = mapped_column(ForeignKey("schedules.id", ondelete="SET NULL"))
    idempotency_key: Mapped[str | None]
    fingerprint: Mapped[str | None]  # of the body that came with the key

    state: Mapped[str] = mapped_column(server_default="queued")
    reason: Mapped[str | None]  # why it is in this state, as a word
    message: Mapped[str | None]  # the same as a sentence
    detail: Mapped[str | None]  # the trace, for a developer
    lease: Mapped[int] = mapped_column(server_default="0")  # the fence: one more at each claim, named by each write
    lease_until: Mapped[datetime | None]  # by the database's clock
    attempt: Mapped[int] = mapped_column(server_default="0")  # claims that count: not those ended by a shutdown
    max_attempts: Mapped[int] = mapped_column(server_default="3")
    advanced: Mapped[bool] = mapped_column(server_default="false")  # this attempt finished an item
    time_limit: Mapped[int]  # seconds an attempt may take
    worker: Mapped[str | None]
    run_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]  # when its message was last put into Redis
    cancel_requested_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    done: Mapped[int] = mapped_column(server_default="0")
    failed: Mapped[int] = mapped_column(server_default="0")
    skipped: Mapped[int] = mapped_column(server_default="0")
    unknown: Mapped[int] = mapped_column(server_default="0")
    total: Mapped[int | None]
    note: Mapped[str | None]
    prompt_tokens: Mapped[int] = mapped_column(server_default="0")
    completion_tokens: Mapped[int] = mapped_column(server_default="0")
    cached_tokens: Mapped[int] = mapped_column(server_default="0")  # of prompt_tokens
    reasoning_tokens: Mapped[int] = mapped_column(server_default="0")  # of completion_tokens
    cost: Mapped[Decimal | None]  # dollars, of the items whose price is known
    unpriced: Mapped[int] = mapped_column(server_default="0")  # items whose price is not known
    cost_held: Mapped[Decimal] = mapped_column(server_default="0")  # the most that the calls on their way can cost
    cost_unsure: Mapped[Decimal] = mapped_column(server_default="0")  # what calls that broke off may have cost
    reused: Mapped[int] = mapped_column(server_default="0")  # answers that earlier jobs of the owner got,
    cost_saved: Mapped[Decimal] = mapped_column(server_default="0")  # and what they cost then
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    pinned: Mapped[bool] = mapped_column(server_default="false")  # not deleted until a person unpins it

    __table_args__ = (
        CheckConstraint(
            "state in ('queued','running','stopping','succeeded','partial','failed','cancelled')", name="state_known"
        ),
        Index("jobs_owner_id", "owner", "id"),
        Index("jobs_owner_state_id", "owner", "state", "id"),
        Index("jobs_owner_kind_id", "owner", "kind", "id"),
        Index("jobs_queued", "queue", "id", postgresql_where=text("state = 'queued'")),
        Index("jobs_undelivered", "run_at", "id", postgresql_where=text("state = 'queued' and delivered_at is null")),
        Index(
            "jobs_delivered",
            "queue",
            "delivered_at",
            postgresql_where=text("state = 'queued' and delivered_at is not null"),
        ),
        Index(
            "jobs_turns",
            "queue",
            "owner",
            "id",
            postgresql_where=text("state = 'queued'"),
            postgresql_include=["run_at"],
        ),
        Index("jobs_schedule_id_id", "schedule_id", "id", postgresql_where=text("schedule_id is not null")),
        Index("jobs_ended", "queue", "state", "finished_at", postgresql_where=text("finished_at is not null")),
        Index("jobs_held", "id", postgresql_where=text("state in ('running', 'stopping')")),
        Index(
            "jobs_idempotency",
            "owner",
            "idempotency_key",
            unique=True,
            postgresql_where=text("idempotency_key is not null"),
        ),
    )


@dataclass(frozen=True)
class Counts:
    """Items of the job by how they ended, those of earlier attempts included. total is None where it is not known."""

    done: int
    failed: int
    skipped: int
    unknown: int
    total: int | None


class Attempt(Base):
    """One claim of a job by a worker, and how it ended."""

    __tablename__ = "attempts"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    lease: Mapped[int] = mapped_column(primary_key=True)
    attempt: Mapped[int]
    worker: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]
    how: Mapped[str | None]  # succeeded, partial, failed, stopped, time_limit, retry, lost, shutdown
    message: Mapped[str | None]
    finished: Mapped[int | None]  # items finished when it ended


class Item(Base):
    """One unit of a job's work: a row, a file, a recipient. Only items that were started or have ended have a row.

    No foreign key: it would be checked once for each of a million rows; ledger.delete() removes a job's items with it.
    """

    __tablename__ = "items"

    job_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)  # identifies the item in later attempts
    position: Mapped[int]  # its place in the input, from 1
    state: Mapped[str]
    # json, not jsonb: the order of the columns is the table's.
    input: Mapped[dict[str, Any] | None] = mapped_column(JSON)  # as a row of a table
    output: Mapped[dict[str, Any] | None] = mapped_column(JSON)  # its result, as more columns of that row
    reason: Mapped[str | None]
    error: Mapped[str | None]  # the sentence
    tokens: Mapped[int | None]
    cached_tokens: Mapped[int | None]
    reasoning_tokens: Mapped[int | None]
    cost: Mapped[Decimal | None]  # dollars; null where no price is known
    seconds: Mapped[float | None]
    verdict: Mapped[str | None]  # where items are judged; output has it too
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("state in ('started','done','failed','skipped','unknown')", name="state_known"),
        Index("items_job_id_position", "job_id", "position", "key"),
        Index("items_judged", "job_id", "verdict", "position", "key", postgresql_where=text("verdict is not null")),
        Index("items_unwell", "job_id", "state", "position", "key", postgresql_where=text("state <> 'done'")),
    )


class Step(Base):
    """The stored result of `context.once(key, ...)`."""

    __tablename__ = "steps"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]  # started, done
    result: Mapped[Any] = mapped_column(JSONB, nullable=True)


class LogLine(Base):
    """One line of a job's log. No foreign key, as for items."""

    __tablename__ = "job_log"

    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[UUID]
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    level: Mapped[str] = mapped_column(server_default="info")  # info, warning, error
    text: Mapped[str]

    __table_args__ = (Index("job_log_job_id_id", "job_id", "id"),)

"""Batches: jobs that were asked for in OpenAI's wire format, and what jobs have a provider answer in batches of its own."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from jobs.engine.db.models.base import Base


class BatchJob(Base):
    """What a batch has and its job has not."""

    __tablename__ = "batches"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    owner: Mapped[str]
    endpoint: Mapped[str]
    input_file: Mapped[str]
    completion_window: Mapped[str]
    labels: Mapped[dict[str, str] | None] = mapped_column(JSONB(none_as_null=True))  # `metadata` on the wire
    expires_at: Mapped[datetime]
    expired_at: Mapped[datetime | None]  # when its job was stopped for that
    deleted_files: Mapped[str] = mapped_column(server_default="")  # output, errors, or both with a space between
    sizes: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))  # of its files, once it has ended

    __table_args__ = (
        Index("batches_owner", "owner", "job_id"),
        Index("batches_expiring", "expires_at", postgresql_where=text("expired_at is null")),
    )


class ProviderBatch(Base):
    """Requests of a job that a provider answers within a day.

    state: creating, from before it is asked for until its id is known; created; ended; over, where it no longer counts: its
    job was stopped or retried.
    """

    __tablename__ = "provider_batches"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)  # from 1
    state: Mapped[str]
    first: Mapped[int]  # positions of items: requests of this batch are of items from here
    last: Mapped[int]  # to here
    requests: Mapped[int]
    endpoint: Mapped[str]
    most_cost: Mapped[Decimal] = mapped_column(server_default="0")  # dollars that its requests may cost at most
    cost_before: Mapped[Decimal] = mapped_column(server_default="0")  # of the job, when it was sent
    input_file: Mapped[str]  # the provider's ids
    batch_id: Mapped[str | None]
    status: Mapped[str | None]  # as the provider calls it
    files: Mapped[list[str] | None] = mapped_column(JSONB(none_as_null=True))  # with answers and errors
    trouble: Mapped[str | None]
    asked_at: Mapped[datetime] = mapped_column(server_default=func.now())
    look_at: Mapped[datetime | None]  # when the clock looks next

    __table_args__ = (
        CheckConstraint("state in ('creating','created','ended','over')", name="state_known"),
        Index("provider_batches_open", "look_at", postgresql_where=text("state in ('creating', 'created')")),
    )

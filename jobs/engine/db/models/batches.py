"""Batches: jobs that were asked for in OpenAI's wire format."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
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

"""What people changed in what a job judged."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, func, text
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.orm import Mapped, mapped_column

from jobs.engine.db.models.base import Base


class ThresholdChange(Base):
    """Thresholds that a person set for a job that had ended. The latest is in force; without one, those of its params."""

    __tablename__ = "threshold_changes"

    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    thresholds: Mapped[dict[str, Any]] = mapped_column(JSON)  # json, not jsonb: in the order in which they were given
    changed_by: Mapped[str]
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    before: Mapped[dict[str, Any]] = mapped_column(JSON)  # how many items had each verdict
    after: Mapped[dict[str, Any]] = mapped_column(JSON)  # and how many have it now

    __table_args__ = (Index("threshold_changes_job_id_id", "job_id", "id"),)


class Decision(Base):
    """What a person decided about one item. It is in force until it is undone; the row stays."""

    __tablename__ = "decisions"

    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    key: Mapped[str]  # of the item
    before: Mapped[str]  # the verdict that it had
    after: Mapped[str]  # allow, block
    decided_by: Mapped[str]
    decided_at: Mapped[datetime] = mapped_column(server_default=func.now())
    undone_by: Mapped[str | None]
    undone_at: Mapped[datetime | None]

    __table_args__ = (
        Index("decisions_job_id_id", "job_id", "id"),
        Index("decisions_in_force", "job_id", "key", unique=True, postgresql_where=text("undone_at is null")),
    )

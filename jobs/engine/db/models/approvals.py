"""The questions that a job asked a person before it went on."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, func
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.orm import Mapped, mapped_column

from jobs.engine.db.models.base import Base, new_id


class Approval(Base):
    """A call that waits for a person's yes or no, or has it. Open until `decided_at` is set or `expires_at` has passed."""

    __tablename__ = "approvals"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    call: Mapped[str]  # what makes it the same call in a later attempt
    tool: Mapped[str]
    arguments: Mapped[dict[str, Any]] = mapped_column(JSON)  # json, not jsonb: in the order in which they were given
    asked_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    approved: Mapped[bool | None]
    reason: Mapped[str | None]  # what the person said about it
    decided_by: Mapped[str | None]

    __table_args__ = (Index("approvals_job_id_call", "job_id", "call", unique=True),)

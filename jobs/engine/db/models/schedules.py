"""Jobs that repeat, and who is told when one has ended."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.dialects.postgresql import JSON, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from jobs.engine.db.models.base import Base, new_id


class Schedule(Base):
    """A job that repeats: what it is made of, and when."""

    __tablename__ = "schedules"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    owner: Mapped[str]
    kind: Mapped[str]
    label: Mapped[str] = mapped_column(server_default="")
    params: Mapped[dict[str, Any]] = mapped_column(JSON)
    sealed: Mapped[dict[str, str] | None] = mapped_column(JSON(none_as_null=True))  # secret params
    cron: Mapped[str]  # five fields
    zone: Mapped[str]  # in which they are read
    notify: Mapped[list[Any]] = mapped_column(JSONB, server_default="[]")  # {channel, target} of each job to come
    paused_at: Mapped[datetime | None]
    next_at: Mapped[datetime | None]
    ran_at: Mapped[datetime | None]
    trouble: Mapped[str | None]  # why the last due time made no job, as a sentence
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        Index("schedules_owner_id", "owner", "id"),
        Index("schedules_due", "next_at", postgresql_where=text("paused_at is null")),
    )


class Notification(Base):
    """Somebody who is told when a job has ended, and how that went."""

    __tablename__ = "notifications"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    channel: Mapped[str]
    target: Mapped[str]  # an address of mail or of the web
    state: Mapped[str] = mapped_column(server_default="open")
    attempts: Mapped[int] = mapped_column(server_default="0")
    next_at: Mapped[datetime] = mapped_column(server_default=func.now())
    tries: Mapped[list[Any]] = mapped_column(JSONB, server_default="[]")  # {at, ok, text} of each
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        CheckConstraint("channel in ('mail','webhook')", name="channel_known"),
        CheckConstraint("state in ('open','sent','given_up','not_needed')", name="state_known"),
        Index("notifications_job_id", "job_id"),
        Index("notifications_open", "next_at", postgresql_where=text("state = 'open'")),
    )

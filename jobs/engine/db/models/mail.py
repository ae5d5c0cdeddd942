"""The outbox, and the addresses that are not written to."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from jobs.engine.db.models.base import Base, new_id


class OutboxMessage(Base):
    """A mail that was kept instead of sent, because mail is not set up. The message itself is a blob, as .eml."""

    __tablename__ = "outbox"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    owner: Mapped[str]
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"))
    message_id: Mapped[str]
    sender: Mapped[str]
    recipient: Mapped[str]
    subject: Mapped[str] = mapped_column(server_default="")
    attachments: Mapped[int] = mapped_column(server_default="0")
    bytes: Mapped[int]
    blob: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (Index("outbox_owner_id", "owner", "id"), Index("outbox_job_id", "job_id"))


class Suppression(Base):
    """An address that an owner's mailings leave out. It is kept as Address.key: one way for each address."""

    __tablename__ = "suppressions"

    owner: Mapped[str] = mapped_column(primary_key=True)
    address: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

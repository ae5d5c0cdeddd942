"""Conversations. Text that somebody waits for is no job."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from jobs.engine.db.models.base import Base, new_id


class Conversation(Base):
    """A talk with one model. Text that somebody waits for is no job; it hangs here."""

    __tablename__ = "conversations"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    owner: Mapped[str]
    title: Mapped[str] = mapped_column(server_default="")
    model: Mapped[str] = mapped_column(server_default="")  # empty: the default one of the day
    system: Mapped[str] = mapped_column(server_default="")  # the system prompt
    temperature: Mapped[float | None]
    library: Mapped[bool] = mapped_column(server_default="false")  # whether passages are looked up for each question
    collection: Mapped[str | None]  # and only in this collection of the library
    attached: Mapped[int] = mapped_column(server_default="0")  # how many files it answers from
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (Index("conversations_owner_changed_at", "owner", "changed_at", "id"),)


_WRITING = text("state = 'writing'")  # Message has a column called `text`


class Message(Base):
    """A question, or the answer to the question before it. Its id, a UUIDv7, gives its place.

    An answer is `writing` until it is `done`, `stopped` (by a person), `broken` (what came is kept) or `failed` (nothing came).
    """

    __tablename__ = "messages"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    owner: Mapped[str]
    role: Mapped[str]
    text: Mapped[str] = mapped_column(server_default="")
    reasoning: Mapped[str | None]  # what the model thought before its answer
    current: Mapped[bool] = mapped_column(server_default="true")  # false once an edit or a new answer took its place
    state: Mapped[str] = mapped_column(server_default="done")
    reason: Mapped[str | None]  # why it is so, as a word
    message: Mapped[str | None]  # and as a sentence
    run: Mapped[int] = mapped_column(server_default="0")  # the fence: one more at each start, named by each write
    beat_at: Mapped[datetime | None]  # by the database's clock, while it is written
    stop_asked_at: Mapped[datetime | None]
    model: Mapped[str] = mapped_column(server_default="")
    sources: Mapped[list[Any] | None] = mapped_column(JSONB)  # passages that were given with the question
    prompt_tokens: Mapped[int | None]
    completion_tokens: Mapped[int | None]
    cached_tokens: Mapped[int | None]
    reasoning_tokens: Mapped[int | None]
    cost: Mapped[Decimal | None]  # dollars, of all its runs; null where no price is known
    seconds: Mapped[float | None]
    first_token_seconds: Mapped[float | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("role in ('user','assistant')", name="role_known"),
        CheckConstraint("state in ('writing','done','stopped','broken','failed')", name="state_known"),
        Index("messages_conversation_id_id", "conversation_id", "id"),
        Index("messages_writing", "owner", postgresql_where=sql("state = 'writing'")),
    )


class Attachment(Base):
    """A file that a conversation answers from, read into passages: `attached_passages`, which attachments.py reads and writes."""

    __tablename__ = "attachments"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    owner: Mapped[str]
    file_id: Mapped[UUID | None] = mapped_column(ForeignKey("files.id", ondelete="SET NULL"))
    name: Mapped[str]  # for showing only; never a path
    media_type: Mapped[str]
    passages: Mapped[int]  # how many it was cut into
    language: Mapped[str | None]  # whose stems its passages have
    model: Mapped[str | None]  # that made the vectors of its passages; without one, words alone decide
    dimension: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        Index("attachments_conversation_id_id", "conversation_id", "id"),
        Index("attachments_file_id", "file_id"),
    )

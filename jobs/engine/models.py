"""The tables. The row in `jobs` is the job; everything else hangs on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import uuid6
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, MetaData, SmallInteger, Text, func, text
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import ARRAY, JSON, JSONB, TIMESTAMP
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

JOB_STATES = ("queued", "running", "stopping", "succeeded", "partial", "failed", "cancelled")
ENDED_STATES = ("succeeded", "partial", "failed", "cancelled")
ITEM_STATES = ("started", "done", "failed", "skipped", "unknown")


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562): unguessable, and in the order of creation."""
    return UUID(int=uuid6.uuid7().int)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "%(table_name)s_%(column_0_N_name)s",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "ck": "%(table_name)s_%(constraint_name)s",
            "fk": "%(table_name)s_%(column_0_name)s_fkey",
            "pk": "%(table_name)s_pkey",
        }
    )
    type_annotation_map = {  # noqa: RUF012
        str: Text,
        int: BigInteger,
        datetime: TIMESTAMP(timezone=True),
        dict[str, Any]: JSONB,
        list[str]: ARRAY(Text),
    }


class Job(Base):
    """One piece of work. `state` changes only in ledger.py; docs/architecture.md draws every arrow."""

    __tablename__ = "jobs"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str]
    label: Mapped[str] = mapped_column(server_default="")  # what the work is on, for lists: a file's name
    params: Mapped[dict[str, Any]] = mapped_column(JSON)
    sample: Mapped[int | None]  # only the first N items
    owner: Mapped[str]
    queue: Mapped[str]
    parent: Mapped[UUID | None]  # the job this one repeats
    schedule_id: Mapped[UUID | None] = mapped_column(ForeignKey("schedules.id", ondelete="SET NULL"))
    idempotency_key: Mapped[str | None]
    fingerprint: Mapped[str | None]  # of the body that came with the key

    state: Mapped[str] = mapped_column(server_default="queued")
    reason: Mapped[str | None]  # why it is so, as a word
    message: Mapped[str | None]  # and as a sentence
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
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON)

    __table_args__ = (
        CheckConstraint(
            "state in ('queued','running','stopping','succeeded','partial','failed','cancelled')", name="state_known"
        ),
        Index("jobs_owner_id", "owner", "id"),
        Index("jobs_owner_state_id", "owner", "state", "id"),
        Index("jobs_owner_kind_id", "owner", "kind", "id"),
        Index("jobs_queued", "queue", "id", postgresql_where=text("state = 'queued'")),
        Index("jobs_schedule_id_id", "schedule_id", "id", postgresql_where=text("schedule_id is not null")),
        Index("jobs_held", "id", postgresql_where=text("state in ('running', 'stopping')")),
        Index(
            "jobs_idempotency",
            "owner",
            "idempotency_key",
            unique=True,
            postgresql_where=text("idempotency_key is not null"),
        ),
    )

    @property
    def ended(self) -> bool:
        return self.state in ENDED_STATES

    @property
    def finished(self) -> int:
        """Items that need nothing more."""
        return self.done + self.failed + self.skipped + self.unknown

    @property
    def pending(self) -> int | None:
        """Items still to go; None while the total is unknown. done + failed + skipped + unknown + pending = total."""
        return None if self.total is None else self.total - self.finished


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
    key: Mapped[str] = mapped_column(primary_key=True)  # what makes it the same item in a later attempt
    position: Mapped[int]  # its place in the input, from 1
    state: Mapped[str]
    # json, not jsonb: the order of the columns is the table's.
    input: Mapped[dict[str, Any] | None] = mapped_column(JSON)  # as a row of a table
    output: Mapped[dict[str, Any] | None] = mapped_column(JSON)  # what came of it, as more columns of that row
    reason: Mapped[str | None]
    error: Mapped[str | None]  # the sentence
    tokens: Mapped[int | None]
    seconds: Mapped[float | None]
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("state in ('started','done','failed','skipped','unknown')", name="state_known"),
        Index("items_job_id_position", "job_id", "position", "key"),
        Index("items_unwell", "job_id", "state", "position", "key", postgresql_where=text("state <> 'done'")),
    )


class Step(Base):
    """The kept result of `context.once(key, ...)`."""

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


class File(Base):
    """An upload (no job) or an output. An output is hidden until the transaction that settles its job."""

    __tablename__ = "files"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    owner: Mapped[str]
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"))
    lease: Mapped[int | None]  # of the attempt that wrote it
    visible: Mapped[bool] = mapped_column(server_default="true")
    name: Mapped[str]  # for showing only; never a path
    media_type: Mapped[str]
    bytes: Mapped[int]
    sha256: Mapped[str]
    blob: Mapped[str]  # its key in storage
    table: Mapped[dict[str, Any] | None]  # what tables.describe() found, where it is a table
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime | None]

    __table_args__ = (Index("files_owner_id", "owner", "id"), Index("files_job_id_id", "job_id", "id"))


class WorkerProcess(Base):
    """One RQ worker, as its supervisor last reported it. Silent for ten seconds means gone."""

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str]
    pid: Mapped[int]
    queues: Mapped[list[str]]
    slots: Mapped[int] = mapped_column(SmallInteger, server_default="1")
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    beat_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Schedule(Base):
    """A job that repeats: what it is made of, and when."""

    __tablename__ = "schedules"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    owner: Mapped[str]
    kind: Mapped[str]
    label: Mapped[str] = mapped_column(server_default="")
    params: Mapped[dict[str, Any]] = mapped_column(JSON)
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

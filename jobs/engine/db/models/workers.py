"""Which workers are there, which queues they leave alone, and what ended in each hour."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import SmallInteger, func
from sqlalchemy.orm import Mapped, mapped_column

from jobs.engine.db.models.base import Base


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
    program: Mapped[str] = mapped_column(server_default="")  # the supervisor that keeps it, as host-pid
    version: Mapped[str] = mapped_column(server_default="")
    memory: Mapped[int | None]  # bytes of it and its child, shared pages by their share
    storage: Mapped[str | None]  # the id of where it keeps files; None: not known
    asked: Mapped[str | None]  # by an operator: finish, stop, another


class PausedQueue(Base):
    """A queue that no job is taken from until somebody resumes it."""

    __tablename__ = "paused_queues"

    queue: Mapped[str] = mapped_column(primary_key=True)
    paused_by: Mapped[str]
    paused_at: Mapped[datetime] = mapped_column(server_default=func.now())


class QueueHour(Base):
    """What ended in an hour in a queue. Written once, when the hour is over; it stays when the jobs are deleted."""

    __tablename__ = "queue_hours"

    hour: Mapped[datetime] = mapped_column(primary_key=True)  # when it began
    queue: Mapped[str] = mapped_column(primary_key=True)
    ended: Mapped[int]
    failed: Mapped[int]
    tokens: Mapped[int]

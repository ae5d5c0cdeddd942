"""Parts: stretches of one job's items that other workers may take, and the workers that do."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from jobs.engine.db.models.base import Base


class JobHelper(Base):
    """A worker that takes parts of a job which another worker leads. It has a lease of its own until `ended_at`."""

    __tablename__ = "helpers"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    leader: Mapped[int]  # the lease of the attempt that published the parts
    worker: Mapped[str]
    lease_until: Mapped[datetime]
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]
    how: Mapped[str | None]  # done, stopped, shutdown, failed, lost
    finished: Mapped[int] = mapped_column(server_default="0")  # items that it finished

    __table_args__ = (
        Index("helpers_job_id", "job_id", "id"),
        Index("helpers_alive", "lease_until", postgresql_where=text("ended_at is null")),
    )


class Part(Base):
    """Items `first` to `last` of a job, by their positions, as its leader read them."""

    __tablename__ = "parts"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    leader: Mapped[int] = mapped_column(primary_key=True)
    first: Mapped[int] = mapped_column(primary_key=True)
    last: Mapped[int]
    first_key: Mapped[str]  # keys of the two items: a helper that reads others at these positions gives the part back
    last_key: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="free")  # free, taken, done
    helper: Mapped[int | None]  # who has taken it; None: the leader
    returned: Mapped[int] = mapped_column(server_default="0")  # times that a helper gave it back

    __table_args__ = (
        CheckConstraint("state in ('free','taken','done')", name="state_known"),
        Index("parts_free", "job_id", "leader", "first", postgresql_where=text("state = 'free'")),
        Index("parts_taken", "helper", postgresql_where=text("state = 'taken'")),
    )

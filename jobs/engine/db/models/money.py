"""What owners spend on models in a month, and may spend."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Index, func
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.orm import Mapped, mapped_column

from jobs.engine.db.models.base import Base


class Spending(Base):
    """What an owner's calls of models took in a month of UTC. Postgres adds up what jobs cost, by a trigger on their rows."""

    __tablename__ = "spending"

    owner: Mapped[str] = mapped_column(primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)  # its first day
    jobs: Mapped[Decimal] = mapped_column(server_default="0")  # dollars,
    chats: Mapped[Decimal] = mapped_column(server_default="0")  # those of answers that were streamed,
    unsure: Mapped[Decimal] = mapped_column(server_default="0")  # and what calls that broke off may have cost
    unpriced: Mapped[int] = mapped_column(server_default="0")  # items and answers whose price is not known
    prompt_tokens: Mapped[int] = mapped_column(server_default="0")
    completion_tokens: Mapped[int] = mapped_column(server_default="0")
    cached_tokens: Mapped[int] = mapped_column(server_default="0")
    reasoning_tokens: Mapped[int] = mapped_column(server_default="0")

    @property
    def total(self) -> Decimal:
        """Dollars, with those in doubt: what counts for an allowance."""
        return self.jobs + self.chats + self.unsure

    @classmethod
    def nothing(cls, owner: str, month: date) -> Spending:
        zero = Decimal(0)
        none = dict.fromkeys(("unpriced", "prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens"), 0)
        return cls(owner=owner, month=month, jobs=zero, chats=zero, unsure=zero, **none)


class KeptAnswer(Base):
    """An answer that an owner's jobs may use again, by the digest of the whole request."""

    __tablename__ = "kept_answers"

    owner: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    answer: Mapped[dict[str, Any]] = mapped_column(JSON)
    cost: Mapped[Decimal | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (Index("kept_answers_created_at", "created_at"),)


class Allowance(Base):
    """What a person, or each person with a role, may spend in a month."""

    __tablename__ = "allowances"

    whose: Mapped[str] = mapped_column(primary_key=True)  # owner:<owner> or role:<role>
    dollars: Mapped[Decimal]

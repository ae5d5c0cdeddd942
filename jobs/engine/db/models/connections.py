"""Providers of models that admins added."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.orm import Mapped, mapped_column

from jobs.engine.db.models.base import Base


class SavedConnection(Base):
    """A connection; `jobs.engine.llm.providers` has the same out of settings."""

    __tablename__ = "connections"

    name: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    address: Mapped[str]
    sealed: Mapped[dict[str, str] | None] = mapped_column(JSON(none_as_null=True))  # its key, encrypted
    models: Mapped[list[str]]
    requests_per_minute: Mapped[int | None]
    prices: Mapped[dict[str, Any]]
    can: Mapped[list[str]]
    fallback: Mapped[str] = mapped_column(server_default="")
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())

"""The tables of the library. `chunks` and `entries` have no class: library/hybrid_search.py and library/indexing.py use SQL."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Identity, Index, LargeBinary, func
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from jobs.engine.db.models import Base, new_id

Picture = bytes  # within the class that word names a column


class Document(Base):
    """A text of the library, with the file it came from where there is one."""

    __tablename__ = "documents"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    owner: Mapped[str]
    collection: Mapped[str]
    title: Mapped[str]
    name: Mapped[str] = mapped_column(server_default="")  # of the file, for showing only; never a path
    media_type: Mapped[str] = mapped_column(server_default="text/plain")
    language: Mapped[str | None]  # ISO 639-1, where it was recognised
    pages: Mapped[int | None]
    words: Mapped[int] = mapped_column(server_default="0")
    bytes: Mapped[int] = mapped_column(server_default="0")
    sha256: Mapped[str]  # of the file's bytes; of the text where there is no file
    text: Mapped[str] = mapped_column(server_default="", deferred=True)
    file_id: Mapped[UUID | None] = mapped_column(ForeignKey("files.id", ondelete="SET NULL"))
    thumbnail: Mapped[Picture | None] = mapped_column(LargeBinary, deferred=True)  # PNG
    tags: Mapped[list[str]] = mapped_column(server_default="{}")
    meta: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    source: Mapped[str | None]  # identifies it when the work that adds it is repeated
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        Index("documents_owner_collection_id", "owner", "collection", "id"),
        Index("documents_owner_id", "owner", "id"),
        Index("documents_file_id", "file_id"),
        Index("documents_sha256", "owner", "collection", "sha256"),
        Index("documents_source", "owner", "source", unique=True, postgresql_where=sql("source is not null")),
    )


class Generation(Base):
    """One index of a collection: of one model, cut in one way. At most one of a collection is live and answers searches."""

    __tablename__ = "generations"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    owner: Mapped[str]
    collection: Mapped[str]
    model: Mapped[str]
    dimension: Mapped[int | None]  # known after the first passage
    chunk_size: Mapped[int]  # words
    overlap: Mapped[int]
    chunks: Mapped[int] = mapped_column(server_default="0")  # how many it has, once it is built
    languages: Mapped[list[str]] = mapped_column(server_default="{}")  # that its passages have stems of
    job_id: Mapped[UUID | None]  # that builds it
    live: Mapped[bool] = mapped_column(server_default="false")
    built_at: Mapped[datetime | None]

    __table_args__ = (
        Index("generations_owner_collection", "owner", "collection"),
        Index("generations_live", "owner", "collection", unique=True, postgresql_where=sql("live")),
    )

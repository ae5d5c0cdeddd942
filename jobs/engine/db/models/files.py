"""Uploads and outputs."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from jobs.engine.db.models.base import Base, new_id


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

    __table_args__ = (
        Index("files_owner_id", "owner", "id", postgresql_include=["bytes"]),
        Index("files_job_id_id", "job_id", "id"),
        Index("files_hidden", "job_id", postgresql_where=text("not visible")),
    )


class SiteStorage(Base):
    """The one row that says where the site stores files: the id of the folder, or the bucket."""

    __tablename__ = "site_storage"

    one: Mapped[bool] = mapped_column(primary_key=True, server_default="true")
    storage: Mapped[str]

    __table_args__ = (CheckConstraint("one", name="one_row"),)


class Upload(Base):
    """An upload that comes in pieces, until it is whole and a File of the same id takes its place."""

    __tablename__ = "uploads"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    owner: Mapped[str]
    name: Mapped[str]
    length: Mapped[int]  # bytes that it will have
    blob: Mapped[str]  # its key in storage
    handle: Mapped[str]  # of the storage, such as the id of a bucket's multipart upload
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]

    __table_args__ = (Index("uploads_owner", "owner"), Index("uploads_expires_at", "expires_at"))


class BlobPiece(Base):
    """A piece of a blob, where blobs are kept in the database."""

    __tablename__ = "blob_pieces"

    blob: Mapped[str] = mapped_column(primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True)  # from 0
    content: Mapped[bytes]


class StorageUsed(Base):
    """How many bytes an owner's files and outbox take together. Postgres counts, by triggers; nobody else writes it."""

    __tablename__ = "storage_used"

    owner: Mapped[str] = mapped_column(primary_key=True)
    bytes: Mapped[int]

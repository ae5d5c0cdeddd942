"""Uploads: the bytes stored as a blob, with the format and columns if the file is a table."""

from __future__ import annotations

import mimetypes
from typing import Any, BinaryIO
from uuid import UUID

from sqlalchemy import delete

from jobs.engine import settings
from jobs.engine.db import postgres
from jobs.engine.db.models import File, Upload
from jobs.engine.errors import BadInput, QuotaExceeded, TooMany
from jobs.engine.files import quota
from jobs.engine.files.blobs import Blob
from jobs.engine.files.storage import blob_storage
from jobs.engine.files.storage_id import note_site_storage
from jobs.engine.formats import tables
from jobs.engine.jsonsafe import clean_text


def upload(stream: BinaryIO, name: str, *, owner: str) -> File:
    """Store an upload, and the TableInfo of a table.

    `name` is only displayed. Raises TooLarge over MAX_UPLOAD_MB, QuotaExceeded over MAX_STORAGE_MB, BadInput if it is empty.
    """
    quota.check_quota(owner)
    blob = blob_storage().put(stream, limit=settings.current().max_upload_bytes)
    if blob.bytes == 0:
        blob_storage().delete(blob.key)
        raise BadInput("The file is empty.")
    return add_file(blob, shown_name(name), owner=owner)


def shown_name(name: str) -> str:
    """The name of a file without its folders, as it is shown."""
    return clean_text(name).replace("\\", "/").rsplit("/", 1)[-1][:255] or "unnamed"


def add_file(blob: Blob, name: str, *, owner: str, upload: UUID | None = None) -> File:
    """The row of a stored blob; `upload` is the row of the upload that it came by, whose id it gets.

    Raises QuotaExceeded and TooMany; the blob is deleted then.
    """
    try:
        file = File(
            owner=owner,
            name=name,
            media_type=mimetypes.guess_type(name)[0] or "application/octet-stream",
            bytes=blob.bytes,
            sha256=blob.sha256,
            blob=blob.key,
            table=_table(blob, name),
        )
        with postgres.session() as session:
            if upload is not None:
                file.id = upload
                session.execute(delete(Upload).where(Upload.id == upload))
            quota.take_quota(session, owner, blob.bytes)
            note_site_storage(session)
            session.add(file)
            session.flush()
            session.refresh(file)
    except (QuotaExceeded, TooMany):
        blob_storage().delete(blob.key)
        raise
    return file


def _table(blob: Blob, name: str) -> dict[str, Any] | None:
    try:
        with blob_storage().local(blob.key) as path:
            return tables.describe(path, name).as_json()
    except BadInput:
        return None

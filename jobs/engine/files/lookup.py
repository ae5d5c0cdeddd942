"""Reads of files for the site: uploads, visible outputs, PDF pages and table previews."""

from __future__ import annotations

from typing import Any, BinaryIO
from uuid import UUID

from sqlalchemy import select

from jobs.engine.db import postgres
from jobs.engine.db.models import File
from jobs.engine.db.records import owned, readable_file
from jobs.engine.errors import BadInput, FileMissing, NotFound
from jobs.engine.files import inputs
from jobs.engine.files.storage import blob_storage
from jobs.engine.files.storage_id import explained
from jobs.engine.formats import pdf_pages
from jobs.engine.formats.tables import DETECTED, ReadOptions


def file(file_id: str | UUID, owner: str) -> File:
    """An upload or a visible output of that owner, or NotFound."""
    with postgres.reading() as session:
        return _visible(owned(session, File, file_id, owner))


def visible_file(file_id: str | UUID, owner: str) -> File:
    """A file that the owner may see: their own, or a visible output of a job that is shared with them. Raises NotFound."""
    with postgres.reading() as session:
        return _visible(readable_file(session, file_id, owner))


def _visible(found: File) -> File:
    if not found.visible:
        raise NotFound
    return found


def open_file(file: File) -> BinaryIO:
    """The file's bytes, from the start."""
    try:
        return blob_storage().open(file.blob)
    except FileMissing as error:
        raise FileMissing(explained(error)) from error


def pdf_page(file: File, number: int) -> pdf_pages.PdfPage:
    """One page of a PDF, as an image with its text. Raises BadInput."""
    with open_file(file) as stream:
        return pdf_pages.page(stream, number)


def list_uploads(owner: str, limit: int = 20) -> list[File]:
    """An owner's uploads, newest first."""
    with postgres.reading() as session:
        query = select(File).where(File.owner == owner, File.job_id.is_(None), File.visible)
        return list(session.scalars(query.order_by(File.id.desc()).limit(limit)))


def describe_table(ref: str, owner: str, options: ReadOptions = DETECTED) -> dict[str, Any] | None:
    """TableInfo of a file as a dict; {"error": sentence} if it is not a table; None if there is no such file."""
    try:
        found = inputs.find_input(ref, owner)
    except BadInput:
        return None
    try:
        info = found.table(options)
    except BadInput as error:
        return {"error": error.message}
    shown = {"first_shown": info.first_shown, "name": found.name, "bytes": found.bytes, "error": None}
    return {**info.as_json(), **shown}


def table_rows(ref: str, owner: str, start: int, most: int) -> list[dict[str, Any]]:
    """Rows of a table for showing, after the first `start`. Raises BadInput."""
    return inputs.find_input(ref, owner).window(start, most)

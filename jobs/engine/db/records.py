"""Finding records: by an untrusted id, of an owner, a page at a time."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs.engine.db.models import File, Guest, Share
from jobs.engine.errors import NotFound

Row = TypeVar("Row")
COUNT_CAP = 1_000  # counts stop here, so that a count of a million rows costs no more than of a thousand


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Some rows of a list, and the cursors of the pages after and before them; None where there is none."""

    rows: list[Row]
    next: str | None = None
    previous: str | None = None


def owned(session: Session, model: type[Row], record_id: str | UUID, owner: str, *, for_update: bool = False) -> Row:
    """A record of `model` that belongs to `owner`, or NotFound; a malformed id is not found either."""
    query = select(model).where(model.id == as_id(record_id), model.owner == owner)  # type: ignore[attr-defined]
    found = session.scalar(query.with_for_update() if for_update else query)
    if found is None:
        raise NotFound
    return found


def readable_file(session: Session, file_id: str | UUID, owner: str) -> File:
    """A file of this owner, or of a job whose share link the owner has opened. For reading only."""
    shared = select(Share.job_id).join(Guest, Guest.share_id == Share.id).where(Guest.owner == owner)
    found = session.scalar(
        select(File).where(File.id == as_id(file_id), (File.owner == owner) | File.job_id.in_(shared))
    )
    if found is None:
        raise NotFound
    return found


def as_id(text: str | UUID) -> UUID:
    if isinstance(text, UUID):
        return text
    with suppress(ValueError):
        if len(text) == 36:
            return UUID(text)
    raise NotFound


def escaped(words: str) -> str:
    """Text for ILIKE, with its wildcards escaped."""
    return words.replace("\x00", "").replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")

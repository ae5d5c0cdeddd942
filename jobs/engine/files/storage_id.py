"""Which folder or bucket this process keeps files in, so that processes that do not share one are found.

A folder has its id in a file, a bucket is its own. Workers report theirs with each heartbeat; the site writes its own into the
database with an upload.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from jobs.engine import settings
from jobs.engine.db import postgres
from jobs.engine.db.models import SiteStorage, WorkerProcess
from jobs.engine.errors import DatabaseUnavailable, FileMissing

ID_FILE = "storage-id"  # in DATA_DIR
SHARE = "Set STORAGE_URL to a bucket for the web and all workers, or give them one DATA_DIR on a disk that they share."
_ALIVE = text("workers.beat_at > now() - interval '10 s'")


def storage_id() -> str:
    """The id of this process' storage; empty where its folder cannot be read."""
    chosen = settings.current()
    if chosen.storage_url:
        return chosen.storage_url.partition("?")[0]
    if chosen.files_in_database_bytes:
        return "database"
    try:
        return _folder_id(chosen.data_dir)
    except OSError:
        return ""


def _folder_id(folder: Path) -> str:
    """What is in its file, which the first process to ask writes."""
    path = folder / ID_FILE
    with suppress(FileNotFoundError):
        return path.read_text().strip()
    folder.mkdir(parents=True, exist_ok=True)
    own = secrets.token_hex(16)
    draft = folder / f"{ID_FILE}.{own}"
    draft.write_text(own)
    try:
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
    return path.read_text().strip()


def note_site_storage(session: Session) -> None:
    """The site keeps its files here: written where it is not known yet."""
    own = storage_id()
    if own and session.scalar(select(SiteStorage.storage)) != own:
        row = insert(SiteStorage).values(storage=own)
        session.execute(row.on_conflict_do_update(index_elements=["one"], set_={"storage": row.excluded.storage}))


def hosts_with_other_storage(session: Session) -> list[str]:
    """The hosts of living workers that keep files elsewhere than this process does."""
    own = storage_id()
    others = select(WorkerProcess.host).where(_ALIVE, WorkerProcess.storage.not_in([own, ""]))
    return sorted(set(session.scalars(others))) if own else []


def explained(missing: FileMissing) -> str:
    """Why a file's content is not here: what the error says, or that this process and others do not share their files."""
    try:
        with postgres.session() as session:
            site = session.scalar(select(SiteStorage.storage))
            if site and site != storage_id():
                return f"This process does not share the files of the site, so the content is not here. {SHARE}"
            if hosts := hosts_with_other_storage(session):
                return f"The workers on {', '.join(hosts)} do not share the files of this site. {SHARE}"
    except DatabaseUnavailable:
        return missing.message
    return missing.message

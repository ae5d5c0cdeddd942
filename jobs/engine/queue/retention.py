"""Retention: delete ended jobs with their items, logs and files, and old uploads, after the days that the settings name.

The clock calls `tidy` once a minute, in a thread of its own; each call does a bounded amount of work. The blob is deleted before
the row that names it: after a kill between the two the row is found again, and no blob is left without a row. Pinned jobs with
their files and inputs stay, and uploads that a schedule, an unfinished job or a document of the library needs.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from jobs.engine import settings
from jobs.engine.db import postgres
from jobs.engine.errors import LegworkError
from jobs.engine.files.storage import blob_storage
from jobs.engine.kinds import catalogue
from jobs.engine.queue import ledger

JOBS_AT_ONCE = 20  # in a transaction
MOST_JOBS = 500  # in a call
FILES_AT_ONCE = 200  # that a call looks at

log = logging.getLogger("legwork.retention")

_looked_to = UUID(int=0)  # the last file that was looked at; the next call goes on there


def periods() -> dict[str, int]:
    """Days until an ended job is deleted, by state; 0: never."""
    chosen = settings.current()
    return {
        "succeeded": chosen.keep_succeeded_days,
        "partial": chosen.keep_succeeded_days,
        "failed": chosen.keep_failed_days,
        "cancelled": chosen.keep_stopped_days,
    }


def tidy() -> int:
    """Delete some old jobs and files. Returns how many. If the storage does not answer, the next call goes on."""
    gone = 0
    try:
        for state, days in periods().items():
            for queue in catalogue.queues() if days else ():
                while gone < MOST_JOBS and (count := _some_jobs(queue, state, days)):
                    gone += count
        if days := settings.current().keep_files_days:
            gone += _some_files(days)
    except (LegworkError, OSError) as error:
        log.warning("old jobs and files stay until the next run: %s", error)
    if gone:
        log.info("deleted %d old jobs and files", gone)
    return gone


_OLD_JOBS = text("""
    select id from jobs where queue = :queue and state = :state and finished_at < :before and not pinned
    order by finished_at limit :limit for update skip locked
""")


def _some_jobs(queue: str, state: str, days: int) -> int:
    with postgres.session() as session:
        session.execute(text("set local statement_timeout = '120 s'"))  # a job can have a million items
        values = {"queue": queue, "state": state, "before": _before(days), "limit": JOBS_AT_ONCE}
        found = list(session.execute(_OLD_JOBS, values).scalars())
        for job_id in found:
            _remove_blobs(session.execute(_BLOBS, {"id": job_id}).scalars().all())
            ledger.delete(session.connection(), job_id)
    return len(found)


_BLOBS = text("select blob from files where job_id = :id")

# File ids are made in the order of time. An output goes by the end of its job; one of a job that goes on stays.
_OLD_FILES = text("""
    select files.id, files.job_id from files left join jobs on jobs.id = files.job_id
    where files.id > :after and files.id < :newest
        and (files.job_id is null or jobs.finished_at < :before and not jobs.pinned)
        and not exists (select from documents where documents.file_id = files.id)
    order by files.id limit :limit
""")
_LOCKED_FILES = text("select id, blob from files where id = any(:ids) for update skip locked")
_FORGET_FILES = text("delete from files where id = any(:ids)")


def _some_files(days: int) -> int:
    """Look at the next FILES_AT_ONCE old files, in a cycle, so that files that stay do not block the others."""
    global _looked_to
    before = _before(days)
    newest = UUID(int=int(before.timestamp() * 1000) << 80)
    with postgres.session() as session:
        values = {"after": _looked_to, "newest": newest, "before": before, "limit": FILES_AT_ONCE}
        old = session.execute(_OLD_FILES, values).all()
        _looked_to = old[-1].id if len(old) == FILES_AT_ONCE else UUID(int=0)
        over = [row.id for row in old if row.job_id] + unneeded(session, [row.id for row in old if not row.job_id])
        locked = session.execute(_LOCKED_FILES, {"ids": over}).all() if over else []
        _remove_blobs([row.blob for row in locked])
        session.execute(_FORGET_FILES, {"ids": [row.id for row in locked]})
    return len(locked)


_NEEDING = text("""
    select params::text from jobs where state = 'queued' or pinned
    union all select params::text from jobs where state in ('running', 'stopping')
    union all select params::text from schedules
""")


def unneeded(session: Session, uploads: Sequence[UUID]) -> list[UUID]:
    """Those of these uploads that no waiting, running or pinned job and no schedule has in its params."""
    if not uploads:
        return []
    needed: set[str] = set()
    wanted = {str(upload) for upload in uploads}
    for params in session.execute(_NEEDING, execution_options={"yield_per": 1_000}).scalars():
        needed |= wanted & set(_IDS.findall(params))
    return [upload for upload in uploads if str(upload) not in needed]


_IDS = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _before(days: int) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def _remove_blobs(blobs: Sequence[str]) -> None:
    for blob in blobs:
        blob_storage().delete(blob)

"""How a job stands, for those who ask again each second: read in one trip, and without the ORM, which takes ten times as long."""

from __future__ import annotations

from collections import namedtuple
from typing import TYPE_CHECKING, Any
from uuid import UUID

from jobs.engine.db import postgres
from jobs.engine.db.models import Job, Standing
from jobs.engine.db.records import as_id
from jobs.engine.errors import NotFound

PACE_SECONDS = 60  # how far back the rate looks

_COLUMNS = tuple(column.name for column in Job.__table__.columns)
_NAMES = ", ".join(f"jobs.{name}" for name in _COLUMNS)


class JobStatus(Standing, namedtuple("Glance", (*_COLUMNS, "file_count", "lately"), defaults=(None,))):  # type: ignore[misc]
    """A job as it was just now, with the attributes of `Job`.

    file_count: of the outputs that may be seen. lately: as `lately` gives it; None where it was not asked for.
    """

    __slots__ = ()

    if TYPE_CHECKING:

        def __init__(self, *values: Any) -> None: ...

        def __getattr__(self, name: str) -> Any: ...


_FILE_COUNT = "(select count(*) from files where files.job_id = jobs.id and files.visible)"

# The owner's, or one whose link they have opened.
_READABLE = """
    where id = %(id)s and (owner = %(owner)s or exists (
        select from shares join guests on guests.share_id = shares.id
        where shares.job_id = jobs.id and guests.owner = %(owner)s))
"""

# Over the last minute, or since the attempt began if that is later; among the items that were finished last.
_LATELY = """
    select json_build_array(
        count(*) filter (where finished_at >= since.at),
        extract(epoch from now() - greatest(since.at, min(finished_at)))::float8)
    from (
        select finished_at from items where job_id = jobs.id and jobs.state in ('running', 'stopping')
        order by position desc limit 2000
    ) as newest, (
        select greatest(started_at, now() - make_interval(secs => %(most)s)) as at from attempts
        where job_id = jobs.id and attempts.lease = jobs.lease
    ) as since group by since.at
"""

_SEEN = f"select {_NAMES}, {_FILE_COUNT} from jobs {_READABLE}"  # noqa: S608 (the names of columns, from models)
_POLLED = f"select {_NAMES}, {_FILE_COUNT}, ({_LATELY}) from jobs {_READABLE}"  # noqa: S608
_OF_ONE = f"select ({_LATELY}) from jobs where id = %(id)s"  # noqa: S608


def readable_job(job_id: str | UUID, owner: str) -> Any:
    """A job to look at: the owner's, or one that was shared with them. Raises NotFound."""
    return _glance(_SEEN, job_id, owner)


def job_status(job_id: str | UUID, owner: str) -> Any:
    """The same with what its pace is told from."""
    found = _glance(_POLLED, job_id, owner)
    return found if found.lately else JobStatus(*found[:-1], (0, None))


def lately(job: Job | JobStatus) -> tuple[int, float | None]:
    """How many of its items ended of late, and in how many seconds."""
    found = job.lately if isinstance(job, JobStatus) else None
    if found is None:
        found = postgres.fetch_all(_OF_ONE, {"id": job.id, "most": PACE_SECONDS})[0][0]
    ended, seconds = found or (0, None)
    return ended, seconds


def _glance(statement: str, job_id: str | UUID, owner: str) -> Any:
    found = postgres.fetch_all(statement, {"id": as_id(job_id), "owner": owner, "most": PACE_SECONDS})
    if not found:
        raise NotFound
    return JobStatus(*found[0])

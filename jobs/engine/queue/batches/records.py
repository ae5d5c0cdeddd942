"""Creating, finding, listing, cancelling and expiring batches.

Nothing of the file is read when a batch is created: its job looks at the lines, and fails where they are no batch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from jobs.engine.db import postgres
from jobs.engine.db.job_view import JobView, columns
from jobs.engine.db.models import BatchJob, Job
from jobs.engine.db.records import as_id
from jobs.engine.errors import BadInput, Conflict, FieldError, InvalidParams, NotFound
from jobs.engine.files import inputs
from jobs.engine.kinds import catalogue
from jobs.engine.kinds.checks import ValidParams
from jobs.engine.llm import batch_requests
from jobs.engine.queue import commands, ledger

# The kind that answers each endpoint, and what it takes besides the file.
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "/v1/chat/completions": ("generate_texts", {"concurrency": 64}),
    "/v1/embeddings": ("embed_texts", {"text_column": batch_requests.INPUT}),
}
WINDOW = re.compile(r"([1-9][0-9]{0,3})([mhd])")
UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
LONGEST_WINDOW = timedelta(days=14)
MOST_LABELS, LABEL_NAME, LABEL_VALUE = 16, 64, 512  # OpenAI's own limits


class BatchProblem(NamedTuple):
    """Why a batch failed. line: of its file, from 1."""

    code: str
    message: str
    line: int | None = None
    param: str | None = None


@dataclass(frozen=True)
class BatchView:
    """A batch with its job."""

    batch: BatchJob
    job: JobView

    @property
    def status(self) -> str:
        """validating, in_progress, finalizing, completed, failed, expired, cancelling or cancelled."""
        job, expired = self.job, self.batch.expired_at is not None
        if job.state == "stopping":
            return "finalizing" if expired else "cancelling"
        if job.state == "cancelled":
            return "expired" if expired else "cancelled"
        if not job.ended:
            return "validating" if job.total is None else "in_progress" if job.pending else "finalizing"
        return "completed" if job.state != "failed" or self._all_failed else "failed"

    @property
    def _all_failed(self) -> bool:
        """Whether the job did all it had to, and each request failed: for OpenAI such a batch is completed."""
        return self.job.finished > 0 and self.job.pending == 0

    @property
    def problems(self) -> list[BatchProblem]:
        """Why it failed."""
        if self.status != "failed":
            return []
        job, known = self.job, (self.job.result or {}).get("batch_problems")
        if not known and job.reason == BadInput.reason:
            known = [batch_requests.unreadable(job.message or "")]
        return [BatchProblem(**one) for one in known or [{"code": job.reason, "message": job.message or ""}]]

    def has_file(self, which: str) -> bool:
        """Whether it has this file, output or errors. A batch that goes on has none yet."""
        job = self.job
        count = job.done if which == "output" else job.failed + job.unknown + job.skipped
        return job.ended and count > 0 and which not in self.batch.deleted_files.split()


def create_batch(
    endpoint: str,
    file_id: str,
    *,
    owner: str,
    window: str = "24h",
    labels: Mapping[str, str] | None = None,
    idempotency_key: str | None = None,
) -> BatchView:
    """Submit the job of a batch. Raises InvalidParams, TooMany, Conflict, DatabaseUnavailable."""
    lasts = _checked(endpoint, window, labels)
    try:
        source = inputs.find_input(file_id, owner)
    except BadInput as error:
        raise InvalidParams([FieldError("input_file_id", error.message)]) from None
    name, more = KINDS[endpoint]
    kind = catalogue.kind(name)
    params = kind.Params.model_validate({"source": file_id, **more}).model_dump(mode="json")

    def add(session: Session, job_id: UUID) -> None:
        asked = {"endpoint": endpoint, "input_file": file_id, "completion_window": window, "labels": dict(labels or {})}
        session.add(BatchJob(job_id=job_id, owner=owner, expires_at=func.now() + lasts, **asked))

    job = commands.submit(
        name, ValidParams(kind, params, source.name), owner=owner, idempotency_key=idempotency_key, also=add
    )
    return find_batch(job.id, owner)


def _checked(endpoint: str, window: str, labels: Mapping[str, str] | None) -> timedelta:
    """How long the batch may take."""
    if endpoint not in KINDS:
        raise InvalidParams([FieldError("endpoint", f"endpoint must be one of {', '.join(KINDS)}.")])
    found = WINDOW.fullmatch(window)
    lasts = int(found[1]) * UNITS[found[2]] if found else timedelta(0)
    if not timedelta(0) < lasts <= LONGEST_WINDOW:
        raise InvalidParams(
            [FieldError("completion_window", "completion_window must be a time such as 24h, up to 14d.")]
        )
    for label, value in (labels or {}).items():
        if len(labels or {}) > MOST_LABELS or len(label) > LABEL_NAME or len(value) > LABEL_VALUE:
            most = f"metadata takes up to {MOST_LABELS} texts of {LABEL_VALUE} characters, with names of {LABEL_NAME}."
            raise InvalidParams([FieldError("metadata", most)])
    return lasts


def find_batch(batch_id: str | UUID, owner: str) -> BatchView:
    """Raises NotFound."""
    with postgres.reading() as session:
        found = session.execute(_query(owner).where(Job.id == as_id(batch_id))).one_or_none()
    if found is None:
        raise NotFound
    return _view(found)


def list_batches(owner: str, *, after: str | UUID | None = None, limit: int = 20) -> tuple[list[BatchView], bool]:
    """The batches of an owner, newest first, and whether there are more. Raises NotFound for `after`."""
    query = _query(owner).order_by(Job.id.desc()).limit(limit + 1)
    with postgres.reading() as session:
        rows = session.execute(query if after is None else query.where(Job.id < as_id(after))).all()
    return [_view(row) for row in rows[:limit]], len(rows) > limit


def cancel_batch(batch_id: str | UUID, owner: str) -> BatchView:
    """Stop the job of a batch; what is done is kept. Raises NotFound, Conflict if it has ended."""
    found = find_batch(batch_id, owner)
    if found.job.ended and found.status != "cancelled":
        raise Conflict(f"A batch that is {found.status} cannot be cancelled.")
    commands.cancel(found.job.id, owner=owner)
    return find_batch(found.job.id, owner)


_EXPIRE = """
    update batches set expired_at = now() from jobs
    where batches.expired_at is null and batches.expires_at < now() and jobs.id = batches.job_id
        and jobs.state in ('queued', 'running')
    returning jobs.id
"""


def expire_batches() -> int:
    """Stop the jobs of batches whose time is over; the clock calls it. Returns how many."""
    with postgres.session() as session:
        connection = session.connection()
        over = [job_id for (job_id,) in postgres.execute(connection, _EXPIRE)]
        for job_id in over:
            ledger.ask_stop(connection, job_id)
            ledger.note(connection, job_id, "warning", "the time of this batch is over; what is done is kept")
    return len(over)


def _query(owner: str) -> Select[Any]:
    return select(BatchJob, *columns()).join(Job, Job.id == BatchJob.job_id).where(Job.owner == owner)


def _view(row: Any) -> BatchView:
    batch, *job = row
    return BatchView(batch, JobView(*job))

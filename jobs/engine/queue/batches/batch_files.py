"""Files as the batch API has them: uploads, and the output and the errors of batches.

Output and errors are not stored a second time. Each line is an item; Postgres makes the JSON, and it is passed on as it comes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text, update

from jobs.engine.db import postgres
from jobs.engine.db.models import BatchJob, File
from jobs.engine.db.records import as_id, owned
from jobs.engine.errors import Conflict, NotFound
from jobs.engine.files import lookup
from jobs.engine.files.storage import blob_storage
from jobs.engine.queue import retention
from jobs.engine.queue.batches.records import BatchView, find_batch, list_batches

MOST_LISTED = 1_000
CHUNK = 256 * 1024
LINES_AT_ONCE = 200
PARTS = ("output", "errors")


@dataclass(frozen=True)
class StoredFile:
    """A file. purpose: batch, batch_output or user_data. file: the upload; batch, part: what it is of, where it is of a batch."""

    id: str
    name: str
    purpose: str
    bytes: int
    created_at: datetime
    file: File | None = None
    batch: BatchView | None = None
    part: str = ""


def find_file(file_id: str, owner: str) -> StoredFile:
    """An upload by its id, or a file of a batch as `<id>-output` and `<id>-errors`. Raises NotFound."""
    for part in PARTS:
        if file_id.endswith(f"-{part}"):
            found = find_batch(file_id.removesuffix(f"-{part}"), owner)
            if not found.has_file(part):
                raise NotFound
            return _of_batch(found, part)
    return _of_upload(lookup.file(file_id, owner))


def list_files(
    owner: str, *, purpose: str = "", after: str | None = None, limit: int = MOST_LISTED
) -> tuple[list[StoredFile], bool]:
    """Files, the newest first, and whether there are more. after: the id of the last one seen. Raises NotFound."""
    last = _order(after) if after else None
    found: list[StoredFile] = []
    if purpose != "batch_output":
        query = select(File).where(File.owner == owner, File.job_id.is_(None), File.visible)
        if purpose:
            is_batch = File.name.ilike("%.jsonl")
            query = query.where(is_batch if purpose == "batch" else ~is_batch)
        if last:
            query = query.where(File.id <= last[0])
        with postgres.reading() as session:
            found += map(_of_upload, session.scalars(query.order_by(File.id.desc()).limit(limit + 2)))
    if purpose in ("", "batch_output"):
        upto = UUID(int=last[0].int + 1) if last else None
        views, _ = list_batches(owner, after=upto, limit=limit + 2)
        found += [_of_batch(view, part) for view in views for part in PARTS if view.has_file(part)]
    found.sort(key=lambda one: _order(one.id), reverse=True)
    left = [one for one in found if last is None or _order(one.id) < last]
    return left[:limit], len(left) > limit


def _order(file_id: str) -> tuple[UUID, int]:
    for place, part in enumerate(PARTS):
        if file_id.endswith(f"-{part}"):
            return as_id(file_id.removesuffix(f"-{part}")), place
    return as_id(file_id), 0


def read_file(file: StoredFile) -> Iterator[bytes]:
    """The bytes of a file, in constant memory."""
    if file.file is None:
        assert file.batch is not None
        return _lines(file.batch.job.id, file.part)
    return _stored(file.file)


def delete_file(file_id: str, owner: str) -> None:
    """Delete an upload, or the output or errors of a batch; items stay with their job. Raises NotFound, and Conflict for an
    upload that a waiting, running or pinned job or a schedule needs."""
    found = find_file(file_id, owner)
    if found.batch is not None:
        _hide(found.batch, found.part)
        return
    with postgres.session() as session:
        file = owned(session, File, file_id, owner, for_update=True)
        if not retention.unneeded(session, [file.id]):
            raise Conflict("A job or schedule needs this file. Stop or delete it first.")
        blob = file.blob
        session.delete(file)
    blob_storage().delete(blob)


def _hide(batch: BatchView, part: str) -> None:
    gone = " ".join(sorted({*batch.batch.deleted_files.split(), part}))
    with postgres.session() as session:
        session.execute(update(BatchJob).where(BatchJob.job_id == batch.job.id).values(deleted_files=gone))


def _of_upload(file: File) -> StoredFile:
    purpose = "batch" if file.name.lower().endswith(".jsonl") else "user_data"
    return StoredFile(str(file.id), file.name, purpose, file.bytes, file.created_at, file)


def _of_batch(batch: BatchView, part: str) -> StoredFile:
    job = batch.job
    name = f"batch_{job.id}_{part}.jsonl"
    made = job.finished_at or job.created_at
    return StoredFile(f"{job.id}-{part}", name, "batch_output", _size(batch, part), made, batch=batch, part=part)


def _stored(file: File) -> Iterator[bytes]:
    with lookup.open_file(file) as stream:
        while some := stream.read(CHUNK):
            yield some


# An answer as it came, in its envelope; and an error in both places where clients look for it: as an answer and as `error`.
_LINE = {
    "output": """
        select json_build_object(
            'id', {name}, 'custom_id', key,
            'response', json_build_object('status_code', 200, 'request_id', {name}, 'body', output -> 'response'),
            'error', null)::text || E'\\n' as line
        from items where job_id = :id and state = 'done' order by position, key
    """,
    "errors": """
        select json_build_object(
            'id', {name}, 'custom_id', key,
            'response', json_build_object('status_code', {status}, 'request_id', {name}, 'body', json_build_object(
                'error', json_build_object('message', error, 'type', 'invalid_request_error', 'param', null, 'code', reason))),
            'error', json_build_object('code', reason, 'message', error))::text || E'\\n' as line
        from items where job_id = :id and state in ('failed', 'skipped', 'unknown') order by position, key
    """,
}
_NAME = "'batch_req_' || replace(job_id::text, '-', '') || '_' || position"
_STATUS = """case when reason = 'provider_busy' then 429 when reason = 'no_model' then 404
    when reason like 'provider\\_un%' or reason in ('transient', 'doubtful', 'unexpected') then 500 else 400 end"""
_LINES = {part: statement.format(name=_NAME, status=_STATUS) for part, statement in _LINE.items()}
_SIZE = {part: text(f"select coalesce(sum(octet_length(line)), 0) from ({_LINES[part]}) as one") for part in PARTS}  # noqa: S608


def _lines(job_id: UUID, part: str) -> Iterator[bytes]:
    with postgres.session() as session:
        session.execute(text("set local statement_timeout = 0"))  # a reader may be slow
        rows = session.execute(text(_LINES[part]), {"id": job_id}, execution_options={"yield_per": LINES_AT_ONCE})
        for some in rows.scalars().partitions(LINES_AT_ONCE):
            yield "".join(some).encode()


def _size(batch: BatchView, part: str) -> int:
    """Counted once after each end of the job: it can have a million items."""
    known, lease = batch.batch.sizes or {}, batch.job.lease
    if known.get("lease") == lease and part in known:
        return int(known[part])
    with postgres.session() as session:
        session.execute(text("set local statement_timeout = '120 s'"))
        size = int(session.execute(_SIZE[part], {"id": batch.job.id}).scalar_one())
        kept = {**(known if known.get("lease") == lease else {}), "lease": lease, part: size}
        session.execute(update(BatchJob).where(BatchJob.job_id == batch.job.id).values(sizes=kept))
    return size

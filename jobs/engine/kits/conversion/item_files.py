"""Files of a job's items: a later attempt takes over those of finished items.

Only outputs of the attempt that settles the job become visible. A kind that saves a file for each item puts the file's id
into the item's output as `file_id`, and calls `adopt` before its loop.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import text

from jobs.engine.db import postgres
from jobs.engine.db.models import File
from jobs.engine.queue import ledger

_ADOPT = text("""
    update files set lease = :lease, visible = false from items
    where items.job_id = :id and items.state = 'done' and files.job_id = :id
        and files.id = cast(items.output ->> 'file_id' as uuid)
""")
_MADE = text("""
    select items.position, files.id, files.name, files.blob, files.bytes from items
        join files on files.job_id = :id and files.lease = :lease and files.id = cast(items.output ->> 'file_id' as uuid)
    where items.job_id = :id and items.state = 'done' order by items.position, items.key
""")


def adopt(claim: ledger.Claim) -> None:
    """Assign the files of items that earlier attempts finished to this attempt. Raises LeaseLost."""
    with postgres.session() as session:
        ledger.lock(session.connection(), claim.job_id, claim.lease)
        session.execute(_ADOPT, {"id": claim.job_id, "lease": claim.lease})


def made(claim: ledger.Claim) -> Iterator[File]:
    """The files of finished items, in the items' order: id, name, blob and bytes. Read through a cursor."""
    with postgres.session() as session:
        session.execute(text("set local statement_timeout = 0"))
        values = {"id": claim.job_id, "lease": claim.lease}
        for row in session.execute(_MADE, values, execution_options={"yield_per": 1_000}):
            yield File(id=row.id, name=row.name, blob=row.blob, bytes=row.bytes)

"""The rows that a job recorded, read as a table: `job:<id>` stands for them wherever a kind takes a table."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from jobs.engine import jsonsafe
from jobs.engine.db import postgres
from jobs.engine.db.job_view import JobView
from jobs.engine.db.models import Item, Job
from jobs.engine.db.records import owned
from jobs.engine.errors import BadInput, NotFound
from jobs.engine.formats import exports
from jobs.engine.formats.tables import TableInfo, shortened

PREFIX = "job:"
FORMAT = "jsonl"  # keeps numbers, nothing and nested values as they are
OF_THE_RUN = ["_state", "_error"]
LOOKED_AT = 200  # rows whose keys are the columns
FIRST = 10


def find(ref: str, owner: str) -> JobView:
    """The job of such a reference. Raises BadInput where it does not exist, is another owner's, or has no rows."""
    try:
        with postgres.reading() as session:
            job = JobView.of(owned(session, Job, ref.removeprefix(PREFIX), owner))
    except NotFound:
        raise BadInput("There is no such job. It may have been deleted; choose another table.") from None
    if not job.finished:
        raise BadInput("This job has no rows that could be read as a table.")
    return job


def name(job: JobView, part: str = "result", format: str = FORMAT) -> str:
    """What its rows are called as a file."""
    return f"{job.label.rsplit('.', 1)[0] or job.kind} {part}.{format}"


def columns(job_id: UUID, look_at: int = LOOKED_AT) -> list[str]:
    """The columns of the rows: the input's, then the output's, as the first items have them."""
    with postgres.reading() as session:
        rows = session.execute(
            select(Item.input, Item.output).where(Item.job_id == job_id).order_by(Item.position).limit(look_at)
        ).all()
    given = [name for row in rows for name in row.input or {}]
    return list(dict.fromkeys(given + [name for row in rows for name in row.output or {}]))


def rows(
    job_id: UUID, state: str | None = None, positions: Sequence[int] = (), *, cost: bool = False
) -> Generator[dict[str, Any]]:
    """Every recorded item as one row: input, output, `_state`, `_error`. Read through a cursor, in constant memory.

    cost: also `_cost`, in dollars.
    """
    query = select(Item.input, Item.output, Item.state, Item.error, Item.cost).where(Item.job_id == job_id)
    if state:
        query = query.where(Item.state == state)
    if positions:
        query = query.where(Item.position.in_(positions))
    with postgres.session() as session:
        session.execute(text("set local statement_timeout = 0"))
        found = session.execute(query.order_by(Item.position, Item.key), execution_options={"yield_per": 1_000})
        for row in found:
            paid = {"_cost": row.cost and float(row.cost)} if cost else {}
            yield {**(row.input or {}), **(row.output or {}), "_state": row.state, "_error": row.error, **paid}


def described(job: JobView) -> tuple[TableInfo, int]:
    """What its first rows tell of the table, and about how many bytes it has. Reads no more than those."""
    names = [*columns(job.id), *OF_THE_RUN]
    with postgres.reading() as session:
        query = select(Item.input, Item.output, Item.state, Item.error).where(Item.job_id == job.id)
        some = session.execute(query.order_by(Item.position, Item.key).limit(FIRST)).all()
    first = [{**(one.input or {}), **(one.output or {}), "_state": one.state, "_error": one.error} for one in some]
    kept, shown = shortened(first, len(names))
    size = sum(len(jsonsafe.dumps(one)) + 1 for one in first) * job.finished // max(len(first), 1)
    return TableInfo(FORMAT, "utf-8", None, names, job.finished, job.ended, kept, shown), size


@contextmanager
def written(job_id: UUID, most: int | None = None) -> Iterator[Path]:
    """The rows, or the first of them, as a temporary file."""
    with tempfile.TemporaryDirectory(prefix="legwork-rows-", ignore_cleanup_errors=True) as folder:
        path = Path(folder, f"rows.{FORMAT}")
        with path.open("wb") as opened, closing(rows(job_id)) as found:
            for chunk in exports.export(islice(found, most), [*columns(job_id), *OF_THE_RUN], FORMAT):
                opened.write(chunk)
        yield path

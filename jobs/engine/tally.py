"""What the items of a job came to: counts, and which are done."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import text

from jobs.engine import database

_BY_VALUE = text("""
    select output ->> cast(:column as text) as value, count(*) as count from items
    where job_id = :job_id and state = 'done' and output -> cast(:column as text) is not null group by 1
""")


def by_value(job_id: UUID, column: str) -> dict[str, int]:
    """How many finished items have each value in a column of their output; items without it are not counted."""
    with database.session() as session:
        rows = session.execute(_BY_VALUE, {"job_id": job_id, "column": column})
        return {value: count for value, count in rows}


_PLACES = text("select position from items where job_id = :job_id and state = 'done' order by position, key")


def places(job_id: UUID) -> Iterator[int]:
    """The places in the input, from 1, of the items that are done. Read through a cursor, in constant memory."""
    with database.session() as session:
        session.execute(text("set local statement_timeout = 0"))
        rows = session.execute(_PLACES, {"job_id": job_id}, execution_options={"yield_per": 5_000})
        yield from rows.scalars()

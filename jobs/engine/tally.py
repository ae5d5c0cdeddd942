"""Counts over what the items of a job came to."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text

from jobs.engine import database

_BY_VALUE = text("""
    select output ->> cast(:column as text) as value, count(*) as count from items
    where job_id = :job_id and state = 'done' and output ? cast(:column as text) group by 1
""")


def by_value(job_id: UUID, column: str) -> dict[str, int]:
    """How many finished items have each value in a column of their output; items without it are not counted."""
    with database.session() as session:
        rows = session.execute(_BY_VALUE, {"job_id": job_id, "column": column})
        return {value: count for value, count in rows.tuples()}

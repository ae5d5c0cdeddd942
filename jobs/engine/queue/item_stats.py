"""Statistics over the items of a job: counts by value, examples, which are done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import text

from jobs.engine.db import postgres

_BY_VALUE = text("""
    select output ->> cast(:column as text) as value, count(*) as count from items
    where job_id = :job_id and state = 'done' and output -> cast(:column as text) is not null group by 1
""")


def count_by_value(job_id: UUID, column: str) -> dict[str, int]:
    """How many finished items have each value in a column of their output; items without it are not counted."""
    with postgres.session() as session:
        rows = session.execute(_BY_VALUE, {"job_id": job_id, "column": column})
        return {value: count for value, count in rows}


_COUNTS = """
    select floor(({value} - :first) / :step)::int as class, count(*) as count from items
    where job_id = :job_id and state = 'done' and {value} is not null group by 1
"""
_LENGTH, _TOKENS = "length(output ->> cast(:column as text))", "tokens"
MOST_CLASSES = 12
_ENDS = "select min({value})::float8 as low, max({value})::float8 as high from items where job_id = :job_id and state = 'done'"


def distribution(job_id: UUID, column: str | None = None) -> list[tuple[str, int]]:
    """How many finished items there are in each of some classes: by the length of a text of their output, or without `column`
    by their tokens. The name of a class is its lowest value. Empty if all are alike."""
    value = _LENGTH if column else _TOKENS
    wanted: dict[str, Any] = {"job_id": job_id} | ({"column": column} if column else {})
    with postgres.session() as session:
        session.execute(text("set local statement_timeout = 0"))
        low, high = session.execute(text(_ENDS.format(value=value)), wanted).one()
        if low is None or low == high:
            return []
        step = _step((high - low) / MOST_CLASSES)
        first = low // step * step
        counts = session.execute(text(_COUNTS.format(value=value)), wanted | {"first": first, "step": step})
        by_class = {int(place): count for place, count in counts}
    return [(f"{first + place * step:,.0f}", by_class.get(place, 0)) for place in range(max(by_class) + 1)]


def _step(least: float) -> float:
    """The next larger of 1, 2, 5, 10, 20, 50 and so on."""
    size = 1.0
    while True:
        for step in (size, 2 * size, 5 * size):
            if step >= least:
                return step
        size *= 10


_EXAMPLES = text("""
    select position as item, input, output from items
    where job_id = :job_id and state = 'done' and output ->> cast(:column as text) = :value
    order by position, key limit :most
""")


def example_items(job_id: UUID, column: str, values: Iterable[str], most: int) -> list[dict[str, Any]]:
    """The first items, at most so many each, that have these values in a column of their output: place, input and output."""
    found: list[dict[str, Any]] = []
    with postgres.session() as session:
        session.execute(text("set local statement_timeout = 0"))
        for value in values:
            wanted = {"job_id": job_id, "column": column, "value": value, "most": most}
            found += map(dict, session.execute(_EXAMPLES, wanted).mappings())
    return found


_PLACES = text("select position from items where job_id = :job_id and state = 'done' order by position, key")


def places(job_id: UUID) -> Iterator[int]:
    """The places in the input, from 1, of the items that are done. Read through a cursor, in constant memory."""
    with postgres.session() as session:
        session.execute(text("set local statement_timeout = 0"))
        rows = session.execute(_PLACES, {"job_id": job_id}, execution_options={"yield_per": 5_000})
        yield from rows.scalars()


_WRITTEN_IN_TRY = text("""
    select items.key from jobs join jobs as tried on tried.id = jobs.parent
    join items on items.job_id = tried.id and items.state in ('done', 'unknown', 'started')
    where jobs.id = :job_id and jobs.sample is null and tried.sample is not null and tried.owner = jobs.owner
        and tried.kind = jobs.kind and tried.params::jsonb = jobs.params::jsonb
""")


def written_in_try(job_id: UUID) -> set[str]:
    """The keys that were dealt with, or may have been, when this very job was tried on its first items."""
    with postgres.session() as session:
        return set(session.execute(_WRITTEN_IN_TRY, {"job_id": job_id}).scalars())

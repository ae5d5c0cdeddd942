"""Items as a table to look through: in any order, filtered by any column, with the counts of a column's values.

Rows in the order of the input are paged by an index. Everything else reads the items' JSON, about a million values a second,
so that it looks at so many of the first rows as take a moment: `looked` says how many, and the page tells.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Float, Select, String, and_, case, cast, func, literal, or_, select, text, true, tuple_
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql import ColumnElement

from jobs.engine.db import postgres
from jobs.engine.db.job_view import JobView
from jobs.engine.db.models import Item
from jobs.engine.db.records import escaped
from jobs.engine.errors import NotFound

LOOKED_BYTES = 8_000_000  # of JSON as stored; more takes longer than a page may
LOOKED = 200, 50_000  # rows: at least, at most
SAMPLE = 60  # rows whose columns and sizes stand for all
MOST_VALUES = 50  # of a column that is offered as a filter
Part = Literal["input", "output"]
OF_RUN = {
    "_tokens": Item.tokens,
    "_cost": Item.cost,
    "_seconds": Item.seconds,
    "_ended": Item.finished_at,
    "_state": Item.state,
}
_NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?\s*$"


@dataclass(frozen=True)
class GridQuery:
    """What of the items is asked for. `column`: the one that `q` looks in. sort: a column; empty: the order of the input.
    numeric: that column holds numbers. parts: in which part of the items the columns stand; either, if it is not said."""

    state: str | None = None
    q: str = ""
    column: str | None = None
    where: Mapping[str, str] = field(default_factory=dict)
    sort: str = ""
    numeric: bool = False
    descending: bool = False
    parts: Mapping[str, Part] = field(default_factory=dict)
    after: str | None = None
    before: str | None = None
    limit: int = 50

    @property
    def narrow(self) -> bool:
        return bool(self.q or self.where)


@dataclass(frozen=True)
class GridPage:
    """Rows, the cursors of the pages beside, and how many rows were looked at where that is not all of them.

    further: a cursor to look further from where too few were found.
    """

    rows: list[Item]
    next: str | None = None
    previous: str | None = None
    looked: int | None = None
    further: str | None = None


def sample(job: JobView) -> list[Item]:
    """The first rows: what columns there are, and of what kind."""
    with postgres.reading() as session:
        query = select(Item).where(Item.job_id == job.id).order_by(Item.position, Item.key).limit(SAMPLE)
        return list(session.scalars(query))


def grid_page(job: JobView, asked: GridQuery) -> GridPage:
    """One page. A cursor is `position~key`, of the row before."""
    with postgres.reading() as session:
        window = None if not (asked.sort or asked.narrow) else _window_size(session, job.id)
        if asked.sort:
            return _sorted_page(session, job, asked, window or LOOKED[0])
        return _page_in_order(session, job, asked, window)


def item_at(job: JobView, position: int) -> Item | None:
    """The item at that place in the input."""
    with postgres.reading() as session:
        query = select(Item).where(Item.job_id == job.id, Item.position == position).order_by(Item.key).limit(1)
        return session.scalars(query).first()


def neighbours(job: JobView, item: Item, asked: GridQuery) -> tuple[Item | None, Item | None]:
    """The items before and after this one in that order and under that filter."""
    here = _cursor(item)
    before = grid_page(job, replace(asked, after=None, before=here, limit=1)).rows
    after = grid_page(job, replace(asked, after=here, before=None, limit=1)).rows
    return (before[0] if before else None), (after[0] if after else None)


def value_counts(
    job: JobView, columns: Sequence[str], asked: GridQuery
) -> tuple[dict[str, list[tuple[str, int]]], int | None]:
    """How many rows have each value of these columns under the filter, the most frequent first, and how many rows were
    looked at where that is not all. A column with more than MOST_VALUES values has none."""
    if not columns:
        return {}, None
    with postgres.reading() as session:
        window = _window_size(session, job.id)
        counts: dict[str, list[tuple[str, int]]] = {}
        free = [column for column in columns if column not in asked.where]
        if free:
            counts |= _counts(session, job.id, free, asked, window)
        for column in columns:
            if column in asked.where:
                others = {name: value for name, value in asked.where.items() if name != column}
                counts |= _counts(session, job.id, [column], replace(asked, where=others), window)
    return {name: counts.get(name, []) for name in columns}, window if job.finished > window else None


def column_values(
    job: JobView, columns: Sequence[str], asked: GridQuery, most: int, lengths: Collection[str] = ()
) -> list[tuple[str | None, ...]]:
    """Values of these columns as texts of at most 100 characters, of those in `lengths` how many characters they have; of
    at most `most` rows: spread over the whole input, or under a filter the first that match."""
    with postgres.reading() as session:
        source = _of_job(job.id, asked.state)
        if asked.narrow or asked.state:
            window = _window_size(session, job.id)
            row = aliased(Item, source.order_by(Item.position, Item.key).limit(window).subquery())
        else:
            last = session.scalar(select(func.max(Item.position)).where(Item.job_id == job.id)) or 0
            places = sorted({max(last * place // most, 1) for place in range(1, most + 1)})
            row = aliased(Item, source.where(Item.position.in_(places)).subquery())
        texts = {name: cast(_value(row, name, asked), String) for name in columns}
        values = (func.length(one) if name in lengths else func.left(one, 100) for name, one in texts.items())
        found = session.execute(select(*values).where(*_filters(row, asked)).limit(most)) if columns else ()
        return [tuple(one) for one in found]


# In the order of the input.


def _page_in_order(session: Session, job: JobView, asked: GridQuery, window: int | None) -> GridPage:
    cursor, backward = (asked.before, True) if asked.before is not None else (asked.after, False)
    descending = asked.descending != backward
    source = _of_job(job.id, asked.state)
    if cursor is not None:
        place, at = tuple_(Item.position, Item.key), _place(cursor)
        source = source.where(place < at if descending else place > at)
    order = (Item.position.desc(), Item.key.desc()) if descending else (Item.position, Item.key)
    source = source.order_by(*order)
    rows: list[Item]
    if window is None:
        rows = list(session.scalars(source.limit(asked.limit + 1)))
        return _made(rows, asked, backward)
    looked = source.limit(window).subquery()
    row = aliased(Item, looked)
    found = select(row).where(*_filters(row, asked))
    rows = list(session.scalars(found.order_by(*_order(row, descending)).limit(asked.limit + 1)))
    page = _made(rows, asked, backward)
    if len(rows) > asked.limit or backward or job.finished <= window:
        return page
    ends = select(looked.c.position, looked.c.key).order_by(
        *(looked.c[name].asc() if descending else looked.c[name].desc() for name in ("position", "key"))
    )
    count = session.scalar(select(func.count()).select_from(looked)) or 0
    end = session.execute(ends.limit(1)).first() if count == window else None
    return replace(page, looked=count, further=f"{end.position}~{end.key}" if end else None)


def _order(row: Any, descending: bool) -> tuple[ColumnElement[Any], ...]:
    return (row.position.desc(), row.key.desc()) if descending else (row.position.asc(), row.key.asc())


# Sorted by a column.


def _sorted_page(session: Session, job: JobView, asked: GridQuery, window: int) -> GridPage:
    """Empty values are last in either direction; rows with the same value stay in the order of the input."""
    cursor, backward = (asked.before, True) if asked.before is not None else (asked.after, False)
    row = aliased(Item, _of_job(job.id, asked.state).order_by(Item.position, Item.key).limit(window).subquery())
    value = _sortable(row, asked)
    query = select(row).where(*_filters(row, asked))
    if cursor is not None:
        position, key = _parts(cursor)
        at = select(_sortable(Item, asked)).where(Item.job_id == job.id, Item.position == position, Item.key == key)
        query = query.where(_beyond(row, value, session.execute(at).scalar(), (position, key), asked, backward))
    down = asked.descending != backward
    first = (value.is_(None).desc() if backward else value.is_(None).asc(), value.desc() if down else value.asc())
    rows = list(session.scalars(query.order_by(*first, *_order(row, backward)).limit(asked.limit + 1)))
    return replace(_made(rows, asked, backward), looked=window if job.finished > window else None)


def _beyond(row: Any, value: Any, at: Any, place: tuple[int, str], asked: GridQuery, backward: bool) -> Any:
    """Rows after the cursor's, or before it if backward."""
    here = tuple_(row.position, row.key)
    same_place = here < tuple_(*place) if backward else here > tuple_(*place)
    if at is None:
        same = and_(value.is_(None), same_place)
        return or_(same, value.is_not(None)) if backward else same
    further = value < at if asked.descending != backward else value > at
    ahead = or_(further, and_(value == at, same_place))
    return ahead if backward else or_(ahead, value.is_(None))


def _sortable(row: Any, asked: GridQuery) -> Any:
    value = _value(row, asked.sort, asked)
    if asked.sort in OF_RUN:
        return value
    if asked.numeric:
        return case((value.op("~")(_NUMBER), cast(value, Float)), else_=None)
    return func.nullif(func.lower(func.left(value, 200)), "").collate("C")


# Counts of values.


def _counts(
    session: Session, job_id: UUID, columns: Sequence[str], asked: GridQuery, window: int
) -> dict[str, list[tuple[str, int]]]:
    row = aliased(Item, _of_job(job_id, asked.state).order_by(Item.position, Item.key).limit(window).subquery())
    values = select(*(_value(row, name, asked).label(f"v{place}") for place, name in enumerate(columns)))
    found_values = values.where(*_filters(row, asked)).subquery()
    parts = [found_values.c[f"v{place}"] for place in range(len(columns))]
    which = func.grouping(*parts)
    count = func.count().label("count")
    query = select(which.label("which"), *parts, count).group_by(func.grouping_sets(*(tuple_(one) for one in parts)))
    found: dict[str, list[tuple[str, int]]] = {name: [] for name in columns}
    for one in session.execute(query.order_by(count.desc(), *parts)):
        place = next(at for at in range(len(columns)) if not one.which >> (len(columns) - 1 - at) & 1)
        if one[1 + place] not in (None, ""):
            found[columns[place]].append((one[1 + place], one[-1]))
    return {name: some if len(some) <= MOST_VALUES else [] for name, some in found.items()}


# What both are made of.


def _of_job(job_id: UUID, state: str | None) -> Select[Any]:
    query = select(Item).where(Item.job_id == job_id, Item.state != "started")
    return query.where(Item.state == state) if state else query


def _value(row: Any, name: str, asked: GridQuery) -> Any:
    """A column's value as text: the output's, or else the input's."""
    if name in OF_RUN:
        return getattr(row, OF_RUN[name].key)
    if name in asked.parts:
        return func.json_extract_path_text(getattr(row, asked.parts[name]), name)
    return func.coalesce(func.json_extract_path_text(row.output, name), func.json_extract_path_text(row.input, name))


def _filters(row: Any, asked: GridQuery) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [_value(row, name, asked) == value for name, value in asked.where.items()]
    if asked.q:
        words = f"%{escaped(asked.q)}%"
        places = (
            [_value(row, asked.column, asked)]
            if asked.column
            else [cast(row.input, String), cast(row.output, String), row.error]
        )
        found.append(or_(*(place.ilike(words) for place in places)))
    return found or [true()]


_SIZE = text("""
    select coalesce(avg(coalesce(pg_column_size(input), 0) + coalesce(pg_column_size(output), 0)), 1) from
        (select input, output from items where job_id = :job_id order by position, key limit :some) as first
""")


def _window_size(session: Session, job_id: UUID) -> int:
    """How many of the first rows are looked at: fewer where they are long."""
    size = float(session.execute(_SIZE, {"job_id": job_id, "some": SAMPLE}).scalar_one())
    return int(min(max(LOOKED_BYTES / max(size, 1), LOOKED[0]), LOOKED[1]))


def _made(rows: list[Item], asked: GridQuery, backward: bool) -> GridPage:
    more, rows = len(rows) > asked.limit, rows[: asked.limit]
    if backward:
        rows.reverse()
        return GridPage(rows, _cursor(rows[-1]) if rows else None, _cursor(rows[0]) if more else None)
    began = asked.after is not None
    return GridPage(rows, _cursor(rows[-1]) if more else None, _cursor(rows[0]) if rows and began else None)


def _parts(cursor: str) -> tuple[int, str]:
    position, _, key = cursor.partition("~")
    if not (position.isascii() and position.isdigit() and len(position) < 19):
        raise NotFound("There is no page after this one.")
    return int(position), key.replace("\0", "")


def _place(cursor: str) -> Any:
    return tuple_(*(literal(part) for part in _parts(cursor)))


def _cursor(item: Item) -> str:
    return f"{item.position}~{item.key}"

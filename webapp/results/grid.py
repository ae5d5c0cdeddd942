"""The grid of a job's items: all that is chosen stands in the address, and each choice is a link or a form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from werkzeug.datastructures import MultiDict

from jobs.engine import queue
from jobs.engine.db import models
from jobs.engine.kinds import ItemColumn, Kind
from webapp.results import columns, ended, profiles, values
from webapp.ui import markdown, words

STATES = ("done", "failed", "skipped", "unknown")
LINES = (("1", "1 line"), ("3", "3 lines"), ("all", "Whole"))
IS = "is."  # before the name of a column in the address: ?is.verdict=block
PAGE = 50
MOST_FACETS = 4
CHIPS = 6  # values of a column that are shown as chips; more are a menu
COUNTED_LIVE = 2_000  # rows of a running job whose values are counted
FRESH_SECONDS = 4  # a row that ended since then is marked as having just arrived
KEPT = ("state", "q", "column", "sort", "dir", "lines", "show", "from", "collection")

Asked = MultiDict[str, str]


class GridAddress(NamedTuple):
    """This grid's address, from which those of its links are made."""

    path: str
    asked: Asked

    def __call__(self, **changed: str | None) -> str:
        """The address with these changes, at the first page."""
        return self.of(changed)

    def of(self, changed: dict[str, str | None]) -> str:
        pairs = [
            (name, value) for name, value in self.asked.items(multi=True) if self._stays(name) and name not in changed
        ]
        pairs += [(name, value) for name, value in changed.items() if value is not None]
        return f"{self.path}?{urlencode(pairs)}" if pairs else self.path

    def fields(self, *without: str) -> list[tuple[str, str]]:
        """What a form must carry in hidden fields."""
        return [
            (name, value) for name, value in self.asked.items(multi=True) if self._stays(name) and name not in without
        ]

    def _stays(self, name: str) -> bool:
        return name in KEPT or name.startswith(IS)


class ColumnHead(NamedTuple):
    """A column's head."""

    column: ItemColumn
    sort: str
    order: str  # ascending, descending or ""
    profile: profiles.Profile


class Facet(NamedTuple):
    """The values of a column, as links that filter."""

    label: str
    values: Sequence[tuple[Any, int | None, str, bool]]  # label, count, address, chosen
    menu: bool


class GridCell(NamedTuple):
    column: ItemColumn
    text: Any
    long: bool


class GridRow(NamedTuple):
    item: models.Item
    place: str
    cells: list[GridCell]
    named: bool
    fresh: bool


def view(job: queue.JobView, kind: Kind | None, path: str, asked: Asked) -> dict[str, Any]:
    """The variables of the grid's template."""
    every = columns.of_job(job, kind)
    names = {one.name: one for one in every}
    shown = [names[name] for name in asked.getlist("show") if name in names] or [
        names[name] for name in columns.first_shown(every)
    ]
    query = query_of(job, every, asked)
    page = queue.grid_page(job, query)
    here = GridAddress(path, asked)
    facets, counted = _facets(job, every, query, here)
    pictures = (
        profiles.of_columns(job, shown, query) if page.rows and (job.ended or job.finished <= COUNTED_LIVE) else {}
    )
    return {
        "grid": page,
        "query": query,
        "rows": [_row(item, shown, not job.ended) for item in page.rows],
        "heads": [_head(one, query, here, pictures.get(one.name, profiles.Profile(""))) for one in shown],
        "profiled": profiles.note(job, query) if pictures else "",
        "all_columns": every,
        "shown": {one.name for one in shown},
        "facets": facets,
        "counted_among": counted,
        "looked": page.looked or counted,
        "here": here,
        "lines": asked.get("lines") if asked.get("lines") in ("1", "all") else "3",
        "line_choices": LINES,
        "chosen": bool(query.state or query.narrow),
        "first_page": not (query.after or query.before),
        "item_states": STATES,
        "passed_on": here.of({}).partition("?")[2],
    }


def query_of(job: queue.JobView, every: Sequence[ItemColumn], asked: Asked) -> queue.GridQuery:
    """What the address asks for; what does not fit is left out."""
    names = {one.name: one for one in every}
    sort = names.get(asked.get("sort", ""))
    where = {
        name[len(IS) :]: value
        for name, value in asked.items()
        if name.startswith(IS) and name[len(IS) :] in names and value
    }
    newest = asked.get("dir") == "desc" if "dir" in asked or sort else not job.ended
    column = asked.get("column") if asked.get("column") in names else None
    return queue.GridQuery(
        state=asked.get("state") if asked.get("state") in STATES else None,
        q=asked.get("q", "").strip()[:200],
        column=column,
        where={name: value[:300].replace("\0", "") for name, value in where.items()},
        sort=sort.name if sort else "",
        numeric=bool(sort and sort.numeric),
        descending=newest,
        after=asked.get("after"),
        before=asked.get("before"),
        parts={one.name: "output" if one.role == "made" else "input" for one in every if one.role != "run"},
        limit=PAGE,
    )


def places(given: Sequence[str]) -> list[int]:
    """The places of rows that were chosen; what is none is left out."""
    return [int(place) for place in given[:PAGE] if place.isascii() and place.isdigit() and len(place) < 13]


def main_value(item: models.Item, every: Sequence[ItemColumn]) -> tuple[ItemColumn, Any] | None:
    """What the item is for: its longest text that the job made, or else its first value."""
    made = [
        (one, value)
        for one in every
        if one.role == "made" and not values.is_nothing(value := columns.value_of(item, one.name))
    ]
    texts = [pair for pair in made if columns.is_long(pair[0])]
    return max(texts, key=lambda pair: len(str(pair[1])), default=made[0] if made else None)


def name_of(item: models.Item, every: Sequence[ItemColumn]) -> str:
    """The item's own name, if a column holds one."""
    named = next((one for one in every if one.type == "name"), None)
    return str(values.written(columns.value_of(item, named.name), named)) if named else ""


def _row(item: models.Item, shown: Sequence[ItemColumn], live: bool) -> GridRow:
    cells = [
        GridCell(one, values.written(columns.value_of(item, one.name), one), columns.is_long(one)) for one in shown
    ]
    named = any(one.type == "name" and cell.text for one, cell in zip(shown, cells, strict=True))
    ended = (words.now() - item.finished_at).total_seconds() if item.finished_at else FRESH_SECONDS
    return GridRow(item, str(item.position), cells, named, live and ended < FRESH_SECONDS)


def _head(column: ItemColumn, query: queue.GridQuery, here: GridAddress, profile: profiles.Profile) -> ColumnHead:
    if query.sort != column.name:
        return ColumnHead(column, here(sort=column.name, dir="desc" if column.numeric else "asc"), "", profile)
    other, order = ("asc", "descending") if query.descending else ("desc", "ascending")
    return ColumnHead(column, here(sort=column.name, dir=other), order, profile)


def _facets(
    job: queue.JobView, every: Sequence[ItemColumn], query: queue.GridQuery, here: GridAddress
) -> tuple[list[Facet], int | None]:
    found = [_states(job, query, here)] if job.failed or job.skipped or job.unknown or query.state else []
    counted = job.ended or job.finished <= COUNTED_LIVE  # a page of a running job is asked for every three seconds
    offered = [one for one in every if (one.facet and counted) or one.name in query.where]
    offered = sorted(offered, key=lambda one: (one.name not in query.where, one.role != "made"))[:MOST_FACETS]
    counts, looked = _counts(job, [one.name for one in offered], query) if job.finished else ({}, None)
    facets = [facet(one, counts.get(one.name, []), query.where.get(one.name), here) for one in offered]
    kept = [one for one in facets if len(one.values) > 1 or any(chosen for *_, chosen in one.values)]
    return found + kept, looked if kept else None


def _counts(
    job: queue.JobView, names: list[str], query: queue.GridQuery
) -> tuple[dict[str, list[tuple[str, int]]], int | None]:
    filtered = (names, query.state, query.q, query.column, sorted(query.where.items()))
    return ended.remembered(job, ("counts", filtered), lambda: queue.value_counts(job, names, query))


def _states(job: queue.JobView, query: queue.GridQuery, here: GridAddress) -> Facet:
    """The states, whose counts the job's own row knows unless another filter is set."""
    known = not query.narrow
    shown: list[tuple[Any, int | None, str, bool]] = [
        ("All", job.finished if known else None, here(state=None), not query.state)
    ]
    for name in STATES:
        if getattr(job, name):
            shown.append(
                (
                    words.item_word(name).text,
                    getattr(job, name) if known else None,
                    here(state=name),
                    name == query.state,
                )
            )
    return Facet("State", shown, False)


def facet(column: ItemColumn, counts: Sequence[tuple[str, int]], chosen: str | None, here: GridAddress) -> Facet:
    """The values of a column, each a link that filters by it, or no more."""
    field = f"{IS}{column.name}"
    some = list(counts) + ([(chosen, 0)] if chosen and chosen not in dict(counts) else [])
    shown = [
        (
            values.written(value, column) or value,
            count,
            here.of({field: None if value == chosen else value}),
            value == chosen,
        )
        for value, count in some
    ]
    return Facet(column.label, shown, len(shown) > CHIPS)


def newest(job: queue.JobView, every: Sequence[ItemColumn]) -> dict[str, Any] | None:
    """What was just written: the newest finished item, in full."""
    rows = queue.items(job, state="done", limit=1, newest_first=True).rows
    if not rows or (main := main_value(rows[0], every)) is None or not columns.is_long(main[0]):
        return None
    given = [one for one in every if one.role == "yours" and one.type not in ("name", "text", "tree")][:3]
    facts = [text for one in given if (text := values.with_unit(columns.value_of(rows[0], one.name), one))]
    tags = [
        values.written(columns.value_of(rows[0], one.name), one)
        for one in every
        if one.role == "made" and one.type == "tag" and one.shown == "always"
    ]
    text = (
        markdown.render(main[1])
        if isinstance(main[1], str) and values.structured(main[1]) is None
        else values.flat(main[1], 4_000)
    )
    return {
        "item": rows[0],
        "text": text,
        "name": name_of(rows[0], every),
        "facts": facts,
        "tags": [tag for tag in tags if tag],
    }

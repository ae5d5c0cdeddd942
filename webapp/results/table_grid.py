"""The grid over the rows of a table: those of a file, or of a Table that a kind's `view` returns. All rows are in memory.

Sort, search, facets, columns and lines stand in the address, as in the grid of items (`grid`), whose links it uses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from jobs.engine.display import as_text
from jobs.engine.kinds import ItemColumn
from webapp.results import columns, grid, profiles, values

PAGE = 50
SHOWN = 12  # columns until others are chosen
GUESSED = 300  # rows by which the type of a column is guessed

Row = Sequence[Any]


def of_table(table: Mapping[str, Any], path: str, asked: grid.Asked) -> dict[str, Any]:
    """The variables of the grid over a kind's Table."""
    rows = [row for row in table.get("rows", ()) if isinstance(row, list)]
    more = int(table.get("more") or 0)
    heads = [
        columns.described(one, [row[at] for row in rows[:GUESSED] if len(row) > at])
        for at, one in enumerate(table.get("columns", ()))
    ]
    return view(heads, rows, path, asked, total=len(rows) + more)


def of_dicts(
    names: Sequence[str], found: Sequence[Mapping[str, Any]], path: str, asked: grid.Asked, **more: Any
) -> dict[str, Any]:
    """The same over the rows of a file. more: `total` and `start`, as in `view`."""
    heads = [
        replace(columns.guess(name, [row.get(name) for row in found[:GUESSED]]), label=name)
        for name in names[: columns.MOST_COLUMNS]
    ]
    heads = columns.named(heads, {one.name: [row.get(one.name) for row in found[:GUESSED]] for one in heads})
    return view(heads, [[row.get(one.name) for one in heads] for row in found], path, asked, **more)


def view(
    every: Sequence[ItemColumn], rows: Sequence[Row], path: str, asked: grid.Asked, *, total: int | None, start: int = 0
) -> dict[str, Any]:
    """The variables of the grid's template. total: rows of the whole table, if known; start: how many are before these."""
    at = {one.name: place for place, one in enumerate(every)}
    shown = [one for one in every if one.name in asked.getlist("show")] or list(every)[:SHOWN]
    where = {name[len(grid.IS) :]: value for name, value in asked.items() if name.startswith(grid.IS) and value}
    where = {name: value for name, value in where.items() if name in at}
    q = asked.get("q", "").strip()[:200]
    here = grid.GridAddress(path, asked)
    numbered = list(enumerate(rows, start + 1))
    found = [one for one in numbered if _matches(one[1], q, where, at)]
    sort = next((one for one in every if one.name == asked.get("sort")), None)
    down = asked.get("dir") == "desc"
    if sort:
        found = _sorted(found, sort, at[sort.name], down)
    first = _place(asked.get("row"), len(found))
    page = found[first : first + PAGE]
    pictures = {
        one.name: profiles.of_values(one, _lengths(one, [row[at[one.name]] for _, row in found])) for one in shown
    }
    return {
        "every": every,
        "numbered": True,
        "shown": {one.name for one in shown},
        "heads": [_head(one, sort, down, here, pictures[one.name]) for one in shown],
        "rows": [(number, [_cell(row[at[one.name]], one) for one in shown]) for number, row in page],
        "facets": _facets(every, numbered, q, where, at, here),
        "q": q,
        "here": here,
        "lines": asked.get("lines") if asked.get("lines") in ("1", "all") else "3",
        "line_choices": grid.LINES,
        "chosen": bool(q or where),
        "found": len(found),
        "looked": len(rows),
        "total": total,
        "start": start,
        "sort": sort,
        "first": first,
        "previous": here(row=str(max(first - PAGE, 0))) if first else None,
        "next": here(row=str(first + PAGE)) if first + PAGE < len(found) else None,
    }


def _place(asked: str | None, count: int) -> int:
    place = int(asked) if asked and asked.isascii() and asked.isdigit() and len(asked) < 9 else 0
    return place if place < count else 0


def _matches(row: Row, q: str, where: Mapping[str, str], at: Mapping[str, int]) -> bool:
    if any(as_text(row[at[name]]) != value for name, value in where.items()):
        return False
    return not q or any(q.casefold() in as_text(value).casefold() for value in row if value is not None)


def _sorted(found: list[tuple[int, Row]], column: ItemColumn, at: int, down: bool) -> list[tuple[int, Row]]:
    """Empty values are last in either direction; rows with the same value stay in their order."""

    def key(one: tuple[int, Row]) -> Any:
        value = one[1][at]
        return values.as_number(value) if column.numeric else as_text(value).casefold() or None

    there = [one for one in found if not values.is_nothing(one[1][at]) and key(one) is not None]
    known = {number for number, _ in there}
    return sorted(there, key=key, reverse=down) + [one for one in found if one[0] not in known]


def _lengths(column: ItemColumn, some: Sequence[Any]) -> Sequence[Any]:
    return [len(as_text(value)) for value in some if not values.is_nothing(value)] if columns.is_long(column) else some


def _head(
    column: ItemColumn, sort: ItemColumn | None, down: bool, here: grid.GridAddress, profile: profiles.Profile
) -> grid.ColumnHead:
    if sort is not column:
        return grid.ColumnHead(column, here(sort=column.name, dir="desc" if column.numeric else "asc"), "", profile)
    other, order = ("asc", "descending") if down else ("desc", "ascending")
    return grid.ColumnHead(column, here(sort=column.name, dir=other), order, profile)


def _cell(value: Any, column: ItemColumn) -> grid.GridCell:
    return grid.GridCell(column, values.written(value, column), columns.is_long(column))


def _facets(
    every: Sequence[ItemColumn],
    numbered: Sequence[tuple[int, Row]],
    q: str,
    where: Mapping[str, str],
    at: Mapping[str, int],
    here: grid.GridAddress,
) -> list[grid.Facet]:
    offered = sorted((one for one in every if one.facet or one.name in where), key=lambda one: one.name not in where)
    found = []
    for column in offered[: grid.MOST_FACETS]:
        others = {name: value for name, value in where.items() if name != column.name}
        some = [as_text(row[at[column.name]]) for _, row in numbered if _matches(row, q, others, at)]
        counts = Counter(value for value in some if value).most_common()
        if len(counts) > 1 or column.name in where:
            found.append(grid.facet(column, counts, where.get(column.name), here))
    return found

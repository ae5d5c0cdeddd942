"""The grid over a table's rows: order, search, facets, pages, and what the address says."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import pytest
from werkzeug.datastructures import MultiDict

from jobs.engine.kinds.shown import Table
from webapp.results import table_grid

NAMES = ["film", "genre", "gross"]
ROWS = [
    {"film": f"Film {n}", "genre": ("Drama", "Comedy", "")[n % 3], "gross": None if n == 7 else n * 1_500}
    for n in range(1, 121)
]


def shown(asked: str = "", **more: Any) -> dict[str, Any]:
    return table_grid.of_dicts(NAMES, ROWS, "/x", MultiDict(parse_qsl(asked)), **({"total": len(ROWS)} | more))


def numbers(grid: dict[str, Any]) -> list[int]:
    return [number for number, _ in grid["rows"]]


@pytest.mark.parametrize(
    ("asked", "first", "found"),
    [
        ("", [1, 2, 3], 120),
        ("sort=gross&dir=desc", [120, 119, 118], 120),
        ("sort=gross&dir=asc", [1, 2, 3], 120),
        ("sort=gross&dir=asc&row=100", [102, 103, 104], 120),  # row 7 has no number, and is last
        ("sort=genre&dir=asc", [1, 4, 7], 120),
        ("q=FILM+12", [12, 120], 2),
        ("is.genre=Comedy&q=film+1", [1, 10, 13], 12),
        ("is.nothing=x&sort=nothing&dir=up&row=-1&show=nothing&lines=x", [1, 2, 3], 120),
        ("row=99999999999999", [1, 2, 3], 120),
    ],
)
def test_rows_as_the_address_asks(asked: str, first: list[int], found: int) -> None:
    grid = shown(asked)
    assert (numbers(grid)[:3], grid["found"]) == (first, found)


def test_columns_have_types_and_pictures() -> None:
    heads = {head.column.name: head for head in shown()["heads"]}
    assert heads["gross"].column.numeric and heads["gross"].profile.marks
    assert "1,500" in str(shown()["rows"][0][1][2].text)
    assert [head.column.name for head in shown("show=gross")["heads"]] == ["gross"]


def test_facets_count_under_the_other_filters() -> None:
    (facet,) = shown("q=film+1")["facets"]
    assert [(str(text), count) for text, count, *_ in facet.values] == [("Comedy", 12), ("Drama", 10)]
    chosen = shown("is.genre=Drama")["facets"][0].values
    assert [(str(text), picked) for text, _, _, picked in chosen] == [("Comedy", False), ("Drama", True)]


def test_pages_keep_what_was_chosen() -> None:
    grid = shown("sort=gross&dir=desc&from=1000", start=1_000, total=None)
    assert grid["next"] == "/x?sort=gross&dir=desc&from=1000&row=50" and grid["previous"] is None
    assert numbers(grid)[0] == 1_120


def test_a_table_of_a_kind_is_one_too() -> None:
    table = Table(["a", "b"], [["x", 1], ["y", 2]]) | {"more": 5}
    grid = table_grid.of_table(table, "/x", MultiDict())
    assert (grid["looked"], grid["total"], len(grid["rows"])) == (2, 7, 2)
    assert table_grid.of_table(Table([], []), "/x", MultiDict())["rows"] == []

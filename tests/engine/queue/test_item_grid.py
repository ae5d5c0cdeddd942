"""Items in any order and under any filter: every row is on exactly one page, forward and back, and the counts add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from jobs.engine import queue
from jobs.engine.db.models import Item
from jobs.engine.errors import NotFound
from jobs.engine.queue import GridQuery, item_grid
from jobs.engine.queue.ledger import Outcome
from tests.conftest import House
from tests.web import factories

MANY = 57
VERDICTS = ("allow", "review", "block", "")


@pytest.fixture(scope="module")
def job(house: House) -> Iterator[Any]:
    with house(EXTRA_KINDS="tests.sample_kinds"):
        outcomes = [_outcome(place) for place in range(1, MANY + 1)]
        yield factories.ended(factories.waiting(), "partial", outcomes=outcomes, total=MANY)


def _outcome(place: int) -> Outcome:
    """Rows with equal values, missing values, numbers as text and as numbers, and some that failed."""
    state = "failed" if place % 11 == 0 else "done"
    made = Outcome(
        key=f"k{place}", position=place, state=state, input={"city": f"City {place * 7 % 10}", "size": str(place % 9)}
    )
    if state == "failed":
        made.error = "It rained."
    else:
        number = None if place % 5 == 0 else place * 13 % 17 if place % 2 else f"{place * 13 % 17}.5"
        made.output = {"score": number, "verdict": VERDICTS[place % 4]}
        made.seconds = place % 6 / 10
    return made


def walk(job: Any, asked: GridQuery) -> list[list[Item]]:
    """All pages, forward; each must lead back to the one before."""
    pages, cursor = [], None
    while True:
        page = queue.grid_page(job, _with(asked, after=cursor))
        if pages:
            back = queue.grid_page(job, _with(asked, before=page.previous))
            assert [row.key for row in back.rows] == [row.key for row in pages[-1]]
        pages.append(page.rows)
        if page.next is None:
            return pages
        cursor = page.next


def _with(asked: GridQuery, **changed: Any) -> GridQuery:
    return GridQuery(**{**asked.__dict__, **changed})


def keys(pages: list[list[Item]]) -> list[int]:
    return [row.position for page in pages for row in page]


def score(row: Item) -> float | None:
    value = (row.output or {}).get("score")
    return None if value is None else float(value)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", ["", "score", "city", "size", "_seconds"])
def test_every_row_is_on_one_page_in_the_order_asked_for(job: Any, sort: str, descending: bool) -> None:
    asked = GridQuery(sort=sort, numeric=sort in ("score", "size"), descending=descending, limit=10)
    rows = [row for page in walk(job, asked) for row in page]
    assert sorted(row.position for row in rows) == list(range(1, MANY + 1))
    value = {
        "": lambda row: row.position,
        "score": score,
        "city": lambda row: row.input["city"],
        "size": lambda row: float(row.input["size"]),
        "_seconds": lambda row: row.seconds,
    }[sort]
    known = [value(row) for row in rows if value(row) is not None]
    assert known == sorted(known, reverse=descending)
    assert all(value(row) is None for row in rows[len(known) :])  # nothing is last, in either direction
    places = [row.position for row in rows if value(row) is None]
    assert places == sorted(places)


def test_filters_and_words_meet(job: Any) -> None:
    blocked = keys(walk(job, GridQuery(where={"verdict": "block"}, limit=4)))
    assert blocked == [place for place in range(1, MANY + 1) if place % 4 == 2 and place % 11]
    both = keys(walk(job, GridQuery(where={"verdict": "block"}, q="city 4", column="city", limit=4)))
    assert both == [place for place in blocked if place * 7 % 10 == 4]
    assert keys(walk(job, GridQuery(state="failed", limit=2))) == [11, 22, 33, 44, 55]
    assert keys(walk(job, GridQuery(q="it rained"))) == [11, 22, 33, 44, 55]
    assert keys(walk(job, GridQuery(where={"verdict": "' or 1=1 --"}))) == []


@pytest.mark.parametrize("parts", [{}, {"verdict": "output", "city": "input"}])
def test_values_are_counted_under_the_other_filters(job: Any, parts: Any) -> None:
    rows = keys(walk(job, GridQuery()))
    done = [place for place in rows if place % 11]
    counts, looked = queue.value_counts(job, ["verdict", "city"], GridQuery(parts=parts))
    assert looked is None
    assert dict(counts["verdict"]) == Counter(VERDICTS[place % 4] for place in done if place % 4 != 3)
    assert dict(counts["city"]) == Counter(f"City {place * 7 % 10}" for place in rows)
    chosen, _ = queue.value_counts(job, ["verdict", "city"], GridQuery(where={"verdict": "block"}, parts=parts))
    assert chosen["verdict"] == counts["verdict"]  # of the chosen column all values, so that one can choose another
    assert dict(chosen["city"]) == Counter(f"City {place * 7 % 10}" for place in done if place % 4 == 2)


def test_what_is_too_much_is_looked_at_in_part_and_that_is_said(job: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_grid, "LOOKED", (10, 10))
    page = queue.grid_page(job, GridQuery(sort="score", numeric=True))
    assert page.looked == 10 and sorted(row.position for row in page.rows) == list(range(1, 11))
    counts, looked = queue.value_counts(job, ["city"], GridQuery())
    assert looked == 10 and sum(count for _, count in counts["city"]) == 10
    found, cursor = [], None
    for _ in range(MANY):
        page = queue.grid_page(job, GridQuery(q="it rained", limit=3, after=cursor))
        found += [row.position for row in page.rows]
        cursor = page.next or page.further
        if cursor is None:
            break
    assert found == [11, 22, 33, 44, 55]


def test_the_neighbours_of_a_row_follow_the_order_and_the_filter(job: Any) -> None:
    asked = GridQuery(where={"verdict": "block"}, sort="score", numeric=True, descending=True)
    order = keys(walk(job, asked))
    for place, position in enumerate(order):
        item = queue.item_at(job, position)
        assert item is not None
        before, after = queue.neighbours(job, item, asked)
        assert (before and before.position) == (order[place - 1] if place else None)
        assert (after and after.position) == (order[place + 1] if place + 1 < len(order) else None)


@pytest.mark.parametrize("cursor", ["", "~", "x~y", "-1~a", "9" * 40 + "~a", "١~a"])
def test_a_cursor_that_is_none_is_not_found(job: Any, cursor: str) -> None:
    for sort in ("", "score"):
        with pytest.raises(NotFound):
            queue.grid_page(job, GridQuery(after=cursor, sort=sort))


def test_values_of_columns_are_of_rows_spread_over_all_or_of_those_that_match(job: Any) -> None:
    every = queue.column_values(job, ["city", "score"], GridQuery(), 2_000)
    assert len(every) == MANY and ("City 7", "13") in every
    spread = queue.column_values(job, ["size"], GridQuery(), 10, lengths={"size"})
    assert len(spread) == 10 and {size for (size,) in spread} == {1}
    some = queue.column_values(job, ["verdict"], GridQuery(where={"verdict": "block"}), 5)
    assert some == [("block",)] * 5
    assert queue.column_values(job, [], GridQuery(), 5) == []

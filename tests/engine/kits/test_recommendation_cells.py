"""Weights and times are read as people write them, one format for a column, and what was guessed or left out is said."""

from __future__ import annotations

from datetime import UTC, datetime
from math import inf
from typing import Any

import pytest

from jobs.engine.errors import BadInput
from jobs.engine.formats.columns import Choices, Hints
from jobs.engine.kits.recommendation import CellReader


def day(year: int, month: int, of_month: int, hour: int = 0) -> float:
    return datetime(year, month, of_month, hour, tzinfo=UTC).timestamp()


def read(cells: list[Any], what: str = "weight", choices: Choices | None = None) -> tuple[list[Any], list[str]]:
    rows = [{what: cell} for cell in cells]
    names = ("weight", "") if what == "weight" else ("", what)
    reader = CellReader(rows, *names, choices or Choices(), Hints())
    values = reader.weight if what == "weight" else reader.moment
    return [values(row) for row in rows], reader.notes


WEIGHTS: list[tuple[list[Any], list[float | None]]] = [
    (["4,5", "3", "1,0"], [4.5, 3, 1]),
    (["1.234,50", "2,00"], [1234.5, 2]),
    (["$1,200.50", "($3.00)"], [1200.5, -3]),
    (["1\u202f234,5", "7"], [1234.5, 7]),
    (["1'234.5", "7"], [1234.5, 7]),
    (["12,34,567", "1"], [1234567, 1]),
    (["15 %", "7 %"], [15, 7]),
    (["1e3", "2"], [1000, 2]),
    ([4.5, 3, None, True], [4.5, 3, None, 1]),
    ([4, "4,5"], [4, 4.5]),
    (["", "2"], [None, 2]),
]


@pytest.mark.parametrize(("cells", "right"), WEIGHTS)
def test_weights_are_numbers_as_people_write_them(cells: list[Any], right: list[float | None]) -> None:
    assert read(cells) == (right, [])


TIMES: list[tuple[list[Any], list[float]]] = [
    (["05.03.2026", "25.03.2026"], [day(2026, 3, 5), day(2026, 3, 25)]),
    (["03/05/2026 2:00 PM", "03/25/2026 1:00 AM"], [day(2026, 3, 5, 14), day(2026, 3, 25, 1)]),
    (["5. März 2026", "1 Dec 2025"], [day(2026, 3, 5), day(2025, 12, 1)]),
    (["2026-03-05T14:00:00+02:00", "2026-03-05 14:00:00Z"], [day(2026, 3, 5, 12), day(2026, 3, 5, 14)]),
    (["881250949", "891717742"], [881250949, 891717742]),
    ([881250949, "891717742"], [881250949, 891717742]),
    (["1998", "1999"], [day(1998, 1, 1), day(1999, 1, 1)]),
    (["1200", "1305"], [1200, 1305]),
    (["20260305"], [day(2026, 3, 5)]),
    (["2026-03", "2026-04"], [day(2026, 3, 1), day(2026, 4, 1)]),
    (["", "2026-04-01"], [-inf, day(2026, 4, 1)]),
]


@pytest.mark.parametrize(("cells", "right"), TIMES)
def test_times_are_dates_as_people_write_them_or_seconds(cells: list[Any], right: list[float]) -> None:
    assert read(cells, "time") == (right, [])


def test_what_was_guessed_and_left_out_is_said() -> None:
    values, notes = read(["4,5", "n/a", "3"])
    assert (values, notes) == ([4.5, None, 3], ["1 cell of weight is no number and did not count (“n/a”)."])
    values, notes = read(["05/03/2026", "06/03/2026"], "time")
    assert values[0] == day(2026, 3, 5) and "was read with the day first" in notes[0]
    assert read(["05/03/2026"], "time", Choices(dates="month first"))[0] == [day(2026, 5, 3)]
    assert read(["1.234", "2.500"], choices=Choices(numbers="1.234,5"))[0] == [1234, 2500]
    assert read(["soon", "2026-03-01"], "time") == (
        [-inf, day(2026, 3, 1)],
        ["1 cell of time is no time and counted as the oldest (“soon”)."],
    )


@pytest.mark.parametrize(
    ("cells", "what", "words"),
    [
        (["good", "bad"], "weight", "holds no number: “good”, “bad”"),
        (["$5", "€5"], "weight", "different units"),
        (["soon", "later"], "time", "holds no time that can be read: “soon”, “later”"),
    ],
)
def test_a_column_without_numbers_or_times_is_refused(cells: list[Any], what: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        read(cells, what)

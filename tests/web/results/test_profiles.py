"""The line and the small picture above a column: for numbers, dates, lengths and few values."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.engine.kinds import ItemColumn
from webapp.results import profiles


@pytest.mark.parametrize(
    ("column", "some", "words", "marks"),
    [
        (ItemColumn("a", type="number", decimals=0), ["1", "2", "30", None, ""], "median 2", 2),
        (ItemColumn("a", type="number", decimals=0, grouped=False), ["1939", "2010"], "1939 to 2010", 2),
        (ItemColumn("a", type="number"), [7, 7, 7], "all 7", 0),
        (ItemColumn("a", type="date"), ["2024-01-01", "2024-03-01T10:00:00", "x"], "1 Jan 2024 to 1 Mar 2024", 2),
        (ItemColumn("a", type="markdown"), [12, 2400], "12 to 2,400 characters", 2),
        (ItemColumn("a", type="name"), ["x", "y", "y"], "2 different", 0),
        (ItemColumn("a", type="tag"), ["x", "y"] * 9, "2 values", 2),
        (ItemColumn("a", type="word"), list("abcdefg") * 3, "7 values", 5),
        (ItemColumn("a", type="word"), [str(one) for one in range(40)], "40 different", 0),
        (ItemColumn("a", type="number"), ["x"], "", 0),
        (ItemColumn("a", type="number"), [], "", 0),
        (ItemColumn("a", type="number"), ["x", "1e400", "nan"], "3 different", 3),
    ],
)
def test_a_column_in_short(column: ItemColumn, some: list[Any], words: str, marks: int) -> None:
    found = profiles.of_values(column, some)
    assert (found.words, len(found.marks)) == (words, marks)
    for mark in found.marks:
        assert (
            0 <= mark.x <= mark.x + mark.width <= found.width and 0 <= mark.y <= mark.y + mark.height <= profiles.TALL
        )

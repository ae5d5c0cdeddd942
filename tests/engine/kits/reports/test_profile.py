"""Profiles, measures, filters and comparisons, in the child process that computes them, against figures known by hand."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from jobs.engine.errors import BadInput
from jobs.engine.kits import reports
from jobs.engine.kits.reports import Filter, comparisons, measures, profile_writing

DIRTY = """id,city,price,joined,note,copy
1,Berlin,"1,200.50",2026-01-01,,2401
2,berlin,"1,100.00",2026-01-02,,2200
3,Rome,900,2026-01-03,,1800
4,Rome,950.25,2026-02-03,x,1900.5
5,,n/a,2026-02-04,,
6,Paris,99000,2026-03-04,,198000
7,Rome,930,2026-03-05,,1860
8,Rome,1000,2026-03-06,,2000
9,Rome,1010,2026-03-07,,2020
10,Rome,1020,2026-03-08,,2040
11,Rome,1020,2026-03-09,,2040
12,Rome,1025,2026-03-10,,2050
12,Rome,1025,2026-03-10,,2050
"""
NAMES = DIRTY.split("\n", 1)[0].split(",")
PRICES = [1200.5, 1100, 900, 950.25, 99000, 930, 1000, 1010, 1020, 1020, 1025, 1025]


def computed(folder: Path, wanted: str = "", filters: Sequence[Filter] = (), **more: Any) -> dict[str, Any]:
    path = folder / "dirty.csv"
    path.write_text(DIRTY)
    found = [] if more.get("profile") else measures.parse(wanted, NAMES)
    given: dict[str, Any] = {"group_by": [], "date": "", "period": "auto", "most_groups": 50} | more
    return reports.compute(path, path.name, reports.ReportPlan(found, known=NAMES, filters=filters, **given), folder)


def test_a_profile_says_what_is_in_a_table(tmp_path: Path) -> None:
    found = computed(tmp_path, profile=True)["profile"]
    assert (found["rows"], found["duplicates"]) == (13, 1)
    kinds = {column["name"]: column["type"] for column in found["columns"]}
    assert kinds == {
        "id": "number",
        "city": "text",
        "price": "number",
        "joined": "date",
        "note": "text",
        "copy": "number",
    }
    price = next(column for column in found["columns"] if column["name"] == "price")
    assert price["mean"] == pytest.approx(statistics.mean(PRICES)) and price["sd"] == pytest.approx(
        statistics.stdev(PRICES)
    )
    assert (price["least"], price["most"], price["p50"], price["outliers"]) == (900, 99000, 1020, 1)
    assert sum(count for _, count in price["bins"]) == len(PRICES)
    assert found["correlations"] == [["price", "copy", 1]]
    assert found["columns"][1]["top"][0] == ["Rome", 9]
    assert found["columns"][3]["least"].startswith("2026-01-01")
    said = " ".join(found["warnings"])
    for sentence in (
        "1 row is an exact copy",
        "price and copy rise together",
        "note is empty in 92.3% of the rows (12)",
        "city has 1 value that differs from another one only in capitals",
        "1 value of price is no number: “n/a”",
        "price has 1 outlier",
    ):
        assert sentence in said
    page = profile_writing.markdown(found, "data:,")
    assert "| city | text |" in page and "## Correlations" in page and "(data:,)" in page
    assert len(profile_writing.spec(found)["concat"]) == 6 - 1  # type: ignore[index]  # note has one value


def test_measures_and_filters(tmp_path: Path) -> None:
    wanted = "distinct(city), sd(price), p90(id), ratio(copy / id), count(*)"
    rome = [Filter(column="city", how="is", value="ROME"), Filter(column="joined", how="at_most", value="2026-03-08")]
    found = computed(tmp_path, wanted, rome)
    ids, copies, prices = (
        [3, 4, 7, 8, 9, 10],
        [1800, 1900.5, 1860, 2000, 2020, 2040],
        [900, 950.25, 930, 1000, 1010, 1020],
    )
    assert found["totals"] == pytest.approx([1, statistics.stdev(prices), 9.5, sum(copies) / sum(ids), 6])
    assert "Only rows where city is ROME and joined is at most 2026-03-08." in found["notes"]
    several = [Filter(column="price", how="at_least", value="1,020"), Filter(column="note", how="empty")]
    several.append(Filter(column="city", how="is_not", value="Paris"))
    assert computed(tmp_path, "count(*)", several)["totals"] == [6]
    cased = [Filter(column="city", how="contains", value="ERL"), Filter(column="city", how="filled")]
    assert computed(tmp_path, "count(*)", cased, profile=True)["profile"]["rows"] == 2
    with pytest.raises(BadInput, match="price holds numbers, and “late” is none"):
        computed(tmp_path, "count(*)", [Filter(column="price", how="at_least", value="late")])


def test_what_is_no_measure_is_named() -> None:
    assert measures.written([{"how": "ratio", "column": "copy", "by": "id"}]) == "ratio(copy / id)"
    assert [one.label for one in measures.parse("p99.9(id), unique(city)", NAMES)] == [
        "99.9% percentile of id",
        "Different values of city",
    ]
    with pytest.raises(BadInput, match="There is no column “sales”"):
        measures.parse("ratio(copy / sales)", NAMES)
    with pytest.raises(BadInput, match="A ratio has two columns"):
        measures.parse("ratio(copy)", NAMES)


def test_two_tables_and_two_periods_are_compared() -> None:
    now = {"totals": [30, 5], "groups": {"rows": [["a", 10, 2], ["c", 20, 3]], "others": None}, "periods": None}
    before = {"totals": [20, 5], "groups": {"rows": [["a", 8, 0], ["b", 12, 5]], "others": None}, "periods": None}
    found = comparisons.of_tables(now, before, ("old.csv", "new.csv"), ["g"], ["Sum", "Rows"])
    assert found["columns"] == ["g", "Measure", "old.csv", "new.csv", "Change", "Change in %"]
    assert found["rows"][0] == ["All", "Sum", 20, 30, 10, "+50.0%"]
    assert found["rows"][3] == ["a", "Rows", 0, 2, 2, None]
    assert [row[:4] for row in found["rows"][4::2]] == [["c", "Sum", None, 20], ["b", "Sum", 12, None]]
    periods = {"periods": [["2025-03", 4], ["2026-02", 10], ["2026-03", 9]]}
    assert comparisons.of_periods(periods, "before", ["Sum"])["rows"] == [["Sum", 10, 9, -1, "-10.0%"]]  # type: ignore[index]
    assert comparisons.of_periods(periods, "year", ["Sum"])["rows"] == [["Sum", 4, 9, 5, "+125.0%"]]  # type: ignore[index]
    assert comparisons.of_periods({"periods": [["2025-03", 4], ["2026-02", 10]]}, "year", ["Sum"]) is None

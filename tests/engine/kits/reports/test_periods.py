"""Periods of a report: none is left out, and the last one may not be over."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jobs.engine.kits.reports import __main__ as rendering
from jobs.engine.kits.reports import charts, periods


@pytest.mark.parametrize(
    ("first", "last", "period", "labels"),
    [
        ("2025-11", "2026-02", "month", ["2025-11", "2025-12", "2026-01", "2026-02"]),
        ("2024", "2026", "year", ["2024", "2025", "2026"]),
        ("2025-Q4", "2026-Q2", "quarter", ["2025-Q4", "2026-Q1", "2026-Q2"]),
        ("2026-02-23", "2026-03-09", "week", ["2026-02-23", "2026-03-02", "2026-03-09"]),
        ("2026-02-27", "2026-03-01", "day", ["2026-02-27", "2026-02-28", "2026-03-01"]),
        ("(empty)", "x", "month", ["(empty)", "x"]),
    ],
)
def test_all_between(first: str, last: str, period: str, labels: list[str]) -> None:
    assert periods.between(first, last, period) == labels


@pytest.mark.parametrize(
    ("label", "period", "over"),
    [
        ("2026-11", "month", False),
        ("2026-10", "month", True),
        ("2026-Q4", "quarter", False),
        ("2026-11-30", "day", False),
        ("2026-11-23", "week", True),
        ("x", "day", True),
    ],
)
def test_whether_one_is_over(label: str, period: str, over: bool) -> None:
    assert periods.is_over(label, period, "2026-11-30 20:35 UTC") == over


def test_a_gap_stays_open_and_the_last_period_is_dashed() -> None:
    figures: dict[str, Any] = {
        "periods": [["2026-08", 5], ["2026-10", 7], ["2026-11", 1]],
        "lines": None,
        "period": "month",
        "groups": None,
        "as_of": "2026-11-12 10:00 UTC",
    }
    spec = charts.chart(figures, ["Amount"], [])
    assert spec is not None and len(spec["layer"]) == 3
    assert spec["layer"][0]["data"]["values"] == [
        {"p": "2026-08", "k": "", "v": 5},
        {"p": "2026-09", "k": "", "v": None},
        {"p": "2026-10", "k": "", "v": 7},
    ]
    assert [one["p"] for one in spec["layer"][1]["data"]["values"]] == ["2026-10", "2026-11"]
    assert "2026-11 was not over" in charts.open_period(figures)
    figures["as_of"] = "2026-12-01 00:00 UTC"
    assert len((charts.chart(figures, ["Amount"], []) or {})["layer"]) == 1 and charts.open_period(figures) == ""
    assert charts.drawn(json.loads(json.dumps(spec)), "svg").startswith("data:image/svg+xml")


def test_a_page_gets_our_stylesheet() -> None:
    page = rendering.styled("<head><style>html { color: #1a1a1a; }</style><style>b</style></head>")
    assert "#1a1a1a" not in page and "tabular-nums" in page and "<style>b</style>" in page

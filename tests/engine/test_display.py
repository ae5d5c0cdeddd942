"""Values as people see them, and as programs do."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import numpy
import pytest

from jobs.engine import jsonsafe
from jobs.engine.display import as_text
from jobs.engine.formats.text_templates import parse_template
from jobs.engine.kits.reports import writing


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""), ("as it is ", "as it is "), (True, "true"), (False, "false"), (3201, "3201"), (12**18, "26623333280885243904"),
        (1.1 * 3, "3.3"), (0.1 + 0.2, "0.3"), (12.50, "12.5"), (3.0, "3"), (1234567.5, "1234567.5"), (1e16, "10000000000000000"),
        (0.000012, "0.000012"), (1e-9, "1e-9"), (1e22, "1e+22"), (-0.0, "0"), (float("nan"), ""), (float("inf"), ""),
        (Decimal("1.10"), "1.10"), (Decimal("1E+3"), "1000"), (Decimal("0E-10"), "0"),
        ({"first": "Ada", "vip": True, "sum": 1.1 * 3}, '{"first": "Ada", "vip": true, "sum": 3.3}'), 
        (["ä", None, 2], '["ä", null, 2]'),
        (timedelta(hours=32, minutes=15), "32:15:00"), (-timedelta(seconds=1.5), "-0:00:01.5"), (timedelta(0), "0:00:00"),
        (date(2026, 3, 5), "2026-03-05"), (datetime(2026, 3, 5), "2026-03-05"), (time(8, 15), "08:15:00"),
        (datetime(2026, 3, 5, 14, 30), "2026-03-05 14:30:00"), (datetime(2026, 3, 5, tzinfo=UTC), "2026-03-05 00:00:00+00:00"),
        (numpy.int64(3), "3"), (numpy.float64(1.1 * 3), "3.3"), (numpy.bool_(True), "true"), (b"abc", "abc"),
    ],
)  # fmt: skip
def test_a_value_is_written_for_a_person(value: object, text: str) -> None:
    assert as_text(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(1234567.89, "1234568"), (1832.91234, "1832.91"), (0.000123456789, "0.000123457"), (5.0, "5")]
)
def test_a_figure_has_six_digits_and_no_exponent(value: float, text: str) -> None:
    assert as_text(value, 6) == text


def test_a_program_gets_every_digit() -> None:
    values = [
        1.1 * 3,
        timedelta(hours=32, minutes=15),
        numpy.int64(3),
        numpy.float64(0.5),
        numpy.bool_(True),
        {"a": None},
    ]
    assert jsonsafe.dumps(values) == '[3.3000000000000003,"32:15:00",3,0.5,true,{"a":null}]'


def test_a_prompt_or_a_letter_has_values_as_people_write_them() -> None:
    row = {"who": {"first": "Ada", "vip": True}, "ok": True, "sum": 1.1 * 3, "none": None}
    assert parse_template("{who} {ok} {sum} {none}|").render(row) == '{"first": "Ada", "vip": true} true 3.3 |'


def test_a_count_beside_a_mean_has_no_decimals() -> None:
    figures = {
        "totals": [3201, 3.5],
        "groups": None,
        "periods": None,
        "rows_read": 3201,
        "rows_used": 3201,
        "notes": [],
        "warnings": [],
        "units": ["", ""],
        "left_out": {},
        "profile": None,
        "comparison": None,
    }
    report = writing.Report("T", "t.csv", "2026", "{totals}", [], ["Rows", "Mean"], ["count", "mean"], figures)
    assert "| Rows | 3\\,201 |" in writing.markdown(report) and "| Mean | 3\\.50 |" in writing.markdown(report)

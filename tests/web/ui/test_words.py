"""One word a state, one way for each quantity."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from markupsafe import Markup

from webapp.ui import safe_text, words


def job(**columns: Any) -> Any:
    empty = {
        "state": "running",
        "reason": None,
        "run_at": None,
        "lease": 0,
        "done": 0,
        "failed": 0,
        "skipped": 0,
        "unknown": 0,
    }
    found = SimpleNamespace(**{**empty, "total": None, **columns})
    found.finished = found.done + found.failed + found.skipped + found.unknown
    found.ended = found.state in ("succeeded", "partial", "failed", "cancelled")
    return found


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"state": "queued"}, "Waiting"),
        ({"state": "queued", "run_at": words.now() + timedelta(hours=1)}, "Scheduled"),
        ({"state": "queued", "run_at": words.now() + timedelta(hours=1), "lease": 1}, "Retrying"),
        ({"state": "queued", "reason": "worker_lost", "lease": 1}, "Worker lost"),
        ({"state": "running"}, "Running"),
        ({"state": "stopping"}, "Stopping"),
        ({"state": "partial"}, "Partly done"),
        ({"state": "cancelled"}, "Stopped"),
        ({"state": "failed"}, "Failed"),
        ({"state": "failed", "reason": "time_limit"}, "Timed out"),
    ],
)
def test_a_state_has_one_word(columns: dict[str, Any], said: str) -> None:
    assert words.state_of(job(**columns)).text == said


@pytest.mark.parametrize(
    ("columns", "share"),
    [
        ({"done": 756, "total": 1204}, 62),
        ({"done": 1203, "total": 1204}, 99),
        ({"done": 1204, "total": 1204}, 99),
        ({"done": 1204, "total": 1204, "state": "succeeded"}, 100),
        ({"done": 310, "total": 900, "state": "cancelled"}, 34),
        ({"done": 5}, None),
        ({"total": 0}, None),
    ],
)
def test_the_share_is_rounded_down_and_whole_only_at_the_end(columns: dict[str, Any], share: int | None) -> None:
    assert words.percent(job(**columns)) == share


@pytest.mark.parametrize(
    ("value", "said"),
    [(1204, "1,204"), (3.271, "3.3"), (0.0712, "0.071"), (412.4, "412"), (2.0, "2"), (None, ""), (0, "0")],
)
def test_numbers_are_grouped_and_short(value: float | None, said: str) -> None:
    assert words.number(value) == said


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 KB"),
        (412_345, "412 KB"),
        (999_999, "1.0 MB"),
        (1_500_000_000, "1.5 GB"),
        (10**16, "10,000 TB"),
    ],
)
def test_bytes_are_for_people(count: int, said: str) -> None:
    assert words.size(count) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.01, "under 0.1 s"),
        (4.06, "4.1 s"),
        (9.96, "10 s"),
        (41, "41 s"),
        (59.7, "1 min 00 s"),
        (229, "3 min 49 s"),
        (3599.8, "1 h 00 min"),
        (4320, "1 h 12 min"),
        (183_600, "2 d 3 h"),
        (-3, "under 0.1 s"),
    ],
)
def test_durations_have_two_units_at_most(seconds: float, said: str) -> None:
    assert words.duration(seconds) == said


def test_a_time_is_shown_in_the_zone_of_the_cookie_with_all_of_it_in_the_title() -> None:
    moment = datetime(2020, 7, 1, 12, 30, 5, tzinfo=UTC)
    with Flask("test").test_request_context(headers={"Cookie": "zone=Europe/Berlin"}):
        assert words.when(moment) == (
            '<time datetime="2020-07-01T14:30:05+02:00" title="Wed 1 Jul 2020, 14:30:05 CEST">1 Jul 2020</time>'
        )
        assert words.zone_line().startswith("Times in Europe/Berlin (CE")


@pytest.mark.parametrize("name", ["../../etc/passwd", "Mars/Phobos", "", "x" * 5000, "Europe/Berlin\x00"])
def test_a_zone_that_is_none_is_utc(name: str) -> None:
    with Flask("test").test_request_context():
        assert words.named_zone(name) is None
        assert words.zone_line() == "Times in UTC"


def test_today_is_a_clock_time_and_this_week_has_its_day() -> None:
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0)
    assert ">12:00</time>" in words.when(noon)
    assert ">12:00:00</time>" in words.seconds(noon)
    assert f">{noon - timedelta(days=2):%a} 12:00</time>" in words.when(noon - timedelta(days=2))


def test_text_that_turns_a_line_round_is_shown_and_not_obeyed() -> None:
    assert safe_text.harmless("photo\u202egnp.exe") == "photo[U+202E]gnp.exe"
    assert safe_text.harmless("tab\there\x07") == "tab\there[U+0007]"
    assert safe_text.harmless(Markup("<b>")) == "<b>"
    assert safe_text.harmless("שלום") == "שלום"


def test_the_parts_of_a_bar_fill_it_and_no_more() -> None:
    parts = words.bar(job(done=1_000_000, failed=1, skipped=3, total=1_000_004))
    assert [part["name"] for part in parts] == ["done", "failed"] or sum(
        float(part["width"][:-1]) for part in parts
    ) <= 100.1
    assert words.bar(job(total=10)) == []


def test_browsers_have_the_names_that_people_know() -> None:
    chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"
    assert (
        words.browser_name(chrome) == "Chrome on Linux" and words.browser_name(f"{chrome} Edg/130.0") == "Edge on Linux"
    )
    phone = (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile Safari/604.1"
    )
    assert words.browser_name(phone) == "Safari on iPhone"
    assert (words.browser_name(""), words.browser_name("curl/8.5"), words.browser_name("x" * 90)[-1]) == (
        "unknown",
        "curl",
        "…",
    )

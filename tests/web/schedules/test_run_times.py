"""Times of schedules in words: two zones, full dates, and the changes of clocks."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from flask import Flask

from webapp.schedules import run_times

NOVEMBER = datetime(2026, 11, 30, 12, tzinfo=UTC)
JUNE = datetime(2027, 6, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "zone", "moment", "said"),
    [
        ("30 2 * * *", "Europe/Berlin", NOVEMBER, "Sun 28 Mar 2027: clocks go from 02:00 to 03:00; it runs at 03:00."),
        ("0 6 * * *", "Europe/Berlin", NOVEMBER, "Sun 28 Mar 2027: clocks go from 02:00 to 03:00; it runs at 06:00."),
        ("0 6 * * 1", "Europe/Berlin", NOVEMBER, "Sun 28 Mar 2027: clocks go from 02:00 to 03:00; it does not run that day."),
        ("0 * * * *", "Europe/Berlin", NOVEMBER, "Sun 28 Mar 2027: clocks go from 02:00 to 03:00; it runs several times."),
        ("0 6 * * *", "America/New_York", NOVEMBER, "Sun 14 Mar 2027: clocks go from 02:00 to 03:00; it runs at 06:00."),
        ("0 6 * * *", "Australia/Lord_Howe", NOVEMBER, "Sun 4 Apr 2027: clocks go from 02:00 to 01:30; it runs at 06:00."),
        ("0 6 * * *", "Europe/Berlin", JUNE, "Sun 31 Oct 2027: clocks go from 03:00 to 02:00; it runs at 06:00."),
        ("0 6 * * *", "Asia/Tokyo", NOVEMBER, ""),
        ("0 6 * * *", "UTC", NOVEMBER, ""),
    ],
)  # fmt: skip
def test_the_next_change_of_clocks_is_told(cron: str, zone: str, moment: datetime, said: str) -> None:
    assert run_times.clock_change(cron, zone, moment) == said


def test_a_run_has_its_full_date_in_both_zones(app: Flask) -> None:
    run = datetime(2027, 3, 29, 22, 30, tzinfo=UTC)
    with app.test_request_context("/", headers={"Cookie": "zone=America/New_York"}):
        assert run_times.run_time(run, "Europe/Berlin")[1:] == (
            "Tue 30 Mar 2027, 00:30",
            "Mon 29 Mar 2027, 18:30 America/New_York",
        )
        assert run_times.run_time(run, "America/New_York").here == ""
    assert {"UTC", "Europe/Berlin"} <= set(run_times.zones()) and "Etc/GMT+1" not in run_times.zones()

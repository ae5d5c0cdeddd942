"""The pace of a mailing: its lowest limit counts, and a server that warms up gets more from hour to hour."""

from __future__ import annotations

import pytest

from jobs.engine.mail.bulk_sender import SendingPace


def test_the_lowest_limit_counts() -> None:
    assert SendingPace().per_minute(0) is None
    assert SendingPace(per_second=5).per_minute(0) == 300
    assert SendingPace(per_second=5, per_hour=600).per_minute(0) == 10
    warming = SendingPace(per_second=5, per_hour=600, warm_up=60, began=1_000)
    assert [warming.per_minute(1_000 + hour * 3_600) for hour in (0, 1, 2, 20)] == [1, 1.5, 2.25, 10]


def test_how_long_it_takes_is_known_before() -> None:
    assert SendingPace(per_hour=600).seconds(300) == pytest.approx(1_800)
    assert SendingPace(per_hour=600).seconds(1_500) == pytest.approx(9_000)
    assert SendingPace(warm_up=60).seconds(60 + 90 + 45) == pytest.approx(3_600 + 3_600 + 1_200)

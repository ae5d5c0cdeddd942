"""P14: a stream that is cut 20 times has no gap and no repeat, and a stop reaches it from another process."""

from __future__ import annotations

from collections.abc import Callable

from tests.chaos.installation import open_house
from tests.chaos.verdicts import Verdict
from tests.fake_provider import FakeProvider
from tests.stories import test_streams as story


def streams() -> list[Verdict]:
    """The story that `make test` tells, with two web processes."""
    with FakeProvider() as provider:
        model = {"OPENAI_BASE_URL": provider.base_url, "OPENAI_MODEL": "fake-small", "WEB_CONCURRENCY": "2"}
        with open_house(**model) as house:
            story.until(lambda: len(story.web_pids(house.app)) == 2, "two web processes")
            return [
                _told(lambda: story.cut_twenty_times(house.app, provider), "P14 a cut stream goes on", "cut 20 times"),
                _told(
                    lambda: story.stop_from_the_other_process(house.app, provider),
                    "P14 a stop from elsewhere",
                    "stopped by another web process",
                ),
            ]


def _told(story_of: Callable[[], None], promise: str, figure: str) -> Verdict:
    try:
        story_of()
    except AssertionError as error:
        return Verdict(promise, f"{figure}: {str(error)[:100]}", kept=False)
    return Verdict(promise, f"{figure}, no gap, no repeat" if "cut" in figure else figure, kept=True)

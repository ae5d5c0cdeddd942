"""The last 24 hours over the list of jobs: a dot a job, a sentence, and nothing where there is nothing."""

from __future__ import annotations

import re

from flask.testing import FlaskClient

from tests.web import factories
from webapp.results import strip


def test_each_job_is_a_dot_and_the_sentence_adds_up(client: FlaskClient) -> None:
    assert 'class="chart strip"' not in client.get("/jobs").text
    factories.ended(factories.waiting())
    factories.ended(factories.waiting(), "failed", reason="x", message="No.")
    factories.running(factories.waiting())
    page = client.get("/jobs").text
    drawn = page.partition('class="chart strip"')[2].partition("</section>")[0]
    assert drawn.count("<circle") == 2 and drawn.count('<rect class="hot"') == 1
    assert re.search(r'aria-label="3 jobs of the last 24 hours: 1 \w+, 1 \w+, 1 \w+\. The longest took', page)
    for elsewhere in ("/jobs?state=failed", "/jobs?q=nap"):
        assert 'class="chart strip"' not in client.get(elsewhere).text
    assert 'class="chart strip"' not in client.get("/jobs", headers={"HX-Request": "true"}).text


def test_dots_and_ticks_stay_inside() -> None:
    for seconds in (0, 0.01, 59, 86_400):
        assert 0 < strip._height(seconds, 5.0) <= strip.TALL

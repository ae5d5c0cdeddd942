"""Estimates from earlier runs, and names of jobs."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from jobs.engine import kinds, queue
from jobs.engine.display import shortened
from jobs.engine.queue import EarlierRun
from tests.web import factories
from tests.web.signed_in import hidden
from webapp.forms import estimates
from webapp.http.guards import LOCAL_OWNER


def told(
    monkeypatch: pytest.MonkeyPatch, *runs: EarlierRun, about: kinds.Estimate | None, model: str = ""
) -> estimates.Expected:
    monkeypatch.setattr(queue, "earlier_runs", lambda owner, kind: list(runs))
    return estimates.expected("nap", {"model": model}, about, "me")


def test_a_range_comes_from_runs_of_the_same_model_and_size(monkeypatch: pytest.MonkeyPatch) -> None:
    about = kinds.Estimate(items=100, tokens=9_000, seconds=5)
    runs = [
        EarlierRun(100, 120, 1_000, "big"),
        EarlierRun(50, 120, 600, "big"),
        EarlierRun(100_000, 1, 1, "big"),
        EarlierRun(100, 1, 1, "small"),
    ]
    found = told(monkeypatch, *runs, about=about, model="big")
    assert (found.low, found.high, found.runs) == (120, 240, 2)
    assert (found.time, found.source) == ("2 to 4 min", "from your last 2 runs")
    assert found.tokens == "1,000 to 1,200 tokens, at most 9,000 tokens"
    alone = told(monkeypatch, EarlierRun(100_000, 1_000, 0, ""), about=about)
    assert alone.runs == 1 and alone.source == "from your last run"
    first = told(monkeypatch, about=about)
    assert (first.runs, first.time, first.tokens) == (0, "about 5 s", "at most 9,000 tokens")
    assert told(monkeypatch, about=None).time == ""
    assert told(monkeypatch, EarlierRun(0, 8, 0, ""), EarlierRun(0, 12, 0, ""), about=None).time == "8 to 12 s"


def test_a_single_outlier_of_many_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [EarlierRun(10, 10 + place, 0, "") for place in range(9)] + [EarlierRun(10, 3_600, 0, "")]
    assert told(monkeypatch, *runs, about=kinds.Estimate(items=10)).high == 18


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (120, 240, "2 to 4 min"),
        (30, 95, "30 s to 2 min"),
        (2, 2.1, "about 2 s"),
        (0.01, 1.2, "under 2 s"),
        (0.5, 3, "up to 3 s"),
        (7_200, 9_000, "2.0 to 2.5 h"),
    ],
)
def test_a_range_in_words(low: float, high: float, said: str) -> None:
    assert estimates.between(low, high, estimates.rough) == said


def test_the_form_learns_from_jobs_and_the_page_says_how_right_it_was(client: FlaskClient) -> None:
    assert queue.earlier_runs(LOCAL_OWNER, "questions") == []
    done = factories.waiting("questions", word="a", side="left")
    factories.ended(done, outcomes=factories.outcomes(done=3), total=3)
    (run,) = queue.earlier_runs(LOCAL_OWNER, "questions")
    assert run.finished == 3 and run.model == ""
    token = hidden(client.get("/kinds/questions").text)
    sent = {"csrf_token": token, "word": "b", "side": "left", "_name": "  A name\x00 of  mine "}
    form = client.post("/kinds/questions", data=sent | {"check": "1"}).text
    assert "from your last run" in form and 'value="A name of mine"' in form
    wrong = client.post("/kinds/questions", data=sent | {"check": "1", "whole": "lots"}).text
    assert "from your last run" not in wrong and "without errors" in wrong
    made = queue.job(client.post("/kinds/questions", data=sent).location.rpartition("/")[2], LOCAL_OWNER)
    assert made.label == "A name of mine" and made.estimated and made.estimated["high"] >= made.estimated["low"] >= 0
    ended = factories.ended(made, outcomes=factories.outcomes(done=3), total=3)
    page = client.get(f"/jobs/{ended.id}").text
    assert "(estimated " in page and "A name of mine" in page


def test_a_job_can_be_renamed_and_is_found_by_its_name(client: FlaskClient) -> None:
    job = factories.waiting("questions", word="a", side="left")
    token = hidden(client.get(f"/jobs/{job.id}").text)
    client.post(f"/jobs/{job.id}/name", data={"csrf_token": token, "name": "Letters of May"})
    assert queue.job(job.id, LOCAL_OWNER).label == "Letters of May"
    assert "Letters of May" in client.get("/jobs?q=letters").text
    assert (
        "Write a name."
        in client.post(f"/jobs/{job.id}/name", data={"csrf_token": token, "name": " "}, follow_redirects=True).text
    )
    answer = client.patch(f"/api/v1/jobs/{job.id}", json={"name": "отчёт за май"})
    assert (answer.status_code, answer.json["label"]) == (200, "отчёт за май")
    assert client.patch(f"/api/v1/jobs/{job.id}", json={"name": ""}).status_code == 422
    started = client.post("/api/v1/kinds/questions/jobs?name=By+the+API", json={"word": "a", "side": "left"})
    assert started.json["label"] == "By the API"


def test_a_long_name_ends_with_a_whole_word() -> None:
    assert shortened("one two three", 20) == "one two three"
    assert shortened("one two three four", 12) == "one two…"
    assert shortened("x" * 30, 10) == "x" * 9 + "…"

"""The verdicts on a job's page and in the API: the queue, decisions and their undoing, thresholds, the record of it all."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from playwright.sync_api import Page, expect

from jobs.engine.kits import moderation
from jobs.engine.kits.moderation import Threshold, reviews
from jobs.engine.queue import queries
from jobs.engine.queue.ledger import Outcome
from tests.web import factories
from tests.web.test_accessibility import axe, violations
from webapp.http.guards import LOCAL_OWNER

__all__ = ["axe"]

BAD = "<script>alert(1)</script> \u202ereversed\u202c"
HALF = {"default": {"review": 0.5, "block": 0.9}}
Posted = Callable[..., Any]


def judged(*scores: float, ended: bool = True, texts: tuple[str, ...] = (), **params: Any) -> Any:
    """A job of which these texts were judged, each with a score for hate; half of them wait for a review."""
    given = {"source": "sample:comments.csv", "text_column": "comment", "thresholds": HALF} | params
    limits = {name: Threshold(**one) for name, one in given["thresholds"].items()}
    written = [_outcome(place, score, limits, texts) for place, score in enumerate(scores, start=1)]
    job = factories.waiting("moderate_content", **given)
    if not ended:
        return factories.running(job, len(scores) + 5, outcomes=written)[0]
    counts = {verdict: sum(one.verdict == verdict for one in written) for verdict in moderation.VERDICTS}
    result = {"texts": len(written), "judge": "built-in classifier", "verdicts": counts, "decided": 0}
    return factories.ended(job, total=len(scores), outcomes=written, result=result)


def _outcome(place: int, score: float, limits: dict[str, Threshold], texts: tuple[str, ...]) -> Outcome:
    scores = {"hate": score, "harassment/threatening": 0.04, "spam": 0.02}
    output = moderation.decide(scores, limits).columns() | {"scores": scores}
    text = texts[place - 1] if place <= len(texts) else f"{BAD} number {place}"
    row = {"id": str(place), "comment": text}
    return Outcome(str(place), place, "done", input=row, output=output, verdict=output["verdict"])


@pytest.fixture
def post(client: FlaskClient) -> Posted:
    def posted(address: str, **fields: Any) -> Any:
        token = re.findall(r'name="csrf_token" value="([^"]+)"', client.get("/suppressions").text)[0]
        return client.post(address, data={"csrf_token": token, **fields})

    return posted


def verdicts(job: Any) -> list[str]:
    return [row.verdict for row in queries.items(job, limit=200).rows]


def words(html: str) -> str:
    return " ".join(re.sub("<[^>]+>", " ", html).split())


# The page.


def test_the_queue_shows_what_waits_with_its_scores(client: FlaskClient) -> None:
    job = judged(0.6, 0.95, 0.1, 0.7)
    page = client.get(f"/jobs/{job.id}").text
    shown = words(page.split('id="verdicts"')[1].split("</section>")[0])
    assert "Text 1 Low severity Hate has 0.60 and reaches the threshold to review, 0.5" in shown
    assert "To review 2" in shown and "Blocked 1" in shown and "Allowed 1" in shown
    assert "0 of 2 reviewed" in shown
    assert 'id="text-1"' in page and 'id="text-4"' in page and 'id="text-2"' not in page
    assert 'class="done" width="60.0%"' in page and "style=" not in page
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page
    assert "\u202e" not in page
    assert "found 54 of the 72" in words(page)  # how good the classifier is stands where its verdicts stand
    blocked = client.get(f"/jobs/{job.id}?verdict=block").text
    assert 'id="text-2"' in blocked and 'id="text-1"' not in blocked and 'class="failed" width="95.0%"' in blocked


def test_a_passage_is_marked_in_its_text(client: FlaskClient) -> None:
    fine = "All is well here. " * 60
    with_passage = _outcome(1, 0.6, {"default": Threshold(review=0.5)}, (f"{fine}Away with <them>. {fine}",))
    assert with_passage.output is not None
    with_passage.output["passages"] = {"hate": "Away with <them>."}
    job = factories.waiting("moderate_content", source="sample:comments.csv", text_column="comment", thresholds=HALF)
    job = factories.ended(job, total=1, outcomes=[with_passage])
    page = client.get(f"/jobs/{job.id}").text
    assert "<mark>Away with &lt;them&gt;.</mark>" in page and "The whole text" in page


def test_a_decision_is_kept_and_undone(client: FlaskClient, post: Posted) -> None:
    job = judged(0.6, 0.7, 0.1)
    answer = post(f"/jobs/{job.id}/decisions?verdict=review", item="1", verdict="allow")
    assert (answer.status_code, answer.location) == (303, f"/jobs/{job.id}?verdict=review#queue")
    page = client.get(f"/jobs/{job.id}").text
    assert "1 of 2 reviewed" in words(page) and 'id="text-1"' not in page
    assert verdicts(job) == ["allow", "review", "allow"]
    assert "allowed (was to review) single user" in words(page)
    (undo,) = re.findall(rf'action="(/jobs/{job.id}/decisions/\d+/undo)"', page)
    assert post(undo).status_code == 303
    assert "0 of 2 reviewed" in words(client.get(f"/jobs/{job.id}").text)
    assert "undone by single user" in words(client.get(f"/jobs/{job.id}/decisions").text)
    again = post(f"/jobs/{job.id}/decisions", item="2", verdict="block")
    assert again.status_code == 303
    assert post(f"/jobs/{job.id}/decisions", item="2", verdict="allow").status_code == 409
    assert verdicts(job) == ["review", "block", "allow"]


def test_the_worst_is_first_and_each_decision_can_be_undone(client: FlaskClient, post: Posted) -> None:
    job = judged(*(0.5 + place / 100 for place in range(1, 31)))
    page = client.get(f"/jobs/{job.id}").text
    shown = re.findall(r'id="text-(\d+)"', page)
    assert shown[:3] == ["30", "29", "28"] and "The highest score first." in page
    (more,) = re.findall(r'href="([^"]*after=[^"]*)#verdicts"', page)
    following = re.findall(r'id="text-(\d+)"', client.get(more.replace("&amp;", "&")).text)
    assert following and int(following[0]) == int(shown[-1]) - 1
    for place in range(30, 22, -1):
        post(f"/jobs/{job.id}/decisions?verdict=review", item=str(place), verdict="allow")
    for left in range(7, -1, -1):  # what `U` presses is the last that is not undone
        post(re.findall(rf'action="(/jobs/{job.id}/decisions/\d+/undo)"', client.get(f"/jobs/{job.id}").text)[0])
        assert verdicts(job).count("allow") == left


def test_texts_that_say_the_same_are_decided_at_once(client: FlaskClient, post: Posted) -> None:
    job = judged(0.6, 0.6, 0.6, texts=("Go  away", "go away", "Stay"))
    page = client.get(f"/jobs/{job.id}").text
    assert "Text 1 and 1 that says the same" in words(page) and 'id="text-2"' not in page and 'id="text-3"' in page
    assert page.count('class="limit"') > 1  # the mark of the threshold
    post(f"/jobs/{job.id}/decisions", item=["1", "2"], verdict="allow")
    assert verdicts(job) == ["allow", "allow", "review"]


def test_strange_posts_change_nothing(client: FlaskClient, post: Posted) -> None:
    job = judged(0.6)
    assert post(f"/jobs/{job.id}/decisions", item="1", verdict="review").status_code == 400
    assert post(f"/jobs/{job.id}/decisions", item="99", verdict="allow").status_code == 404
    assert post(f"/jobs/{job.id}/decisions", verdict="allow").status_code == 404
    assert post(f"/jobs/{job.id}/decisions/1000000/undo").status_code == 404
    assert post(f"/jobs/{job.id}/decisions/x/undo").status_code == 404
    nap = factories.ended(factories.waiting())
    for address in ("thresholds", "decisions"):
        assert client.get(f"/jobs/{nap.id}/{address}").status_code == 404
        assert client.get(f"/jobs/nothing/{address}").status_code == 404
    assert client.get(f"/jobs/{job.id}?after=x&verdict=nothing").status_code == 404
    assert client.get(f"/jobs/{job.id}?verdict=nothing").status_code == 200
    without_token = client.post(f"/jobs/{job.id}/decisions", data={"item": "1", "verdict": "allow"})
    assert without_token.status_code == 400
    assert verdicts(job) == ["review"]


def test_many_wait_in_pages(client: FlaskClient) -> None:
    job = judged(*[0.6] * 12)
    first = client.get(f"/jobs/{job.id}").text
    assert len(re.findall('id="text-', first)) == 5
    (later,) = set(re.findall(r'href="([^"]+)">Leave these for later', first))
    second = client.get(later.replace("&amp;", "&").split("#")[0]).text
    assert re.findall('id="text-(\\d+)"', second) == ["6", "7", "8", "9", "10"]


def test_thresholds_are_set_on_their_page(client: FlaskClient, post: Posted) -> None:
    job = judged(0.6, 0.95, 0.1)
    page = client.get(f"/jobs/{job.id}/thresholds").text
    assert re.findall(r'name="category" value="([^"]+)"', page) == ["hate", "harassment/threatening", "spam"]
    assert page.count('value="0.5"') == 3 and page.count('value="0.9"') == 3
    assert 'aria-label="hate: 1 text, 1 text, 1 text, from low to high scores"' in page
    names = ["hate", "harassment/threatening", "spam"]
    wrong = post(f"/jobs/{job.id}/thresholds", category=names, review=["0,2", "0.9", "7"], block=["0.5", "0.1", ""])
    assert wrong.status_code == 422
    assert "hate: “0,2” is not a number from 0 to 1" in wrong.text and 'value="0,2"' in wrong.text
    high = post(f"/jobs/{job.id}/thresholds", category=names, review=["0.2", "0.9", "7"], block=["0.5", "1", ""])
    assert high.status_code == 422 and "or less" in high.text
    crossed = post(f"/jobs/{job.id}/thresholds", category=names, review=["0.6", "", ""], block=["0.5", "", ""])
    assert crossed.status_code == 422 and "is below the one to review" in crossed.text
    assert verdicts(job) == ["review", "block", "allow"]
    fine = post(f"/jobs/{job.id}/thresholds", category=names, review=["0.05", "", ""], block=["", "0.5", ""])
    assert (fine.status_code, fine.location) == (303, f"/jobs/{job.id}#verdicts")
    assert verdicts(job) == ["review", "review", "review"]
    assert reviews.review_status(job).thresholds["default"] == Threshold(
        review=0.5, block=0.9
    )  # for categories not shown
    after = client.get(f"/jobs/{job.id}/thresholds").text
    assert 'value="0.05"' in after
    log = words(client.get(f"/jobs/{job.id}/decisions").text)
    assert "hate 0.05 / never" in log and "to review 1 → 3" in log
    assert factories.again(job).result["verdicts"] == {"allow": 0, "review": 3, "block": 0}


def test_a_running_job_can_be_reviewed_but_keeps_its_thresholds(client: FlaskClient, post: Posted) -> None:
    job = judged(0.6, 0.7, ended=False)
    page = client.get(f"/jobs/{job.id}").text
    assert "0 of 2 reviewed" in words(page) and "Change the thresholds" not in page
    assert post(f"/jobs/{job.id}/decisions", item="1", verdict="block").status_code == 303
    assert post(f"/jobs/{job.id}/thresholds", category=["hate"], review=["0.1"], block=["1"]).status_code == 409


def test_a_job_that_observes_says_would(client: FlaskClient, post: Posted) -> None:
    job = judged(0.6, 0.95, observe_only=True)
    page = words(client.get(f"/jobs/{job.id}").text)
    assert "What would happen" in page and "Would be reviewed 1" in page and "Would be blocked 1" in page
    assert "nothing is blocked" in page and "reviewed 0" not in page
    assert 'name="verdict"' not in client.get(f"/jobs/{job.id}").text
    assert post(f"/jobs/{job.id}/decisions", item="1", verdict="allow").status_code == 409


def test_the_download_follows_what_people_did(client: FlaskClient, post: Posted) -> None:
    job = judged(0.6, 0.95, 0.1)
    post(f"/jobs/{job.id}/decisions", item="2", verdict="allow")
    post(f"/jobs/{job.id}/thresholds", category=["hate"], review=["0.05"], block=["0.6"])
    lines = client.get(f"/jobs/{job.id}/items.csv").get_data().decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(lines)))
    assert [row["verdict"] for row in rows] == ["block", "allow", "review"]
    assert [row["decided_by"] for row in rows] == ["", "single user", ""]
    jsonl = client.get(f"/jobs/{job.id}/items.jsonl").text.splitlines()
    assert [json.loads(line)["scores"]["hate"] for line in jsonl] == [0.6, 0.95, 0.1]


# The API.


def valid(client: FlaskClient, schema: str, answer: Any) -> Any:
    description = client.get("/api/v1/openapi.json").get_json()
    checked = {"$ref": f"#/components/schemas/{schema}", "components": description["components"]}
    assert [error.message for error in Draft202012Validator(checked).iter_errors(answer.get_json())] == []
    return answer.get_json()


def test_the_api_has_the_same_verbs(client: FlaskClient) -> None:
    job = judged(0.6, 0.95, 0.1)
    here = f"/api/v1/jobs/{job.id}"
    standing = valid(client, "Verdicts", client.get(f"{here}/verdicts"))
    assert standing["verdicts"] == {"allow": 1, "review": 1, "block": 1} and standing["thresholds"] == HALF
    assert (standing["changed_by"], standing["changes"], standing["to_review"]) == (None, [], 1)
    waiting = valid(client, "Items", client.get(f"{here}/items?verdict=review"))["items"]
    assert [(item["key"], item["verdict"]) for item in waiting] == [("1", "review")]
    made = client.post(f"{here}/decisions", json={"item": "1", "verdict": "block"})
    assert made.status_code == 201
    decision = valid(client, "Decision", made)
    assert (decision["before"], decision["after"], decision["decided_by"]) == ("review", "block", "single user")
    assert client.post(f"{here}/decisions", json={"item": "1", "verdict": "allow"}).status_code == 409
    changed = client.put(f"{here}/thresholds", json={"thresholds": {"hate": {"review": 0.05, "block": None}}})
    assert valid(client, "Standing", changed)["verdicts"] == {"allow": 0, "review": 2, "block": 1}
    undone = client.delete(f"{here}/decisions/{decision['id']}")
    assert valid(client, "Decision", undone)["undone_by"] == "single user"
    assert [row["id"] for row in valid(client, "Decisions", client.get(f"{here}/decisions"))["decisions"]] == [
        decision["id"]
    ]
    assert client.get(f"{here}").get_json()["result"]["verdicts"] == {"allow": 0, "review": 3, "block": 0}
    (change,) = valid(client, "Verdicts", client.get(f"{here}/verdicts"))["changes"]
    assert change["before"] == {"allow": 1, "review": 0, "block": 2}


def test_the_api_refuses_in_words(client: FlaskClient) -> None:
    job = judged(0.6)
    here = f"/api/v1/jobs/{job.id}"
    nap = f"/api/v1/jobs/{factories.ended(factories.waiting()).id}"
    for status, answer in (
        (422, client.put(f"{here}/thresholds", json={})),
        (422, client.put(f"{here}/thresholds", json={"thresholds": {"hate": {"review": 2}}})),
        (422, client.put(f"{here}/thresholds", json={"thresholds": {"nothing": {"review": 0.2}}})),
        (422, client.put(f"{here}/thresholds", json={"thresholds": [], "by": "me"})),
        (415, client.put(f"{here}/thresholds", data="x")),
        (422, client.post(f"{here}/decisions", json={"item": "1", "verdict": "maybe"})),
        (422, client.post(f"{here}/decisions", json={"item": 1, "verdict": "allow"})),
        (404, client.post(f"{here}/decisions", json={"item": "7", "verdict": "allow"})),
        (404, client.delete(f"{here}/decisions/x")),
        (404, client.get(f"{nap}/verdicts")),
        (404, client.get(f"{nap}/decisions")),
        (404, client.put(f"{nap}/thresholds", json={"thresholds": HALF})),
        (422, client.get(f"{here}/items?verdict=maybe")),
        (404, client.get("/api/v1/jobs/nothing/verdicts")),
    ):
        assert answer.status_code == status, answer.text
        assert answer.mimetype == "application/problem+json"
    assert verdicts(job) == ["review"]


# In a browser.


@pytest.mark.slow
@pytest.mark.browser
def test_a_person_reviews_with_the_keyboard(tab: Page, site: str, complaints: list[str]) -> None:
    job = judged(0.6, 0.7)
    tab.goto(f"{site}/jobs/{job.id}")
    tab.get_by_role("button", name="Block text 1").focus()
    tab.keyboard.press("Enter")
    expect(tab.get_by_text("1 of 2 reviewed")).to_be_visible()
    tab.keyboard.press("Tab")
    expect(tab.get_by_role("button", name="Allow text 2")).to_be_focused()
    tab.keyboard.press("Enter")
    expect(tab.get_by_text("2 of 2 reviewed")).to_be_visible()
    expect(tab.get_by_text("No text waits for a review.")).to_be_visible()
    tab.get_by_role("button", name="Undo").first.click()
    expect(tab.get_by_text("1 of 2 reviewed")).to_be_visible()
    assert verdicts(job) == ["block", "review"]


@pytest.mark.slow
@pytest.mark.browser
def test_axe_finds_nothing_on_these_pages(tab: Page, site: str, axe: str) -> None:
    job = judged(0.6, 0.7, 0.95)
    reviews.decide_item(job.id, "1", "allow", owner=LOCAL_OWNER, by="ann")
    reviews.set_thresholds(job.id, {"hate": {"review": 0.1, "block": 0.8}}, owner=LOCAL_OWNER, by="ann")
    for address in ("", "?verdict=block", "/thresholds", "/decisions"):
        tab.goto(f"{site}/jobs/{job.id}{address}")
        assert violations(tab, axe) == [], address


def test_without_javascript_all_of_it_is_there(app: Flask, client: FlaskClient) -> None:
    job = judged(0.6)
    page = client.get(f"/jobs/{job.id}").text
    (form,) = re.findall(rf'<form class="actions" action="/jobs/{job.id}/decisions.*?</form>', page, re.S)
    assert 'method="post"' in form and form.count("<button") == 2 and "csrf_token" in form

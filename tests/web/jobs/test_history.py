"""The list of jobs, and what the buttons of a job do."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask.testing import FlaskClient

from jobs.engine.db import records
from jobs.engine.errors import NotFound
from jobs.engine.queue import commands, lists, queries, schedules
from tests.web import factories
from webapp.http.guards import LOCAL_OWNER
from webapp.jobs import history
from webapp.ui import words


@pytest.fixture
def press(client: FlaskClient) -> Any:
    token = re.findall(r'name="csrf_token" value="([^"]*)"', client.get("/jobs").text)[0]
    return lambda address, **fields: client.post(address, data={"csrf_token": token, **fields})


def rows(text: str) -> list[str]:
    return re.findall(r'<tr id="job-([^"]*)"', text)


def test_an_empty_list_says_how_to_start(client: FlaskClient) -> None:
    assert "No jobs yet" in client.get("/jobs").text
    assert "No job matches" in client.get("/jobs?state=failed").text


def test_jobs_are_listed_the_newest_first_with_state_and_progress(client: FlaskClient) -> None:
    first = factories.ended(factories.waiting(), outcomes=factories.outcomes(done=2), total=2, whole=True)
    second, _ = factories.running(factories.waiting(), total=1204, outcomes=factories.outcomes(done=756))
    text = client.get("/jobs").text
    assert rows(text)[:2] == [str(second.id), str(first.id)]
    assert "756 of 1,204 naps" in text and "2 of 2 naps" in text


def test_filters_stand_in_the_address(client: FlaskClient) -> None:
    failed = factories.ended(factories.waiting(), "failed", reason="x", message="The oven is cold.")
    other = factories.waiting("questions", word="needle", side="left")
    assert str(failed.id) in rows(client.get("/jobs?state=failed").text)
    assert str(other.id) not in rows(client.get("/jobs?state=failed").text)
    assert rows(client.get("/jobs?q=needle").text) == [str(other.id)]
    assert rows(client.get("/jobs?kind=questions&state=waiting").text) == [str(other.id)]
    assert 'href="/jobs?state=failed&amp;q=needle"' in client.get("/jobs?q=needle").text


def test_a_search_looks_at_some_jobs_a_page_and_then_at_older_ones(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = factories.waiting("questions", word="faraway", side="left")
    for _ in range(5):
        factories.waiting()
    monkeypatch.setattr(lists, "SEARCHED", 4)
    page = client.get("/jobs?q=faraway").text
    assert rows(page) == [] and "No job matches" in page
    older = html.unescape(re.findall(r'href="([^"]*)">Search older jobs', page)[0])
    page = client.get(older).text
    assert rows(page) == [str(found.id)]
    assert lists.job_counts(LOCAL_OWNER, q="faraway")["waiting"] == 0
    monkeypatch.setattr(lists, "SEARCHED", 6)
    assert lists.job_counts(LOCAL_OWNER, q="faraway")["waiting"] == 1
    assert lists.list_jobs(LOCAL_OWNER, q="faraway").rows[0].id == found.id
    before = lists.list_jobs(LOCAL_OWNER, q="faraway", before=str(UUID(int=0)), limit=1)
    assert [job.id for job in before.rows] == [found.id]


def test_counts_stop_somewhere_and_say_so(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "COUNT_CAP", 3)
    monkeypatch.setattr(records, "COUNT_CAP", 3)
    for _ in range(5):
        factories.waiting("questions", word="many", side="left")
    page = client.get("/jobs?kind=questions").text
    assert re.search(r"Waiting\s*<b>3\+</b>", page)


@pytest.mark.parametrize("query", ["state=nonsense", "kind=../x", "q=%25%5C_%00", "state=<script>", "q=" + "x" * 5000])
def test_a_filter_that_is_none_does_no_harm(client: FlaskClient, query: str) -> None:
    answer = client.get(f"/jobs?{query}")
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text


def test_pages_follow_each_other(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "PAGE", 2)
    made = [factories.waiting("questions", word=f"page {n}", side="left") for n in range(5)][::-1]
    text = client.get("/jobs?q=page").text
    assert rows(text) == [str(job.id) for job in made[:2]]
    older = re.search(r'href="([^"]*)">Older', text)
    assert older
    text = client.get(older[1].replace("&amp;", "&")).text
    assert rows(text) == [str(job.id) for job in made[2:4]]
    newer = re.search(r'href="([^"]*)">Newer', text)
    assert newer
    assert rows(client.get(newer[1].replace("&amp;", "&")).text) == [str(job.id) for job in made[:2]]
    assert client.get("/jobs?after=nonsense").status_code == 404


def test_the_live_part_is_a_fragment(client: FlaskClient) -> None:
    text = client.get("/jobs?state=failed", headers={"HX-Request": "true"}).text
    assert "<html" not in text and 'hx-get="/jobs?state=failed"' in text


def test_stop_leads_back_to_the_job_also_when_it_has_ended(client: FlaskClient, press: Any) -> None:
    job = factories.waiting()
    answer = press(f"/jobs/{job.id}/cancel")
    assert (answer.status_code, answer.location) == (303, f"/jobs/{job.id}")
    assert factories.again(job).state == "cancelled"
    done = factories.ended(factories.waiting())
    assert press(f"/jobs/{done.id}/cancel").status_code == 303
    assert factories.again(done).state == "succeeded"


def test_retry_takes_all_or_only_what_failed(press: Any) -> None:
    job = factories.ended(
        factories.waiting(), "partial", outcomes=factories.outcomes(done=2, failed=1), total=3, whole=True
    )
    assert press(f"/jobs/{job.id}/retry", items="failed").status_code == 303
    kept = factories.again(job)
    assert (kept.state, kept.done, kept.failed) == ("queued", 2, 0)
    job = factories.ended(factories.waiting(), "failed", outcomes=factories.outcomes(failed=1), total=1, whole=True)
    press(f"/jobs/{job.id}/retry", items="all")
    assert factories.again(job).done == 0 and factories.again(job).state == "queued"


@pytest.mark.parametrize("how", ["retry", "whole"])
def test_a_retry_of_a_job_whose_secret_is_gone_leads_to_its_form(client: FlaskClient, press: Any, how: str) -> None:
    job = factories.ended(factories.waiting("whisper", sample=1, secret="hunter22"), "failed")
    answer = press(f"/jobs/{job.id}/{how}")
    assert (answer.status_code, answer.location) == (303, f"/kinds/whisper?from={job.id}")
    page = client.get(answer.location).text
    assert "Enter it again" in page and "hunter22" not in page and "•••" not in page
    assert client.post(f"/api/v1/jobs/{job.id}/retry").status_code == 409


def test_a_retry_that_cannot_be_is_a_page_with_the_reason(press: Any) -> None:
    job, _ = factories.running(factories.waiting())
    answer = press(f"/jobs/{job.id}/retry")
    assert answer.status_code == 409
    assert "stop it first" in answer.text


def test_all_of_a_try_is_started_once(press: Any) -> None:
    tried = factories.ended(factories.waiting("questions", sample=2, word="w", side="left"), total=2)
    first, second = press(f"/jobs/{tried.id}/whole"), press(f"/jobs/{tried.id}/whole")
    assert first.location == second.location
    whole = queries.job(first.location.rsplit("/", 1)[1], LOCAL_OWNER)
    assert whole.sample is None and whole.parent == tried.id and whole.params == tried.params


def test_delete_asks_first_and_then_does_it(client: FlaskClient, press: Any) -> None:
    job = factories.ended(factories.waiting())
    assert "Delete this job?" in client.get(f"/jobs/{job.id}/delete").text
    assert press(f"/jobs/{job.id}/delete").location == "/jobs"
    with pytest.raises(NotFound):
        factories.again(job)
    running, _ = factories.running(factories.waiting())
    assert press(f"/jobs/{running.id}/delete").status_code == 409


@pytest.mark.parametrize("verb", ["cancel", "retry", "delete", "whole"])
def test_what_changes_something_needs_its_token_and_its_job(client: FlaskClient, press: Any, verb: str) -> None:
    job = factories.waiting()
    assert client.post(f"/jobs/{job.id}/{verb}").status_code == 400
    assert factories.again(job).state == "queued"
    assert press(f"/jobs/{uuid4()}/{verb}").status_code == 404


def test_the_list_is_narrowed_by_who_started_it_and_since_when(client: FlaskClient) -> None:
    plan = schedules.SchedulePlan("nap", {"naps": 1}, "0 6 * * 1", "UTC")
    schedule = commands.create_schedule(plan, owner=LOCAL_OWNER)
    ours = commands.run_schedule(schedule.id, owner=LOCAL_OWNER, key="by a schedule")
    theirs = factories.waiting("questions", word="narrowed", side="left")

    def listed(query: str) -> set[str]:
        return set(re.findall(r'id="job-([^"]+)"', client.get(f"/jobs?{query}").text))

    assert listed("by=schedule") == {str(ours.id)}
    assert str(theirs.id) in listed("by=person") and str(ours.id) not in listed("by=person")
    today, tomorrow = words.now().date(), words.now().date() + timedelta(days=1)
    assert listed(f"since={today}") >= {str(ours.id), str(theirs.id)} and not listed(f"since={tomorrow}")
    assert listed("q=kind:questions+narrowed") == {str(theirs.id)} == listed("q=narrowed+by:person")
    assert listed("q=kind:questions+by:schedule") == set() == listed("q=kind:nobody+narrowed")
    assert listed("since=never&by=nobody") == listed("")


def test_a_pinned_job_is_kept(client: FlaskClient, press: Any) -> None:
    job = factories.ended(factories.waiting())
    assert press(f"/jobs/{job.id}/pin").status_code == 303
    page = client.get(f"/jobs/{job.id}").text
    assert ">pinned<" in page and "Delete…" not in page and "/unpin" in page
    assert press(f"/jobs/{job.id}/delete").status_code == 409
    assert factories.again(job).pinned
    press(f"/jobs/{job.id}/unpin")
    assert press(f"/jobs/{job.id}/delete").status_code == 303
    assert press(f"/jobs/{uuid4()}/pin").status_code == 404


def test_a_view_is_saved_under_a_name_and_forgotten(client: FlaskClient) -> None:
    page = client.get("/jobs?state=failed&q=oven").text
    token = re.findall(r'name="csrf_token" value="([^"]*)"', page)[0]
    named = {"csrf_token": token, "state": "failed", "q": "oven", "name": "Cold <b>ovens</b>"}
    answer = client.post("/jobs/views", data=named)
    assert answer.status_code == 303 and answer.location == "/jobs?state=failed&q=oven"
    page = client.get("/jobs").text
    assert '<a href="/jobs?state=failed&amp;q=oven">Cold &lt;b&gt;ovens&lt;/b&gt;</a>' in page
    client.post("/jobs/views", data={"csrf_token": token, "forget": "Cold <b>ovens</b>"})
    assert "Cold" not in client.get("/jobs").text
    client.set_cookie("views", '{"a": 1, "b": "state=failed&x=<script>", "c": ')
    assert client.get("/jobs").status_code == 200

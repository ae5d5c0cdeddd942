"""One thing done to many jobs: from the list, with the number asked first, as a job that says what it left alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient

from jobs.engine.errors import InvalidParams, NotFound
from jobs.engine.kinds import catalogue, checks
from jobs.engine.queue import commands, lists, pauses, queries
from tests.engine import workers
from tests.web import factories
from webapp.http.guards import LOCAL_OWNER
from webapp.ui import words


@pytest.fixture(scope="module")
def standing_workers(app: Flask) -> Iterator[None]:
    with workers.running("--processes", "1", "--queues", "io"):
        yield


@pytest.fixture
def press(client: FlaskClient) -> Any:
    token = re.findall(r'name="csrf_token" value="([^"]*)"', client.get("/jobs").text)[0]
    return lambda **fields: client.post("/jobs/bulk", data={"csrf_token": token, **fields})


def followed(answer: Any) -> Any:
    """The bulk job that an answer leads to, when it has ended."""
    assert answer.status_code == 303
    return workers.ended(queries.job(answer.location.rsplit("/", 1)[1], LOCAL_OWNER))


def said(job: Any) -> list[tuple[str, str]]:
    return [(row.state, row.error or row.output["outcome"]) for row in queries.items(job).rows]


def failed(**params: Any) -> Any:
    return factories.ended(
        factories.waiting(**params), "partial", outcomes=factories.outcomes(done=1, failed=1), total=2
    )


def test_the_kind_is_not_offered(client: FlaskClient) -> None:
    assert "bulk_jobs" not in [kind.name for kind in catalogue.kinds()]
    assert "bulk_jobs" not in client.get("/").text
    assert "bulk_jobs" not in client.get("/api/v1/openapi.json").text
    assert client.get("/kinds/bulk_jobs").status_code == 404
    assert client.get("/api/v1/kinds/bulk_jobs").status_code == 404
    assert client.post("/api/v1/kinds/bulk_jobs/jobs", json={"action": "stop", "all": True}).status_code == 404


@pytest.mark.slow
def test_failed_items_are_retried_and_the_rest_is_left_alone(press: Any, standing_workers: None) -> None:
    one, sound = failed(), factories.ended(factories.waiting(), outcomes=factories.outcomes(done=1), total=1)
    bulk = followed(press(action="retry_failed", job=[str(one.id), str(sound.id), str(uuid4())]))
    assert said(bulk) == [
        ("done", "queued again"),
        ("skipped", "It has no failed items."),
        ("skipped", "It no longer exists."),
    ]
    assert (bulk.state, bulk.label) == ("succeeded", "Retry failed items: 3 jobs")
    assert (factories.again(one).state, factories.again(one).done) == ("queued", 1)


def test_delete_asks_with_the_number_first(client: FlaskClient, press: Any, standing_workers: None) -> None:
    jobs = [factories.ended(factories.waiting()) for _ in range(3)]
    ids = [str(job.id) for job in jobs]
    asked = press(action="delete", job=ids)
    assert asked.status_code == 200 and "Delete 3 jobs?" in asked.text
    assert factories.again(jobs[0]).ended
    key = re.findall(r'name="key" value="([^"]*)"', asked.text)[0]
    answer = press(action="delete", job=ids, sure="1", key=key)
    assert press(action="delete", job=ids, sure="1", key=key).location == answer.location
    bulk = followed(answer)
    assert said(bulk) == [("done", "deleted")] * 3
    for job in jobs:
        with pytest.raises(NotFound):
            factories.again(job)
    assert client.get(f"/jobs/{bulk.id}").status_code == 200


def test_all_that_match_are_taken_and_no_others(client: FlaskClient, press: Any, standing_workers: None) -> None:
    needles = [factories.waiting("questions", word=f"needle{n}", side="left") for n in range(3)]
    hay = factories.waiting("questions", word="hay", side="left")
    text = client.get("/jobs?q=needle&state=waiting&all=1").text
    assert "All 3 that match" in text and text.count("checked disabled") == 3
    answer = press(action="stop", all="1", q="needle", state="waiting", kind="questions")
    assert "q=needle" in answer.location and "A stop is requested for 3 jobs." in client.get(answer.location).text
    assert {factories.again(job).state for job in needles} == {"cancelled"}
    assert factories.again(hay).state == "queued"


@pytest.mark.parametrize("fields", [{"action": "stop"}, {"job": "x"}, {"action": "explode", "job": "x"}])
def test_nothing_chosen_is_said(press: Any, fields: dict[str, str]) -> None:
    assert press(**fields).status_code == 422


def test_a_job_that_is_somebody_elses_is_not_there(client: FlaskClient, press: Any, standing_workers: None) -> None:
    other = commands.submit("nap", {}, owner="somebody")
    assert "None of these jobs can be stopped" in client.get(press(action="stop", job=[str(other.id)]).location).text
    assert queries.job(other.id, "somebody").state == "queued"
    assert said(followed(press(action="retry", job=[str(other.id)]))) == [("skipped", "It no longer exists.")]


def test_a_stop_of_many_waits_for_no_queue(press: Any) -> None:
    """With no worker, and with their queue paused: what waits is stopped at once, what runs is asked to stop."""
    waits, later = factories.waiting(), commands.submit("nap", {}, owner=LOCAL_OWNER, run_at=words.now() + timedelta(1))
    runs, _ = factories.running(factories.waiting())
    ended = factories.ended(factories.waiting())
    pauses.pause("cpu", owner=LOCAL_OWNER)
    try:
        assert press(action="stop", job=[str(job.id) for job in (waits, later, runs, ended)]).status_code == 303
    finally:
        pauses.resume("cpu", owner=LOCAL_OWNER)
    states = [factories.again(job).state for job in (waits, later, runs, ended)]
    assert states == ["cancelled", "cancelled", "stopping", "succeeded"]
    more = [factories.waiting() for _ in range(3)]
    press(action="stop", all="1", kind="nap", since="2020-01-01")
    assert {factories.again(job).state for job in more} == {"cancelled"}


def test_its_params_are_judged() -> None:
    for wrong in ({"action": "stop"}, {"action": "stop", "all": True, "states": ["nonsense"]}, {"action": "burn"}):
        with pytest.raises(InvalidParams):
            checks.validate("bulk_jobs", wrong, owner=LOCAL_OWNER)


def test_it_needs_its_token(client: FlaskClient) -> None:
    job = factories.waiting()
    assert client.post("/jobs/bulk", data={"action": "stop", "job": str(job.id)}).status_code == 400
    assert factories.again(job).state == "queued"


def test_a_second_run_starts_with_the_same_jobs(standing_workers: None) -> None:
    jobs = [failed() for _ in range(2)]
    params = {"action": "retry_failed", "jobs": [str(job.id) for job in jobs]}
    bulk = workers.ended(commands.submit("bulk_jobs", params, owner=LOCAL_OWNER))
    commands.retry(bulk.id, owner=LOCAL_OWNER)
    again = workers.ended(bulk)
    assert (again.done, again.skipped, again.total) == (0, 2, 2)
    assert {text for _, text in said(again)} == {"This job has not ended yet; stop it first."}


def test_jobs_are_run_again_with_their_params_and_names(standing_workers: None, press: Any) -> None:
    jobs = [factories.waiting("questions", word=word, side="left") for word in ("first again", "other again")]
    bulk = followed(press(action="again", job=[str(job.id) for job in jobs]))
    assert [text for _, text in said(bulk)] == ["started again"] * 2
    copies = [job for job in lists.list_jobs(LOCAL_OWNER, kind="questions", q="again").rows if job.parent]
    assert {(job.parent, job.label, job.params["word"]) for job in copies} == {
        (job.id, job.label, job.params["word"]) for job in jobs
    }
    twice = followed(press(action="again", job=[str(bulk.id)]))
    assert [text for _, text in said(twice)] == ["Changes of many jobs are not run again."]

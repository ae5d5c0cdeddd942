"""The pages and the API of schedules."""

from __future__ import annotations

import html
import re
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient

from jobs.engine.errors import InvalidParams, NotFound
from jobs.engine.queue import commands, schedules
from jobs.engine.queue.schedules import SchedulePlan
from tests.web import factories
from webapp.http.guards import LOCAL_OWNER
from webapp.schedules import cron_words

API = "/api/v1/schedules"


@pytest.fixture
def press(client: FlaskClient) -> Any:
    token = re.findall(r'name="csrf_token" value="([^"]*)"', client.get("/schedules").text)[0]
    return lambda address, **fields: client.post(address, data={"csrf_token": token, **fields})


def made(cron: str = "0 6 * * 1-5", **params: Any) -> Any:
    return commands.create_schedule(SchedulePlan("nap", params, cron, "Europe/Berlin"), owner=LOCAL_OWNER)


def again(schedule: Any) -> Any:
    return schedules.schedule(schedule.id, LOCAL_OWNER)


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("0 * * * *", "Every hour, on the hour"),
        ("5 * * * *", "Every hour at minute 5"),
        ("0 6 * * *", "Every day at 06:00"),
        ("30 17 * * 1-5", "Every weekday at 17:30"),
        ("0 6 * * 1", "Every Monday at 06:00"),
        ("0 6 * * 7", "Every Sunday at 06:00"),
        ("0 6 3 * *", "Every month on day 3 at 06:00"),
        ("0 6 L * *", "Every month on its last day at 06:00"),
        ("0 6 31 * *", "By the cron expression 0 6 31 * *"),
        ("*/5 9-17 * * 1-5", "By the cron expression */5 9-17 * * 1-5"),
        ("0 6 3 * 1", "By the cron expression 0 6 3 * 1"),
    ],
)
def test_a_cron_line_has_its_words_and_its_choices(cron: str, words: str) -> None:
    assert cron_words.in_words(cron) == words
    assert cron_words.cron_of(cron_words.chosen_of(cron)) == cron.replace("* * 7", "* * 0")


@pytest.mark.parametrize(
    ("chosen", "field"),
    [
        ({"every": "hour", "minute": "60"}, "minute"),
        ({"every": "hour", "minute": "١"}, "minute"),
        ({"every": "day", "day_at": "25:00"}, "day_at"),
        ({"every": "week", "week_on": "9"}, "week_on"),
        ({"every": "month", "month_on": ""}, "month_on"),
        ({"every": "blue moon"}, "every"),
    ],
)
def test_a_choice_that_is_none_is_named(chosen: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidParams) as refused:
        cron_words.cron_of(cron_words.BLANK | chosen)
    assert refused.value.errors[0].field == field


def test_without_schedules_the_page_says_how_to_make_one(client: FlaskClient) -> None:
    assert "No schedules yet" in client.get("/schedules").text


def test_a_job_is_repeated_from_its_page(client: FlaskClient, press: Any) -> None:
    job = factories.ended(factories.waiting(naps=4))
    assert f"/schedules/new?job={job.id}" in client.get(f"/jobs/{job.id}").text
    assert "Schedule Nap" in client.get(f"/schedules/new?job={job.id}").text
    look = press("/schedules", job=job.id, every="day", day_at="06:30", zone="Asia/Tokyo", look="1")
    assert look.status_code == 200 and look.text.count("<li><time") == 3 and schedules.list_schedules(LOCAL_OWNER) == []
    answer = press("/schedules", job=job.id, every="day", day_at="06:30", zone="Asia/Tokyo")
    assert answer.status_code == 303
    (schedule,) = schedules.list_schedules(LOCAL_OWNER)
    assert (schedule.kind, schedule.cron, schedule.zone) == ("nap", "30 6 * * *", "Asia/Tokyo")
    assert schedule.params == job.params
    text = client.get(answer.location).text
    assert "Every day at 06:30" in text and "It has not run yet." in text
    assert "Every day at 06:30" in client.get("/schedules").text


def test_a_schedule_of_a_job_with_a_secret_asks_for_it(client: FlaskClient, press: Any) -> None:
    job = commands.submit("whisper", {"secret": "hunter22"}, owner=LOCAL_OWNER)
    times = {"job": job.id, "every": "day", "day_at": "06:30", "zone": "UTC"}
    assert 'name="secret-secret"' in client.get(f"/schedules/new?job={job.id}").text
    without = press("/schedules", **times)
    assert (without.status_code, "Enter it again" in without.text) == (422, True)
    assert '<a href="#t-secret-secret">' in without.text and 'id="t-secret-secret"' in without.text
    assert 'aria-describedby="e-secret-secret ' in without.text and 'id="e-secret-secret"' in without.text
    assert press("/schedules", **times, **{"secret-secret": "hunter22"}).status_code == 303
    (schedule,) = [one for one in schedules.list_schedules(LOCAL_OWNER) if one.kind == "whisper"]
    assert schedule.sealed and "hunter22" not in str([schedule.params, schedule.sealed])


def test_what_was_typed_comes_back_with_the_reason(client: FlaskClient, press: Any) -> None:
    job = factories.waiting()
    answer = press("/schedules", job=job.id, every="cron", cron="every <day>", zone="Mars/Olympus")
    assert answer.status_code == 422
    assert "every &lt;day&gt;" in answer.text and "There is no time zone" in answer.text
    answer = press("/schedules", job=job.id, every="cron", cron="every <day>", zone="UTC")
    assert "Write five fields" in answer.text and 'aria-describedby="e-cron"' in answer.text
    assert press("/schedules", job=uuid4(), every="day").status_code == 404


def test_a_schedule_is_paused_resumed_changed_and_deleted(client: FlaskClient, press: Any) -> None:
    schedule = made()
    here = f"/schedules/{schedule.id}"
    assert press(f"{here}/pause").location == here
    assert again(schedule).paused_at and "None while paused" in client.get(here).text
    press(f"{here}/resume")
    assert again(schedule).paused_at is None
    assert press(f"{here}/times", every="hour", minute="61").status_code == 422
    press(f"{here}/times", every="hour", minute="15", zone="UTC")
    assert (again(schedule).cron, again(schedule).zone) == ("15 * * * *", "UTC")
    assert "Delete this schedule?" in client.get(f"{here}/delete").text
    assert press(f"{here}/delete").location == "/schedules"
    with pytest.raises(NotFound):
        again(schedule)


def test_run_now_twice_is_one_job_and_stands_in_the_history(client: FlaskClient, press: Any) -> None:
    schedule = made()
    here = f"/schedules/{schedule.id}"
    key = re.findall(r'name="key" value="([^"]*)"', client.get(here).text)[0]
    first, second = press(f"{here}/run", key=key), press(f"{here}/run", key=key)
    assert first.location == second.location
    job = first.location.rsplit("/", 1)[1]
    assert f'<tr id="job-{job}"' in client.get(here).text
    assert f'href="{here}"' in client.get(first.location).text


@pytest.mark.parametrize("verb", ["pause", "resume", "run", "times", "delete"])
def test_what_changes_something_needs_its_token_and_its_schedule(client: FlaskClient, press: Any, verb: str) -> None:
    schedule = made()
    assert client.post(f"/schedules/{schedule.id}/{verb}").status_code == 400
    assert press(f"/schedules/{uuid4()}/{verb}").status_code == 404
    assert again(schedule).paused_at is None


def test_the_api_makes_changes_runs_and_deletes_one(client: FlaskClient) -> None:
    answer = client.post(API, json={"kind": "nap", "params": {"naps": 2}, "cron": "0 6 * * *", "zone": "Europe/Berlin"})
    assert answer.status_code == 201
    made = answer.get_json()
    assert made["url"] == answer.headers["Location"] and len(made["next_runs"]) == 3
    assert client.get(made["url"]).get_json() == made
    assert made["id"] in [one["id"] for one in client.get(API).get_json()["schedules"]]
    paused = client.patch(made["url"], json={"paused": True}).get_json()
    assert paused["paused"] is True and paused["next_runs"] == []
    first = client.post(f"{made['url']}/run", headers={"Idempotency-Key": "k"})
    second = client.post(f"{made['url']}/run", headers={"Idempotency-Key": "k"})
    assert first.status_code == 202 and first.get_json()["id"] == second.get_json()["id"]
    assert first.get_json()["schedule"] == made["id"]
    assert client.delete(made["url"]).status_code == 204
    assert client.get(made["url"]).status_code == 404


def test_the_api_repeats_a_job(client: FlaskClient) -> None:
    job = factories.waiting(naps=7)
    made = client.post(API, json={"job": str(job.id), "cron": "0 6 * * *"}).get_json()
    assert (made["kind"], made["params"]["naps"], made["zone"]) == ("nap", 7, "UTC")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "cron"),
        ({"cron": "0 6 * * *"}, "job"),
        ({"kind": "nap", "job": "x", "cron": "0 6 * * *"}, "job"),
        ({"kind": "nap", "params": {"naps": -1}, "cron": "0 6 * * *"}, "naps"),
        ({"kind": "nap", "params": [], "cron": "0 6 * * *"}, "params"),
        ({"kind": "nap", "cron": 6}, "cron"),
        ({"kind": "nap", "cron": "0 6 * * *", "owner": "root"}, "owner"),
        ({"kind": "nap", "cron": "nonsense"}, "cron"),
        ({"kind": "nap", "cron": "0 6 * * *", "zone": "nowhere"}, "zone"),
    ],
)
def test_the_api_names_what_does_not_fit(client: FlaskClient, body: dict[str, Any], field: str) -> None:
    answer = client.post(API, json=body)
    assert answer.status_code == 422
    assert field in [error["field"] for error in answer.get_json()["errors"]]


def test_the_api_takes_no_change_it_does_not_know(client: FlaskClient) -> None:
    schedule = made()
    for body in ({"next_at": "2020-01-01"}, {"paused": "yes"}, {"cron": "x"}):
        assert client.patch(f"{API}/{schedule.id}", json=body).status_code == 422
    assert client.patch(f"{API}/{uuid4()}", json={"paused": True}).status_code == 404
    assert client.post(f"{API}/{schedule.id}/run", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_a_form_is_repeated_without_a_job_before(client: FlaskClient, press: Any) -> None:
    filled = {"naps": "4", "seconds": "0.5", "witness": '<"&>', "_name": "Nights", "_zone": "Asia/Tokyo"}
    assert 'formaction="/kinds/nap/repeat"' in client.get("/kinds/nap").text
    assert press("/kinds/nap/repeat", **filled | {"naps": "many"}).status_code == 422
    asked = press("/kinds/nap/repeat", **filled)
    sent = {name: html.unescape(value) for name, value in re.findall(r'name="(kind|_\w+)" value="([^"]*)"', asked.text)}
    assert (asked.status_code, sent["kind"], "Asia/Tokyo" in asked.text) == (200, "nap", True)
    back = press("/kinds/nap", json="1", **sent)
    assert 'value="0.5"' in back.text and "&lt;&#34;&amp;&gt;" in back.text
    before = len(schedules.list_schedules(LOCAL_OWNER))
    times = {"every": "day", "day_at": "02:30", "zone": "Asia/Tokyo"}
    assert press("/schedules", **sent, **times, look="1").status_code == 200
    assert press("/schedules", **sent, **times | {"day_at": "9"}).status_code == 422
    for odd in ("no", "5", '["x"]', '[{"channel": "mail"}]', "[" * 9_000):
        assert press("/schedules", **sent | {"_pasted": "no"}, **times).status_code == 404
        assert press("/schedules", **sent | {"_notify": odd}, **times).status_code == 404
    inside = '[{"channel": "webhook", "target": "http://127.0.0.1/"}]'
    assert press("/schedules", **sent | {"_notify": inside}, **times).status_code in (400, 422)
    assert len(schedules.list_schedules(LOCAL_OWNER)) == before
    made_one = schedules.schedule(press("/schedules", **sent, **times).location.rsplit("/", 1)[1], LOCAL_OWNER)
    assert (made_one.cron, made_one.params["naps"], made_one.params["witness"]) == ("30 2 * * *", 4, '<"&>')
    assert made_one.label == "Nights"

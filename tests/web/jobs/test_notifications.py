"""Being told when a job has ended: the fields of the form, the timeline, the API, the page on signatures."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from jobs.engine.queue import lists, notifications, queries
from tests.web import factories
from webapp.http.guards import LOCAL_OWNER

HOOK = "https://hook.example.org/a"


@pytest.fixture
def submit(client: FlaskClient) -> Any:
    token = re.findall(r'name="csrf_token" value="([^"]*)"', client.get("/kinds/nap").text)[0]
    return lambda **fields: client.post("/kinds/nap", data={"csrf_token": token, "naps": "2", **fields})


def told(job: Any) -> set[tuple[str, str]]:
    return {(one.channel, one.target) for one in notifications.notifications_of(job)}


def job_at(address: str) -> Any:
    return queries.job(address.rsplit("/", 1)[1], LOCAL_OWNER)


def test_the_form_takes_a_mail_and_an_address(client: FlaskClient, submit: Any) -> None:
    job = job_at(submit(_mail=" amara@example.org ", _webhook=HOOK).location)
    assert told(job) == {("mail", "amara@example.org"), ("webhook", HOOK)}
    again = client.get(f"/kinds/nap?from={job.id}").text
    assert 'value="amara@example.org"' in again and HOOK in again
    assert told(job_at(submit().location)) == set()


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("_mail", "nobody<b>", "nobody&lt;b&gt;"),
        ("_webhook", "ftp://x", "must begin with https://"),
        ("_webhook", "http://169.254.169.254/", "inside this machine"),
    ],
)
def test_what_is_no_address_is_said_at_its_field(submit: Any, field: str, value: str, sentence: str) -> None:
    before = len(lists.list_jobs(LOCAL_OWNER).rows)
    answer = submit(**{field: value})
    assert answer.status_code == 422
    assert sentence in answer.text and f'aria-describedby="e-tell{field.replace("_", "-")} tell-help"' in answer.text
    assert len(lists.list_jobs(LOCAL_OWNER).rows) == before


def test_the_timeline_has_each_try(client: FlaskClient) -> None:
    answer = client.post("/api/v1/kinds/nap/jobs?notify_mail=amara@example.org", json={})
    job = factories.ended(queries.job(answer.get_json()["id"], LOCAL_OWNER))
    notifications.send_due()
    text = client.get(f"/jobs/{job.id}/timeline").text
    assert "Mail" in text and "amara@example.org: handed to the outbox" in text


def test_the_api_names_an_address_that_is_none(client: FlaskClient) -> None:
    answer = client.post("/api/v1/kinds/nap/jobs?notify_webhook=nowhere", json={})
    assert answer.status_code == 422
    assert answer.get_json()["errors"][0]["field"] == "webhook"


def test_the_page_says_how_to_check_a_request(client: FlaskClient) -> None:
    text = client.get("/webhooks").text
    assert notifications.webhook_secret() in text and "hmac.compare_digest" in text

"""What each operation of the API does: its body, its address, and the headers of what was made."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.web.jobs.test_api import assert_problem
from webapp.api.operation import operation_of
from webapp.api.records import Body


def operations(app: Flask) -> Iterator[tuple[str, str, Any]]:
    """The rule, the method and the view of each operation."""
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/api/v1/"):
            (method,) = (rule.methods or set()) - {"HEAD", "OPTIONS"}
            yield rule.rule, method, app.view_functions[rule.endpoint]


@pytest.mark.parametrize(
    ("body", "content_type"), [('{"strange": 1}', "application/json"), ("{", "application/json"), ("x", "text/plain")]
)
def test_a_wrong_body_for_a_record_that_is_not_there_is_not_found(
    app: Flask, client: FlaskClient, body: str, content_type: str
) -> None:
    tried = 0
    for rule, method, view in operations(app):
        taken = operation_of(view).body
        if isinstance(taken, type) and issubclass(taken, Body) and "<" in rule:
            address = re.sub(r"<\w+>", str(uuid4()), rule)
            assert_problem(client.open(address, method=method, data=body, content_type=content_type), 404)
            tried += 1
    assert tried >= 7
    assert_problem(client.post("/api/v1/kinds/nothing/jobs", data=body, content_type=content_type), 404)


def test_each_view_takes_its_address_and_its_body(app: Flask) -> None:
    for rule, _, view in operations(app):
        taken = operation_of(view).body
        body = {"body"} if isinstance(taken, type) and issubclass(taken, Body) else set()
        assert set(inspect.signature(view).parameters) == set(re.findall(r"<(\w+)>", rule)) | body, rule


def test_what_was_made_says_where_it_is(client: FlaskClient) -> None:
    plan = {"kind": "nap", "cron": "0 6 * * *"}
    for made in (
        client.post("/api/v1/schedules", json=plan),
        client.post("/api/v1/chat", json={"title": "Shoes"}),
        client.post("/api/v1/kinds/nap/jobs", json={}),
    ):
        assert made.headers["Location"] == made.get_json()["url"]
        assert client.get(made.headers["Location"]).get_json()["id"] == made.get_json()["id"]


def test_a_job_that_has_ended_need_not_be_asked_for_again(client: FlaskClient) -> None:
    job = client.post("/api/v1/kinds/nap/jobs", json={})
    assert job.headers["Retry-After"] == "1"
    ended = client.post(f"{job.headers['Location']}/cancel")
    assert ended.status_code == 202 and "Retry-After" not in ended.headers

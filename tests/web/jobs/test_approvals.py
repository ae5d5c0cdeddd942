"""The question of an agent on its job's page, and in the API: shown with its arguments, answered once, by its owner."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect
from sqlalchemy import text

from jobs.engine.db import postgres
from jobs.engine.errors import ApprovalNeeded, ApprovalQuestion
from jobs.engine.queue import approvals, commands
from tests.web import factories
from webapp.http.guards import LOCAL_OWNER

ARGUMENTS = {"url": "https://example.org/<script>alert(1)</script>", "times": 2}

Posted = Callable[..., Any]


def asking(count: int = 1) -> tuple[Any, list[Any]]:
    """A job that waits with so many calls, and its questions."""
    job, claim = factories.running(factories.waiting())
    questions = [ApprovalQuestion(uuid4().hex, "fetch_page", ARGUMENTS) for _ in range(count)]
    with postgres.session() as session:
        assert approvals.ask_approval(session.connection(), claim, ApprovalNeeded(questions, 24))
    return factories.again(job), approvals.approvals_of(job)


@pytest.fixture
def post(client: FlaskClient) -> Posted:
    def posted(job: Any, asked: Any, **fields: str) -> Any:
        page = client.get(f"/jobs/{job.id}").text
        token = re.findall(r'name="csrf_token" value="([^"]+)"', page)[0]
        return client.post(f"/jobs/{job.id}/approvals/{asked.id}", data={"csrf_token": token, **fields})

    return posted


def test_the_page_shows_the_call_and_asks(client: FlaskClient) -> None:
    job, (asked,) = asking()
    page = client.get(f"/jobs/{job.id}").text
    assert "<title>Waiting for you" in page
    assert "Allow it to “fetch page”?" in page
    assert "&lt;script&gt;alert(1)" in page and "<script>alert" not in page
    assert f'action="/jobs/{job.id}/approvals/{asked.id}"' in page
    assert "http-equiv" not in page  # it would take away what is being typed
    assert "Waiting for you" in client.get("/jobs").text
    told = client.get(f"/api/v1/jobs/{job.id}").json
    assert (told["state"], told["waiting_for"]["code"]) == ("queued", "approval")


def test_each_call_has_its_own_answer_and_the_last_sets_the_job_free(client: FlaskClient, post: Posted) -> None:
    job, (first, second) = asking(2)
    etag = client.get(f"/jobs/{job.id}/progress").headers["ETag"]
    assert post(job, first, answer="yes").status_code == 303
    assert factories.again(job).reason == "approval"
    changed = client.get(f"/jobs/{job.id}/progress", headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed.text.count("Allow it to") == 1
    assert post(job, second, answer="no", reason="Too far.").status_code == 303
    assert factories.again(job).run_at is None
    assert [(one.approved, one.reason) for one in approvals.approvals_of(job)] == [(True, None), (False, "Too far.")]
    steps = client.get(f"/jobs/{job.id}/timeline").text
    assert "Approved" in steps and "Too far." in steps
    log = [line["text"] for line in client.get(f"/api/v1/jobs/{job.id}/log").json["lines"]]
    assert "fetch_page refused by a person: Too far." in log


def test_what_is_no_answer_changes_nothing(client: FlaskClient, post: Posted) -> None:
    job, (asked,) = asking()
    assert post(job, asked, answer="maybe").status_code == 400
    assert client.post(f"/jobs/{job.id}/approvals/{asked.id}", data={"answer": "yes"}).status_code == 400  # no token
    other = factories.waiting()
    token_page = client.get(f"/jobs/{job.id}").text
    token = re.findall(r'name="csrf_token" value="([^"]+)"', token_page)[0]
    for path in (
        f"/jobs/{other.id}/approvals/{asked.id}",
        f"/jobs/{job.id}/approvals/x",
        f"/jobs/{uuid4()}/approvals/{asked.id}",
    ):
        assert client.post(path, data={"csrf_token": token, "answer": "yes"}).status_code == 404
    assert approvals.approvals_of(job)[0].decided_at is None


def test_the_api_tells_and_takes_it(client: FlaskClient) -> None:
    job, (asked,) = asking()
    path = f"/api/v1/jobs/{job.id}/approvals"
    (told,) = client.get(path).json["approvals"]
    assert (told["tool"], told["arguments"], told["approved"]) == ("fetch_page", ARGUMENTS, None)
    for body in ({}, {"approve": "yes"}, {"approve": True, "by": "me"}):
        assert client.post(f"{path}/{asked.id}", json=body).status_code == 422
    assert client.post(f"{path}/{asked.id}", json={"approve": False, "reason": "No."}).status_code == 202
    assert client.post(f"{path}/{asked.id}", json={"approve": True}).status_code == 409
    assert client.get(path).json["approvals"][0]["reason"] == "No."


def test_a_stop_ends_the_question(client: FlaskClient) -> None:
    job, (asked,) = asking()
    commands.cancel(job.id, owner=LOCAL_OWNER)
    page = client.get(f"/jobs/{job.id}").text
    assert "Allow it to" not in page
    assert client.post(f"/api/v1/jobs/{job.id}/approvals/{asked.id}", json={"approve": True}).status_code == 409


@pytest.mark.slow
def test_a_person_answers_in_a_browser_and_typing_is_kept(site: str, tab: Page) -> None:
    job, _ = asking()
    tab.goto(f"{site}/jobs/{job.id}")
    tab.get_by_label("Reason").fill("Not this one")
    with (
        tab.expect_response(lambda answer: "/progress" in answer.url and answer.status == 200),
        postgres.session() as own,
    ):
        own.connection().execute(text("update jobs set note = 'x' where id = :id"), {"id": job.id})
    expect(tab.get_by_label("Reason")).to_have_value("Not this one")
    tab.get_by_role("button", name="Refuse").click()
    expect(tab.get_by_text("Allow it to")).to_have_count(0)
    assert [(one.approved, one.reason) for one in approvals.approvals_of(job)] == [(False, "Not this one")]

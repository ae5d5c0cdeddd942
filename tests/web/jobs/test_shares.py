"""A link lets others look at one job, until it is withdrawn."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask

from jobs.engine.db import postgres
from jobs.engine.db.models import File, Job, Notification
from tests.web import factories, signed_in
from tests.web.signed_in import Person


@pytest.fixture(scope="module")
def owner(app: Flask) -> Person:
    return signed_in.person(app, "amara", "admin")  # the first account: hers is what `making` makes


@pytest.fixture(scope="module")
def guest(app: Flask, owner: Person) -> Person:
    return signed_in.person(app, "vera", "viewer")


@pytest.fixture
def job(app: Flask, owner: Person) -> Job:
    lines = [("info", "begun")]
    return factories.ended(
        factories.waiting(), "partial", outcomes=factories.outcomes(3, 1, text="Kettle"), lines=lines
    )


def _link(owner: Person, job: Job) -> str:
    owner.post(f"/jobs/{job.id}/share")
    page = owner.client.get(f"/jobs/{job.id}/share").text
    return re.findall(r"/shared/[\w-]{30,}", page)[0]


def _looks(job: Job) -> list[str]:
    pages = ["", "/items", "/files", "/log", "/input", "/timeline", "/progress", "/items.csv", "/log.txt", "/all.zip"]
    return [f"/jobs/{job.id}{page}" for page in pages] + [
        f"/api/v1/jobs/{job.id}{part}" for part in ("", "/items", "/log")
    ]


@pytest.mark.slow
def test_a_link_lets_look_and_its_end_ends_that(owner: Person, guest: Person, job: Job) -> None:
    assert [guest.client.get(look).status_code for look in _looks(job)] == [404] * 13
    link = _link(owner, job)
    assert [guest.client.get(look).status_code for look in _looks(job)] == [404] * 13  # made, and not opened yet
    assert guest.client.get(link).location == f"/jobs/{job.id}"
    assert [guest.client.get(look).status_code for look in _looks(job)] == [200] * 13
    assert "Kettle 1" in guest.client.get(f"/jobs/{job.id}").text
    assert str(job.id) in guest.client.get("/shared").text
    assert str(job.id) not in guest.client.get("/jobs").text
    owner.post(f"/jobs/{job.id}/unshare")
    assert [guest.client.get(look).status_code for look in _looks(job)] == [404] * 13
    assert guest.client.get(link).status_code == 404
    assert str(job.id) not in guest.client.get("/shared").text
    assert _link(owner, job) != link  # the old one stays dead


def test_who_is_notified_is_the_owners_alone(owner: Person, guest: Person, job: Job) -> None:
    tried = [{"at": "2026-11-30T10:00:00+00:00", "state": "given_up", "text": "550 <mia@private.example> is unknown"}]
    targets = {"webhook": "https://hooks.example/SECRETPATH?key=1", "mail": "mia@private.example"}
    with postgres.session() as session:
        for channel, target in targets.items():
            session.add(Notification(job_id=job.id, channel=channel, target=target, tries=tried, state="given_up"))
    guest.client.get(_link(owner, job))
    assert all(target.split("?")[0] in owner.client.get(f"/jobs/{job.id}/timeline").text for target in targets.values())
    seen = {look: guest.client.get(look) for look in _looks(job)}
    assert "hooks.example: not sent" in seen[f"/jobs/{job.id}/timeline"].text
    for look, answer in seen.items():
        assert not [word for word in (b"SECRETPATH", b"private.example") if word in answer.data], look


def test_its_files_are_seen_and_no_others(owner: Person, guest: Person, job: Job) -> None:
    def file(job_id: Any) -> str:
        with postgres.session() as session:
            kept = {"media_type": "text/plain", "bytes": 0, "sha256": "0", "blob": "none"}
            made = File(owner=owner.owner, job_id=job_id, name="a.txt", **kept)
            session.add(made)
            session.flush()
            return str(made.id)

    output, upload = file(job.id), file(None)
    guest.client.get(_link(owner, job))
    assert output in guest.client.get(f"/jobs/{job.id}/files").text
    assert guest.client.get(f"/files/{upload}").status_code == 404
    assert guest.client.get(f"/files/{upload}/preview").status_code == 404


def test_to_look_is_all(app: Flask, owner: Person, guest: Person, job: Job) -> None:
    member = signed_in.person(app, f"ben{job.id.hex[-6:]}")
    member.client.get(_link(owner, job))
    before = factories.again(job)
    page = member.client.get(f"/jobs/{job.id}").text
    assert "shared with you" in page
    main = page.split("<main")[1].split("</main>")[0]
    assert 'method="post"' not in main and "/delete" not in main and "?from=" not in main
    for path in ("cancel", "retry", "whole", "delete", "share", "unshare", "pin"):
        assert member.post(f"/jobs/{job.id}/{path}").status_code == 404, path
    header = {"X-CSRFToken": member.csrf()}
    assert member.client.delete(f"/api/v1/jobs/{job.id}", headers=header).status_code == 404
    assert member.client.post(f"/api/v1/jobs/{job.id}/retry", headers=header).status_code == 404
    assert member.client.get(f"/kinds/nap?from={job.id}").status_code == 404
    assert factories.again(job).state == before.state


def test_a_link_is_for_who_can_sign_in(app: Flask, owner: Person, job: Job) -> None:
    link = _link(owner, job)
    assert app.test_client().get(link).location.startswith("/login?next=%2Fshared%2F")


def test_the_log_knows_who_shared_and_who_opened(owner: Person, guest: Person, job: Job) -> None:
    guest.client.get(_link(owner, job))
    owner.post(f"/jobs/{job.id}/unshare")
    entries = owner.client.get(f"/api/v1/audit?q={job.id}").get_json()["entries"]
    told = [(entry["who"], entry["action"]) for entry in entries]
    assert told == [("amara", "job_unshare"), ("vera", "job_open"), ("amara", "job_share")]

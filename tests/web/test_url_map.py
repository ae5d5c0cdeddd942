"""Every route, every method, for everybody: what is somebody else's is not there, what is for operators neither.

The walk knows no route by name but those that are open to all. A new one is walked too: it fails here if it does not ask who
asks, or shows what is somebody else's, or has an id in its address that the walk was not told of.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import pytest
from flask import Flask, jsonify
from sqlalchemy import select
from werkzeug.routing import Rule

from jobs.engine import accounts
from jobs.engine.chat import conversations
from jobs.engine.db import postgres
from jobs.engine.db.models import File, Job
from jobs.engine.mail import outbox, suppressions
from jobs.engine.queue import lists, queries, schedules
from tests.web import signed_in
from tests.web.page_walk import ARGUMENTS, MARK, PARTS, address_of, is_for_operators, routes, send, thing_of, things_of
from tests.web.signed_in import Person
from webapp.app import create_app
from webapp.http import identity

OPEN = {"/healthz", "/readyz", "/login", "/login/provider", "/login/callback", "/logout", "/theme"}
OPEN |= {"/static/<path:filename>", "/first", "/first/<secret>", "/hooks/openai"}


@pytest.fixture(scope="module")
def everybody(app: Flask) -> dict[str, Person]:
    """Amara's account is the first, so that hers is what was made before there were accounts; then she becomes a member."""
    amara = signed_in.person(app, "amara", "admin")
    roles = {"admin": "admin", "ben": "member", "vera": "viewer", "olu": "operator"}
    others = {name: signed_in.person(app, name, role) for name, role in roles.items()}
    accounts.change_role(amara.account.id, "member", by=others["admin"].owner)
    return {"amara": amara} | others


@pytest.fixture(scope="module")
def things(everybody: dict[str, Person]) -> dict[str, str]:
    return things_of(everybody["amara"])


# How it is walked.


def _complaints(
    app: Flask, everybody: dict[str, Person], things: dict[str, str], but: Collection[str] = ()
) -> list[str]:
    """What is wrong with the routes, but those that were walked before."""
    found = []
    tokens = {name: one.csrf() for name, one in everybody.items()}
    for rule, method in routes(app):
        if rule.rule in but:
            continue
        name = f"{method} {rule.rule}"
        known = address_of(rule, things)
        if known is None:
            found.append(f"{name}: tell the walk what is in its address")
            continue
        if rule.rule in OPEN:
            continue
        address, somebodys = known
        found += [f"{name}: {said}" for said in _as_nobody(app, rule, method, address)]
        with app.test_request_context(address, method=method):
            need = identity.need_of(rule.endpoint, method)
        hidden = somebodys or need in ("operator", "admin") or is_for_operators(rule)
        for who in ("ben", "vera", *(["olu"] if somebodys or need == "admin" else [])):
            sent = [send(everybody[who].client, rule, method, address, tokens[who])]
            sent += [send(everybody[who].client, rule, method, address, tokens[who], Accept="application/json")]
            refused = who == "vera" and need == "member"
            for answer in sent:
                if refused and answer.status_code not in (403, 404):
                    found.append(f"{name}: a viewer may change something, {answer.status_code}")
                elif hidden and not refused and answer.status_code != 404:
                    found.append(f"{name}: {who} gets {answer.status_code}")
                elif method == "GET" and (shown := _shown(answer, address, things)):
                    found.append(f"{name}: {who} sees {shown}")
                answer.close()
    return found


def _as_nobody(app: Flask, rule: Rule, method: str, address: str) -> Iterator[str]:
    page = send(app.test_client(), rule, method, address)
    program = send(app.test_client(), rule, method, address, Accept="application/json")
    wanted = 401 if address.startswith(("/api/", "/v1/", "/metrics")) else 303  # a program reads none of a sign-in page
    if page.status_code != wanted or (wanted == 303 and not page.location.startswith("/login")):
        yield f"open to everybody, {page.status_code}"
    if program.status_code != 401 or "Bearer" not in program.headers.get("WWW-Authenticate", ""):
        yield f"open to programs, {program.status_code}"


def _shown(answer: Any, address: str, things: dict[str, str]) -> list[str]:
    """What is Amara's in the answer; a page that says "not found" repeats the address that was asked for."""
    text = answer.get_data(as_text=True)
    return [word for word in (MARK, *things.values()) if word in text and word not in address]


# The walks.


@pytest.mark.slow
def test_nobody_gets_what_is_somebody_elses(app: Flask, everybody: dict[str, Person], things: dict[str, str]) -> None:
    before = _mine(things)
    found = _complaints(app, everybody, things)
    assert not found, "\n".join(found)
    assert _mine(things) == before


def _mine(things: dict[str, str]) -> Any:
    """What a stranger's requests must leave as it was."""
    owner = "local"
    job, talk = queries.job(things["job"], owner), conversations.conversation(things["talk"], owner)
    said = [
        (turn.question and turn.question.text, turn.answer and turn.answer.text)
        for turn in conversations.turns(talk.id, most=20).rows
    ]
    schedule = schedules.schedule(things["schedule"], owner)
    kept = [
        outbox.outbox_count(owner),
        len(suppressions.list_suppressed(owner).rows),
        len(lists.list_jobs(owner, limit=500).rows),
    ]
    return job.state, job.attempt, talk.title, said, schedule.paused_at, schedule.cron, kept


def test_the_walk_sees_a_route_without_a_lock(app: Flask, everybody: dict[str, Person], things: dict[str, str]) -> None:
    careless = create_app({"TESTING": True})

    def everything() -> Any:
        with postgres.session() as session:
            return jsonify([str(one) for one in session.scalars(select(Job.id))])

    def one(job_id: str) -> Any:
        with postgres.session() as session:
            return str(session.get_one(Job, job_id).id)

    careless.add_url_rule("/open", view_func=identity.anybody(lambda: "hello"), endpoint="open")
    careless.add_url_rule("/everything", view_func=everything)
    careless.add_url_rule("/ones/<job_id>", view_func=one)
    careless.add_url_rule("/odd/<thing>", view_func=lambda thing: thing, endpoint="odd")
    careless.add_url_rule("/operations/all", view_func=lambda: "all", endpoint="all")
    careless.add_url_rule("/viewed", view_func=_for_viewers, methods=["POST"], endpoint="viewed")
    before = {rule.rule for rule in app.url_map.iter_rules()}
    found = {line.split(":")[0] for line in _complaints(careless, _browsers(careless, everybody), things, before)}
    assert found == {
        "GET /open", "GET /everything", "GET /ones/<job_id>", "GET /odd/<thing>", "GET /operations/all", "POST /viewed"
    }  # fmt: skip


@identity.anybody
def _for_viewers() -> str:
    return "changed"


def _browsers(app: Flask, everybody: dict[str, Person]) -> dict[str, Person]:
    """The same people, come to another app."""
    there = {name: Person(one.account, app.test_client()) for name, one in everybody.items()}
    for name, one in there.items():
        signed_in.sign_in(one.client, name)
    return there


@pytest.mark.slow
def test_their_owner_gets_them(app: Flask, everybody: dict[str, Person]) -> None:
    """Else the walk above would prove nothing: the same requests work for whom the things belong to."""
    amara = everybody["amara"]
    token = amara.csrf()
    wrong = []
    things = things_of(amara)
    for rule, method in sorted(routes(app), key=lambda one: one[1] != "GET"):  # which changes nothing
        if not rule.arguments & {"id", *ARGUMENTS} or "account_id" in rule.arguments or rule.arguments & PARTS.keys():
            continue
        if method != "GET":  # the one before may have left nothing of them
            things |= things_of(amara, names={thing_of(rule, name) or "" for name in rule.arguments})
        address, somebodys = address_of(rule, things) or ("", False)
        answer = send(amara.client, rule, method, address, token)
        theirs = answer.status_code not in (400, 401, 403, 405, 500) and b"or it is not yours" not in answer.get_data()
        if somebodys and not theirs:
            wrong.append(f"{method} {rule.rule}: {answer.status_code} {answer.get_data(as_text=True)[:200]}")
        answer.close()
    assert not wrong, "\n".join(wrong)


def test_operators_get_theirs(app: Flask, everybody: dict[str, Person], things: dict[str, str]) -> None:
    for path in ("/audit", "/api/v1/audit", "/webhooks", "/metrics", "/rq/"):
        assert everybody["olu"].client.get(path).status_code in (200, 503), path
    assert everybody["olu"].client.get("/people").status_code == 404
    assert everybody["admin"].client.get("/people").status_code == 200


def test_an_operator_pauses_anybodys_schedule(everybody: dict[str, Person], things: dict[str, str]) -> None:
    olu, schedule = everybody["olu"], things["schedule"]
    page = olu.client.get("/operations/schedules").text
    assert "amara" in page and schedule in page
    for act, paused in (("pause", True), ("resume", False)):
        assert olu.post(f"/operations/schedules/{schedule}/{act}").status_code == 303
        assert bool(schedules.schedule(schedule, "local").paused_at) is paused
    entries = olu.client.get(f"/api/v1/audit?q={schedule}").get_json()["entries"]
    assert [(one["who"], one["action"]) for one in entries] == [("olu", "schedule_resume"), ("olu", "schedule_pause")]


def test_what_is_somebody_elses_cannot_be_named_either(everybody: dict[str, Person], things: dict[str, str]) -> None:
    """In a query, a form or a body, as in an address."""
    ben = everybody["ben"]
    before = _mine(things)
    header = {"X-CSRFToken": ben.csrf()}
    with postgres.session() as session:
        upload = session.scalars(select(File.id).where(File.owner == "local", File.job_id.is_(None))).first()
    assert ben.client.get(f"/schedules/new?job={things['job']}").status_code == 404
    assert ben.client.get(f"/kinds/nap?from={things['job']}").status_code == 404
    assert ben.post("/schedules", job=things["job"], cron="0 6 * * *").status_code == 404
    plan = {"job": things["job"], "cron": "0 6 * * *", "zone": "UTC"}
    assert ben.client.post("/api/v1/schedules", json=plan, headers=header).status_code == 404
    for ref in (upload, things["file"]):
        answer = ben.client.post("/api/v1/kinds/import_data/jobs", json={"source": str(ref)}, headers=header)
        assert answer.status_code == 422 and "no such file" in answer.text.lower()
    bulk = ben.post("/jobs/bulk", action="delete", sure="1", job=things["job"])
    assert bulk.status_code == 303  # a job of Ben's, whose item will not be found
    assert _mine(things) == before


def test_an_idempotency_key_is_ones_own(everybody: dict[str, Person]) -> None:
    made = []
    for who in ("amara", "ben"):
        headers = {"X-CSRFToken": everybody[who].csrf(), "Idempotency-Key": "the-same"}
        answer = everybody[who].client.post("/api/v1/kinds/nap/jobs", json={}, headers=headers)
        assert answer.status_code == 202, answer.text
        made.append(answer.get_json()["id"])
    assert made[0] != made[1]

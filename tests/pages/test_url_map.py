"""Every route, every method, for everybody: what is somebody else's is not there, what is for operators neither.

The walk knows no route by name but those that are open to all. A new one is walked too: it fails here if it does not ask who
asks, or shows what is somebody else's, or has an id in its address that the walk was not told of.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator
from email.message import EmailMessage
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask, jsonify
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.routing import Rule

from jobs.engine import accounts, commands, database, queries
from jobs.engine.commands import Plan, Talk
from jobs.engine.documents.tables import Document
from jobs.engine.models import File, Job, Message, OutboxMessage, SignIn
from jobs.engine.outbox import OutboxSender
from jobs.engine.storage import storage
from tests.pages import making, people
from tests.pages.people import Person
from webapp import create_app, identity

MARK = "amaras-own-words"
PNG = b"\x89PNG\r\n\x1a\n"
OPEN = {"/healthz", "/readyz", "/login", "/login/provider", "/login/callback", "/logout", "/theme"}
OPEN |= {"/static/<path:filename>"}

# What an argument of an address is, by its name or, where that says nothing, by where the address begins.
ARGUMENTS = {"job_id": "job", "file_id": "file", "document_id": "document", "schedule_id": "schedule"}
ARGUMENTS |= {"token_id": "token", "sign_in_id": "sign_in", "account_id": "account", "address": "address"}
PLACES = {
    "/chat/messages/": "question",
    "/chat/answers/": "answer",
    "/chat/files/": "attachment",
    "/chat/": "talk",
    "/outbox/": "mail",
}
PLACES |= {"/jobs/": "job", "/files/": "file", "/documents/": "document", "/schedules/": "schedule"}
PARTS = dict.fromkeys(
    ("decision", "decision_id", "approval", "approval_id"), "1"
)  # of a job, which is looked for first
NOBODYS_ARGUMENTS: dict[str, Any] = {
    "name": "nap", "filename": "legwork.css", "tab": "items", "format": "csv", "place": 0, "instance_number": 0,
    "queue_name": "io", "registry_name": "queued", "per_page": 8, "order": "asc", "page": 1, "secret": "none",
    "queue": "io", "worker": "none", "what": "pause", "how": "finish",
}  # fmt: skip
BODIES: dict[str, Any] = {
    "schedules_api.change_schedule": {"paused": True},
    "chat_api.ask": {"text": "hello"},
    "chat_api.change": {"title": MARK},
    "chat_api.attach": {"file": "sample:shop-handbook.md"},
    "reviews_api.decide": {"item": "1", "verdict": "allow"},
    "reviews_api.set_thresholds": {"thresholds": {"hate": 0.5}},
    "api.answer": {"approve": True},
}
FIELDS = {
    "message": "hello",
    "answer": "yes",
    "items": "all",
    "role": "member",
    "verdict": "allow",
    "cron": "0 6 * * *",
}


@pytest.fixture(scope="module")
def everybody(app: Flask) -> dict[str, Person]:
    """Amara's account is the first, so that hers is what was made before there were accounts; then she becomes a member."""
    amara = people.person(app, "amara", "admin")
    roles = {"admin": "admin", "ben": "member", "vera": "viewer", "olu": "operator"}
    others = {name: people.person(app, name, role) for name, role in roles.items()}
    accounts.change_role(amara.account.id, "member", by=others["admin"].owner)
    return {"amara": amara} | others


@pytest.fixture(scope="module")
def things(everybody: dict[str, Person]) -> dict[str, str]:
    return _things(everybody["amara"])


def _things(whose: Person) -> dict[str, str]:
    """One of everything that can be somebody's, each with MARK in it."""
    owner = whose.owner
    upload = commands.upload(io.BytesIO(b"a,b\n1,2\n"), f"{MARK}.csv", owner=owner)
    job = making.ended(making.waiting(), "partial", outcomes=making.outcomes(2, 1, text=MARK), message=MARK)
    talk = commands.start_conversation(Talk(title=MARK), owner=owner)
    attachment = commands.attach_files(talk.id, ["sample:shop-handbook.md"], owner=owner)[0]
    schedule = commands.create_schedule(Plan("nap", {}, "0 6 * * 1", "UTC"), owner=owner)
    commands.suppress_addresses(f"{MARK}@example.org", owner=owner)
    OutboxSender(owner).send(_mail())
    picture = storage().put(io.BytesIO(PNG), limit=None)
    with database.session() as session:
        kept = {"bytes": picture.bytes, "sha256": picture.sha256, "blob": picture.key, "media_type": "image/png"}
        output = File(owner=owner, job_id=job.id, name=f"{MARK}.png", **kept)
        asked = Message(conversation_id=talk.id, owner=owner, role="user", text=MARK)
        session.add_all([output, asked])
        session.flush()
        answer = Message(conversation_id=talk.id, owner=owner, role="assistant", text=MARK, run=1)
        from_file = {"file_id": upload.id, "thumbnail": PNG}
        document = Document(owner=owner, collection=MARK, title=MARK, sha256="0", text=MARK, **from_file)
        session.add_all([answer, document])
        session.flush()
        mail = session.scalars(select(OutboxMessage.id).where(OutboxMessage.owner == owner)).first()
    for old in accounts.tokens(whose.account):
        accounts.revoke(whose.account, old.id)
    token, _ = accounts.issue(whose.account, MARK, "read", 7)
    found = {"job": job, "file": output, "talk": talk, "question": asked, "answer": answer, "document": document}
    found |= {"schedule": schedule, "token": token, "account": whose.account, "attachment": attachment}
    found |= {"sign_in": _second_sign_in(whose)}
    return {name: str(one.id) for name, one in found.items()} | {"mail": str(mail), "address": f"{MARK}@example.org"}


def _second_sign_in(whose: Person) -> Any:
    with database.session() as session:
        made = SignIn(account_id=whose.account.id, digest=uuid4().hex, address="127.0.0.9", browser=MARK)
        session.add(made)
        session.flush()
        return made


def _mail() -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.org", "b@example.org", MARK
    message["Message-ID"] = "<1@example.org>"
    message.set_content(MARK)
    message.add_alternative(f"<p>{MARK}</p>", subtype="html")
    message.add_attachment(MARK.encode(), maintype="text", subtype="plain", filename="a.txt")
    return message


# How it is walked.


def _routes(app: Flask) -> Iterator[tuple[Rule, str]]:
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield rule, method


def _address(rule: Rule, things: dict[str, str]) -> tuple[str, bool] | None:
    """The rule's address, and whether somebody's id is in it; None if the walk was not told what an argument is."""
    values: dict[str, Any] = {}
    somebodys = False
    for name in rule.arguments - set(rule.defaults or ()):
        thing = ARGUMENTS.get(name) or (name == "id" and _of_place(rule.rule))
        value = things[thing] if thing else NOBODYS_ARGUMENTS.get(name, PARTS.get(name))
        if value is None:
            return None
        somebodys = somebodys or bool(thing and not _is_for_operators(rule))
        values[name] = value
    built = rule.build(values | (rule.defaults or {}))
    return (built[1], somebodys) if built else None


def _of_place(rule: str) -> str | None:
    return next((thing for place, thing in PLACES.items() if place in rule), None)


def _send(client: FlaskClient, rule: Rule, method: str, address: str, token: str = "", **headers: str) -> Any:
    if method == "GET":
        answer = client.get(address, headers=headers)
        return client.get(answer.location, headers=headers) if answer.status_code == 308 else answer
    if address.startswith(("/api/", "/v1/")):
        headers |= {"X-CSRFToken": token}
        return client.open(address, method=method, json=BODIES.get(rule.endpoint, {}), headers=headers)
    return client.open(address, method=method, data={"csrf_token": token, **FIELDS}, headers=headers)


def _complaints(
    app: Flask, everybody: dict[str, Person], things: dict[str, str], but: Collection[str] = ()
) -> list[str]:
    """What is wrong with the routes, but those that were walked before."""
    found = []
    tokens = {name: one.csrf() for name, one in everybody.items()}
    for rule, method in _routes(app):
        if rule.rule in but:
            continue
        name = f"{method} {rule.rule}"
        known = _address(rule, things)
        if known is None:
            found.append(f"{name}: tell the walk what is in its address")
            continue
        if rule.rule in OPEN:
            continue
        address, somebodys = known
        found += [f"{name}: {said}" for said in _as_nobody(app, rule, method, address)]
        with app.test_request_context(address, method=method):
            need = identity.need_of(rule.endpoint, method)
        hidden = somebodys or need in ("operator", "admin") or _is_for_operators(rule)
        for who in ("ben", "vera", *(["olu"] if somebodys or need == "admin" else [])):
            sent = [_send(everybody[who].client, rule, method, address, tokens[who])]
            sent += [_send(everybody[who].client, rule, method, address, tokens[who], Accept="application/json")]
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
    page = _send(app.test_client(), rule, method, address)
    program = _send(app.test_client(), rule, method, address, Accept="application/json")
    wanted = 401 if address.startswith(("/api/", "/v1/")) else 303
    if page.status_code != wanted or (wanted == 303 and not page.location.startswith("/login")):
        yield f"open to everybody, {page.status_code}"
    if program.status_code != 401 or "Bearer" not in program.headers.get("WWW-Authenticate", ""):
        yield f"open to programs, {program.status_code}"


def _is_for_operators(rule: Rule) -> bool:
    return rule.rule.startswith(("/rq", "/operations", "/metrics", "/audit", "/api/v1/audit", "/webhooks"))


def _shown(answer: Any, address: str, things: dict[str, str]) -> list[str]:
    """What is Amara's in the answer; a page that says "not found" repeats the address that was asked for."""
    text = answer.get_data(as_text=True)
    return [word for word in (MARK, *things.values()) if word in text and word not in address]


# The walks.


def test_nobody_gets_what_is_somebody_elses(app: Flask, everybody: dict[str, Person], things: dict[str, str]) -> None:
    before = _mine(things)
    found = _complaints(app, everybody, things)
    assert not found, "\n".join(found)
    assert _mine(things) == before


def _mine(things: dict[str, str]) -> Any:
    """What a stranger's requests must leave as it was."""
    owner = "local"
    job, talk = queries.job(things["job"], owner), queries.conversation(things["talk"], owner)
    said = [(turn.question and turn.question.text, turn.answer and turn.answer.text) for turn in queries.turns(talk.id)]
    schedule = queries.schedule(things["schedule"], owner)
    kept = [queries.outbox_count(owner), len(queries.suppressed(owner).rows), len(queries.jobs(owner, limit=500).rows)]
    return job.state, job.attempt, talk.title, said, schedule.paused_at, schedule.cron, kept


def test_the_walk_sees_a_route_without_a_lock(app: Flask, everybody: dict[str, Person], things: dict[str, str]) -> None:
    careless = create_app({"TESTING": True})

    def everything() -> Any:
        with database.session() as session:
            return jsonify([str(one) for one in session.scalars(select(Job.id))])

    def one(job_id: str) -> Any:
        with database.session() as session:
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
        people.sign_in(one.client, name)
    return there


def test_their_owner_gets_them(app: Flask, everybody: dict[str, Person]) -> None:
    """Else the walk above would prove nothing: the same requests work for whom the things belong to."""
    amara = everybody["amara"]
    token = amara.csrf()
    wrong = []
    for rule, method in _routes(app):
        if not rule.arguments & {"id", *ARGUMENTS} or "account_id" in rule.arguments or rule.arguments & PARTS.keys():
            continue
        things = _things(amara)
        address, somebodys = _address(rule, things) or ("", False)
        answer = _send(amara.client, rule, method, address, token)
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
        assert bool(queries.schedule(schedule, "local").paused_at) is paused
    entries = olu.client.get(f"/api/v1/audit?q={schedule}").get_json()["entries"]
    assert [(one["who"], one["action"]) for one in entries] == [("olu", "schedule_resume"), ("olu", "schedule_pause")]


def test_what_is_somebody_elses_cannot_be_named_either(everybody: dict[str, Person], things: dict[str, str]) -> None:
    """In a query, a form or a body, as in an address."""
    ben = everybody["ben"]
    before = _mine(things)
    header = {"X-CSRFToken": ben.csrf()}
    with database.session() as session:
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

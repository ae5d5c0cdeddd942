"""Every route with a real address: one of everything that can be somebody's, and a request of each method."""

from __future__ import annotations

import hashlib
import io
import json
import threading
from collections.abc import Callable, Collection, Iterator
from email.message import EmailMessage
from typing import Any
from uuid import uuid4

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text
from werkzeug.routing import Rule

from jobs.engine import accounts
from jobs.engine.chat import attachments, conversations
from jobs.engine.chat.conversations import ConversationSettings
from jobs.engine.db import postgres
from jobs.engine.db.models import File, Message, OutboxMessage, SignIn
from jobs.engine.db.models.library import Document
from jobs.engine.files import resumable, uploads
from jobs.engine.files.storage import blob_storage
from jobs.engine.mail import suppressions
from jobs.engine.mail.outbox import OutboxSender
from jobs.engine.queue import batches
from jobs.engine.queue import commands as queue_commands
from jobs.engine.queue.schedules import SchedulePlan
from tests.stories.site_client import until
from tests.web import factories
from tests.web.signed_in import Person

MARK = "amaras-own-words"
PNG = b"\x89PNG\r\n\x1a\n"
LOOKED = ("sign_ins", "sign_in_tries", "tokens")  # tables that remember when something was last used

# What an argument of an address is, by its name or, where that says nothing, by where the address begins.
ARGUMENTS = {"job_id": "job", "file_id": "file", "document_id": "document", "schedule_id": "schedule"}
ARGUMENTS |= {"upload_id": "upload", "batch_id": "batch"}
ARGUMENTS |= {"token_id": "token", "sign_in_id": "sign_in", "account_id": "account", "address": "address"}
ARGUMENTS |= {"conversation_id": "talk", "answer_id": "answer", "attachment_id": "attachment", "message_id": "mail"}
PLACES = {
    "/chat/messages/": "question",
    "/chat/answers/": "answer",
    "/chat/files/": "attachment",
    "/chat/": "talk",
    "/outbox/": "mail",
}
PLACES |= {"/jobs/": "job", "/files/": "file", "/documents/": "document", "/schedules/": "schedule"}
PARTS = dict.fromkeys(("decision_id", "approval_id"), "1")  # of a job, which is looked for first
NOBODYS_ARGUMENTS: dict[str, Any] = {
    "name": "nap", "kind": "nap", "filename": "legwork.css", "tab": "items", "format": "csv", "place": 0, "instance_number": 0,
    "queue_name": "io", "registry_name": "queued", "per_page": 8, "order": "asc", "page": 1, "secret": "none",
    "position": 1, "queue": "io", "worker": "none", "what": "pause", "how": "finish",
}  # fmt: skip
BODIES: dict[str, Any] = {
    "schedules_api.change_schedule": {"paused": True},
    "chat_api.ask": {"text": "hello"},
    "chat_api.change_conversation": {"title": MARK},
    "chat_api.attach_file": {"file": "sample:shop-handbook.md"},
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


def things_of(whose: Person, mark: str = MARK, names: Collection[str] = ()) -> dict[str, str]:
    """The ids of one of everything that can be somebody's, each with the mark in its texts; or of the things with these names."""
    found: dict[str, str] = {}
    for made, make in _MAKERS.items():
        if not names or set(names) & set(made):
            found |= dict(zip(made, map(str, make(whose, mark)), strict=True))
    return found


def _job_and_file(whose: Person, mark: str) -> tuple[object, ...]:
    job = factories.ended(factories.waiting(), "partial", outcomes=factories.outcomes(2, 1, text=mark), message=mark)
    picture = blob_storage().put(io.BytesIO(PNG), limit=None)
    with postgres.session() as session:
        kept = {"bytes": picture.bytes, "sha256": picture.sha256, "blob": picture.key, "media_type": "image/png"}
        output = File(owner=whose.owner, job_id=job.id, name=f"{mark}.png", **kept)
        session.add(output)
        session.flush()
        return job.id, output.id


def _conversation(whose: Person, mark: str) -> tuple[object, ...]:
    owner = whose.owner
    talk = conversations.start_conversation(ConversationSettings(title=mark), owner=owner)
    attachment = attachments.attach_files(talk.id, ["sample:shop-handbook.md"], owner=owner)[0]
    with postgres.session() as session:
        asked = Message(conversation_id=talk.id, owner=owner, role="user", text=mark)
        session.add(asked)
        session.flush()
        answer = Message(conversation_id=talk.id, owner=owner, role="assistant", text=mark, run=1)
        session.add(answer)
        session.flush()
        return talk.id, attachment.id, asked.id, answer.id


def _document(whose: Person, mark: str) -> tuple[object, ...]:
    upload = uploads.upload(io.BytesIO(b"a,b\n1,2\n"), f"{mark}.csv", owner=whose.owner)
    with postgres.session() as session:
        from_file = {"file_id": upload.id, "thumbnail": PNG}
        document = Document(owner=whose.owner, collection=mark, title=mark, sha256="0", text=mark, **from_file)
        session.add(document)
        session.flush()
        return (document.id,)


def _batch(whose: Person, mark: str) -> tuple[object, ...]:
    request = {
        "custom_id": mark,
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "m", "messages": []},
    }
    upload = uploads.upload(io.BytesIO(json.dumps(request).encode()), f"{mark}.jsonl", owner=whose.owner)
    return (batches.create_batch("/v1/chat/completions", str(upload.id), owner=whose.owner).job.id,)


def _schedule(whose: Person, _mark: str) -> tuple[object, ...]:
    return (queue_commands.create_schedule(SchedulePlan("nap", {}, "0 6 * * 1", "UTC"), owner=whose.owner).id,)


def _mail_and_address(whose: Person, mark: str) -> tuple[object, ...]:
    suppressions.suppress_addresses(f"{MARK}@example.org", owner=whose.owner)
    OutboxSender(whose.owner).send(_mail(mark))
    with postgres.session() as session:
        mail = session.scalars(select(OutboxMessage.id).where(OutboxMessage.owner == whose.owner)).first()
    return mail, f"{MARK}@example.org"


def _token_and_sign_in(whose: Person, mark: str) -> tuple[object, ...]:
    for old in accounts.list_tokens(whose.account):
        accounts.revoke_token(whose.account, old.id)
    token, _ = accounts.issue_token(whose.account, mark[:80], "read", 7)
    return token.id, whose.account.id, _second_sign_in(whose, mark).id


def _upload(whose: Person, mark: str) -> tuple[object, ...]:
    return (resumable.begin(f"{mark}.csv", 10, owner=whose.owner).id,)


# What makes things, by the names of what it makes.
_MAKERS: dict[tuple[str, ...], Callable[[Person, str], tuple[object, ...]]] = {
    ("job", "file"): _job_and_file,
    ("talk", "attachment", "question", "answer"): _conversation,
    ("document",): _document,
    ("batch",): _batch,
    ("schedule",): _schedule,
    ("mail", "address"): _mail_and_address,
    ("token", "account", "sign_in"): _token_and_sign_in,
    ("upload",): _upload,
}


def _second_sign_in(whose: Person, mark: str) -> Any:
    with postgres.session() as session:
        made = SignIn(account_id=whose.account.id, digest=uuid4().hex, address="127.0.0.9", browser=mark)
        session.add(made)
        session.flush()
        return made


def _mail(mark: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.org", "b@example.org", mark
    message["Message-ID"] = "<1@example.org>"
    message.set_content(mark)
    message.add_alternative(f"<p>{mark}</p>", subtype="html")
    message.add_attachment(mark.encode(), maintype="text", subtype="plain", filename="a.txt")
    return message


def routes(app: Flask) -> Iterator[tuple[Rule, str]]:
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield rule, method


def address_of(rule: Rule, things: dict[str, str]) -> tuple[str, bool] | None:
    """The rule's address, and whether somebody's id is in it; None if the walk was not told what an argument is."""
    values: dict[str, Any] = {}
    somebodys = False
    for name in rule.arguments - set(rule.defaults or ()):
        thing = thing_of(rule, name)
        value = things[thing] if thing else NOBODYS_ARGUMENTS.get(name, PARTS.get(name))
        if value is None:
            return None
        somebodys = somebodys or bool(thing and not is_for_operators(rule))
        values[name] = value
    built = rule.build(values | (rule.defaults or {}))
    return (built[1], somebodys) if built else None


def thing_of(rule: Rule, argument: str) -> str | None:
    """What an argument of the rule's address names."""
    by_place = (thing for place, thing in PLACES.items() if place in rule.rule)
    return ARGUMENTS.get(argument) or (next(by_place, None) if argument == "id" else None)


def send(client: FlaskClient, rule: Rule, method: str, address: str, token: str = "", **headers: str) -> Any:
    if method == "GET":
        answer = client.get(address, headers=headers)
        return client.get(answer.location, headers=headers) if answer.status_code == 308 else answer
    if address.startswith(("/api/", "/v1/")):
        headers |= {"X-CSRFToken": token}
        return client.open(address, method=method, json=BODIES.get(rule.endpoint, {}), headers=headers)
    return client.open(address, method=method, data={"csrf_token": token, **FIELDS}, headers=headers)


def is_for_operators(rule: Rule) -> bool:
    return rule.rule.startswith(("/rq", "/operations", "/metrics", "/audit", "/api/v1/audit", "/webhooks"))


def _threads(prefix: str) -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(prefix)]


def kept() -> dict[str, str]:
    """A digest of each table, but for those that remember who looked, once nothing is written beside the requests."""
    until(lambda: not _threads("vectors of "), "the vectors of files that were attached")
    with postgres.session() as session:
        names = session.scalars(
            text(
                "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname !~ '^(pg_|information)'"
            )
        ).all()
        tables = [name for name in sorted(names) if name.split(".")[1] not in LOOKED]
        rows = {name: session.scalars(text(f"select t::text from {name} t order by 1")).all() for name in tables}
    return {name: hashlib.sha256("\n".join(found).encode()).hexdigest() for name, found in rows.items()}

"""The outbox and suppressed addresses in JSON, under /api/v1."""

from __future__ import annotations

from flask import Blueprint

from jobs.engine import mail
from webapp.api.operation import operation
from webapp.api.parameters import AFTER, After, Limit, TextParameter
from webapp.http.guards import current_owner
from webapp.mail.records import (
    MailHeader,
    MessageRecord,
    MessageRow,
    Messages,
    Suppress,
    Suppressed,
    SuppressionRecord,
    Suppressions,
)

WORDS = TextParameter("q", "Only messages with this text in recipient or subject.", 200)
LIMIT = Limit("messages", 200)
ADDRESS = TextParameter("q", "Only addresses with this text.", 200)
ADDRESSES_AFTER = After(300)
ADDRESSES_LIMIT = Limit("addresses", 1_000, 100)

blueprint = Blueprint("outbox_api", __name__, url_prefix="/api/v1")


@blueprint.get("/outbox")
@operation(
    "List mail that was kept instead of sent, newest first",
    "A page of messages.",
    Messages,
    parameters=(WORDS, AFTER, LIMIT),
    problems=(404,),
)
def list_outbox() -> Messages:
    page = mail.outbox_messages(current_owner(), q=WORDS.read(), after=AFTER.read(), limit=LIMIT.read())
    return Messages(messages=[MessageRow.of(row) for row in page.rows], next=page.next)


@blueprint.get("/outbox/<message_id>")
@operation("Show a message", "The message.", MessageRecord)
def show_message(message_id: str) -> MessageRecord:
    row = mail.outbox_message(message_id, current_owner())
    opened = mail.open_outbox_message(row)
    headers = [MailHeader(name=name, value=value) for name, value in opened.headers]
    return MessageRecord.of(row, headers=headers, text=opened.text, html=opened.html)


@blueprint.delete("/outbox")
@operation("Delete all messages of the outbox", "The outbox is empty.")
def clear_outbox() -> None:
    mail.clear_outbox(owner=current_owner())


@blueprint.get("/suppressions")
@operation(
    "List the addresses that no mail is sent to",
    "A page of addresses.",
    Suppressions,
    parameters=(ADDRESS, ADDRESSES_AFTER, ADDRESSES_LIMIT),
)
def list_suppressions() -> Suppressions:
    limit = ADDRESSES_LIMIT.read()
    page = mail.list_suppressed(current_owner(), q=ADDRESS.read(), after=ADDRESSES_AFTER.read(), limit=limit)
    return Suppressions(suppressions=[SuppressionRecord.of(row) for row in page.rows], next=page.next)


@blueprint.post("/suppressions")
@operation("Send no more mail to some addresses", "The addresses are on the list.", Suppressed, body=Suppress)
def suppress(body: Suppress) -> Suppressed:
    lines = body.addresses if isinstance(body.addresses, list) else [body.addresses]
    return Suppressed(added=mail.suppress_addresses("\n".join(lines), owner=current_owner()))


@blueprint.delete("/suppressions/<address>")
@operation("Let mail be sent to an address again", "The address is off the list.")
def allow(address: str) -> None:
    mail.allow_address(address, owner=current_owner())

"""Send mail to many people, with each message filled in from a row of a table.

Each address gets at most one message, even after a kill: messages in flight at that moment are listed as unknown and not sent
again. Check the messages in the preview, or send a test to yourself. Deferred messages are retried; refused ones are listed
with the mail server's reply.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any, Literal

from pydantic import ConfigDict

from jobs.engine import mail, queue
from jobs.engine.kits import outcomes
from jobs.engine.mail import BulkSender, Enclosures, MailMerge, Recipient, RecipientList, SendingPace
from jobs.engine.sdk import (
    BadInput,
    BudgetSpent,
    Context,
    Estimate,
    FieldError,
    FileRef,
    Find,
    ItemColumn,
    KindResult,
    OutcomeUnknown,
    Recipe,
    SettingsError,
    Skip,
    TableFile,
    TableParams,
    Transient,
    figure,
    param,
    parse_template,
)

TITLE = "Send emails"
GROUP = "Mail"
WORDS = "newsletter, mail merge, invite, letter, campaign, mailing, unsubscribe, smtp"
QUEUE = "mail"
NEEDS = ("email_validator",)
NOUN = ("recipient", "recipients")
SPREAD = True
AT_MOST_ONCE = True
TIME_LIMIT = 3 * 86_400  # a mailing with a cap an hour, or to a server that warms up, takes days

OVER_LIMIT = "could not be sent, the limit of this job. Check their errors; a retry sends the rest."


class Params(TableParams):
    model_config = ConfigDict(serialize_by_alias=True)  # `from` is a Python keyword

    recipients: TableFile | None = param(
        "Recipients", "A table with a column of addresses. One row, one message.", default=None
    )
    addresses: str = param(
        "Or addresses",
        "Instead of a table, on lines or after semicolons: ann@example.org, Ann <ann@example.org>. Used as {email} and {name}.",
        default="",
        only_if={"recipients": False},
        widget="text",
    )
    address_column: str | None = param(
        "Column of addresses", "Empty: detected.", default=None, max_length=200, advanced=True, columns_of="recipients"
    )
    name_column: str | None = param(
        "Column of names", "Shown in To.", default=None, max_length=200, advanced=True, columns_of="recipients"
    )
    from_: str = param("From", "One address, such as Ann <ann@example.org>.", alias="from", max_length=400)
    reply_to: str = param("Reply to", "Empty: the address above.", default="", max_length=400, advanced=True)
    subject: str = param(
        "Subject",
        "A column's name in braces is replaced by its value; {name|there} is “there” where the name is empty.",
        min_length=1,
        max_length=400,
    )
    text: str = param(
        "Text",
        "The plain text of the message. A column's name in braces is replaced by its value.",
        default="",
        widget="code",
        columns_of="recipients",
        max_length=200_000,
    )
    html: str = param(
        "HTML",
        "Optional HTML version. Values are escaped; write {{ and }} for literal braces, such as in CSS.",
        default="",
        widget="code",
        columns_of="recipients",
        max_length=500_000,
    )
    pictures: list[FileRef] = param(
        "Pictures in the HTML",
        'Sent with the message, so that they are shown at once: <img src="cid:logo.png"> is the one called logo.png.',
        default=[],
        max_length=20,
        only_if={"html": True},
    )
    attachments: list[FileRef] = param(
        "Attachments", "The same for all recipients; at most 20 MB.", default=[], max_length=20
    )
    personal_files: list[FileRef] = param(
        "Files of each person",
        "Such as invoices: each row gets the ones that a column names.",
        default=[],
        max_length=1_000,
        advanced=True,
    )
    attachment_column: str = param(
        "Column that names them",
        "The names of files, with semicolons between several. Empty cells get none.",
        default="",
        max_length=200,
        only_if={"personal_files": True},
        advanced=True,
        columns_of="recipients",
    )
    error_cells: Literal["empty", "skip"] = param(
        "Cells with an error", "Such as #N/A: left empty, or the row is skipped.", default="empty", advanced=True
    )
    test_to: str = param(
        "Send a test to",
        "Your own address: it gets the first row's message, and nobody else does.",
        default="",
        max_length=400,
    )
    per_second: float | None = param(
        "Messages per second",
        "For all workers together. Empty: as fast as the mail server accepts them.",
        default=5.0,
        ge=0.02,
        le=1_000,
        advanced=True,
    )
    per_hour: int | None = param(
        "Messages per hour", "A cap, spread evenly. Empty: none.", default=None, ge=1, le=1_000_000, advanced=True
    )
    warm_up: int | None = param(
        "Warm-up",
        "For a new server or domain: as many messages in the first hour, then half as many again each hour.",
        default=None,
        ge=1,
        le=100_000,
        advanced=True,
    )
    error_limit: int | None = param(
        "Stop after",
        "The number of failed messages after which the job stops. A retry sends the rest. Empty: never.",
        default=20,
        ge=1,
        le=1_000_000,
        unit="failed messages",
        advanced=True,
    )
    tries: int = param("Tries", "For a message that the mail server defers.", default=4, ge=1, le=5, advanced=True)
    connections: int = param("Connections to the mail server", default=4, ge=1, le=16, advanced=True)
    list_unsubscribe: str = param(
        "Unsubscribe address",
        "https:// or mailto:, for the unsubscribe button of mail programs; it can contain columns. "
        "Suppressed addresses are managed at /suppressions.",
        default="",
        max_length=1_000,
        advanced=True,
    )
    one_click: bool = param(
        "One-click unsubscribe", "The https address accepts a POST (RFC 8058).", default=False, advanced=True
    )


ASKED = "text"  # its template is shown with the values of the row

COLUMNS = (
    ItemColumn("address", "Sent to", "word"),
    ItemColumn("smtp_reply", "Answer of the mail server", "text", shown="asked"),
    ItemColumn("message_id", "Message ID", "word", shown="asked"),
    ItemColumn("sent_at", "Sent", "date"),
)


class Result(KindResult):
    sent: int = figure("Sent", type="number", shown="never")
    went_to: str = figure("Went to")
    test: bool = figure("Test", type="yes_no", shown="if_any")


EXAMPLE = {
    "recipients": "sample:recipients.csv",
    "from": "Nora Lind <nora@workshop.example.org>",
    "subject": "{name}, your place in “{course}” is booked",
    "text": "Dear {name},\n\nyou are coming to “{course}” on {day}. Bring {bring}.\n\nUntil then,\nNora\n",
    "html": "<p>Dear {name},</p>\n<p>you are coming to <b>{course}</b> on {day}. Bring {bring}.</p>\n<p>Until then,<br>Nora</p>\n",
    "name_column": "name",
    "list_unsubscribe": "mailto:nora@workshop.example.org?subject=stop%20{email}",
    "per_second": 10,
}
RECIPES = (Recipe("Send a newsletter", EXAMPLE),)


def check(params: Params, find: Find) -> list[FieldError]:
    """Errors that would affect every message."""
    errors = mail.address_errors(params.from_, {"reply_to": params.reply_to, "test_to": params.test_to})
    try:
        recipients = _recipient_list(params, find)
        written = {name: getattr(params, name) for name in ("subject", "text", "html", "list_unsubscribe")}
        errors += recipients.column_errors(params.name_column)
        errors += mail.merge_errors(written, recipients.columns, recipients.name)
        errors += _enclosures(params, find).errors(params.html, recipients.columns)
    except BadInput as error:
        errors.append(FieldError("recipients", error.message))
    try:
        mail.delivery_target()
    except SettingsError as error:
        errors.append(FieldError("", error.message))
    return errors


def estimate(params: Params, find: Find) -> Estimate:
    notes: tuple[str, ...] = () if mail.is_configured() else (mail.NOT_SET_UP,)
    if params.test_to:
        return Estimate(items=1, notes=(*notes, f"a test: only {params.test_to} gets a message"))
    rows = _recipient_list(params, find).about()
    notes += ("a sample really sends to the first rows; a test sends to you",)
    pace = _pace(params, 0.0)
    seconds = pace.seconds(rows) if rows is not None and pace.per_minute(0.0) else None
    if seconds and seconds > TIME_LIMIT:
        notes += ("it takes longer than the three days that a job may take: a retry then sends the rest",)
    return Estimate(items=rows, seconds=seconds, notes=notes)


def label(params: Params, find: Find) -> str:
    parts = [part.rpartition("}")[2] for part in params.subject.split("{")]  # the same in all messages
    return f"test to {params.test_to}" if params.test_to else "…".join(parts)


def preview(params: Params, find: Find, place: int) -> dict[str, Any]:
    """The message of the row at this place, from 1, as it would be sent; `trouble`: why it would not."""
    return mail.previewed(_mailing(params), _enclosures(params, find), _recipient_list(params, find), place)


def run(params: Params, context: Context) -> dict[str, Any]:
    began = time.monotonic()
    if not mail.is_configured():
        context.log(f"{mail.NOT_SET_UP}; SMTP_URL sets it up", "warning")
    recipients = _recipient_list(params, context.open)
    writing = MessageFields(params, context, recipients.columns)
    counts = context.map(
        writing.send,
        recipients.test(mail.parse_address(params.test_to)) if params.test_to else recipients.recipients(),
        key=lambda recipient: recipient.key,
        row=lambda recipient: recipient.row,
        total=1 if params.test_to else recipients.total(),
        concurrency=params.connections,
        using=writing.sender,
        ready=writing.ready,
        at_most_once=True,
        shared=params.warm_up is None,  # the hours count from this job's first attempt
    )
    return {
        "sent": counts.done,
        "failed": counts.failed,
        "skipped": counts.skipped,
        "unknown": counts.unknown,
        "went_to": mail.delivery_target() if mail.is_configured() else f"{mail.delivery_target()}, and to nobody",
        "test": bool(params.test_to),
        "seconds": round(time.monotonic() - began, 1),
        "outcomes": outcomes.ends(counts, "Sent", "What became of the messages"),
    }


class MessageFields:
    """One run of the mailing."""

    def __init__(self, params: Params, context: Context, columns: list[str]):
        self.params, self.context = params, context
        self.mailing = _mailing(params)
        self.files = _enclosures(params, context.open)
        self.tried = queue.written_in_try(context.job.job_id)
        self.failed = 0
        self.sender = BulkSender(
            context.job.owner,
            context.job.job_id,
            context.check,
            connections=params.connections,
            pace=_pace(params, context.once("began", time.time) if params.warm_up else 0.0),
            tries=params.tries,
        )
        self.names = [f"mail.{name}" if name in columns else name for name in (one.name for one in COLUMNS)]

    async def ready(self, recipient: Recipient) -> None:
        """Compose the message and wait for the rate limit, before its start is recorded. Raises if it is not to be sent."""
        self.context.check()
        self._look_at_limit()
        row = recipient.row
        if trouble := recipient.trouble or self.mailing.trouble(row) or self.files.trouble(row):
            raise trouble
        if recipient.key in self.tried:
            raise Skip("It got its message from the sample before this job.", reason="duplicate")
        if await self.sender.asked(mail.suppressed_among, [recipient.key], self.context.job.owner):
            raise Skip("This address is suppressed.", reason="suppressed")
        recipient.message = await self.sender.thread(self._message, recipient)
        await self.sender.turn()
        self.context.check()
        self._look_at_limit()

    async def send(self, recipient: Recipient, sender: BulkSender) -> dict[str, Any]:
        message = recipient.message
        recipient.message = None  # it may be large
        assert message is not None
        try:
            reply = await sender.hand_over(message)
        except (BadInput, Transient, OutcomeUnknown):
            self.failed += 1
            raise
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        to = self.params.test_to if self.params.test_to else str(recipient.to)
        return dict(zip(self.names, (to, str(reply), message["Message-ID"], now), strict=True))

    def _message(self, recipient: Recipient) -> EmailMessage:
        assert recipient.to is not None
        letter = self.mailing.letter(recipient.to, recipient.row)
        message_id = mail.message_id(letter.sender, str(self.context.job.job_id), recipient.key)
        subject = f"[Test] {letter.subject}" if self.params.test_to else letter.subject
        made = replace(letter, subject=subject, message_id=message_id)
        return mail.compose_message(made, self.files.attachments(recipient.row), self.files.inline)

    def _look_at_limit(self) -> None:
        if self.sender.refused:
            raise self.sender.refused
        failed = max(self.failed, self.context.failed)  # those of other workers are known once they are recorded
        if self.params.error_limit and failed >= self.params.error_limit:
            raise BudgetSpent(f"Stopped after {failed:,} messages that {OVER_LIMIT}", reason="error_limit")


def _recipient_list(params: Params, find: Find) -> RecipientList:
    return RecipientList(params.recipients, params.addresses, params.reading, params.address_column, find)


def _enclosures(params: Params, find: Find) -> Enclosures:
    """Raises BadInput for a file that is gone."""
    return Enclosures.found(find, params.attachments, params.pictures, params.personal_files, params.attachment_column)


def _pace(params: Params, began: float) -> SendingPace:
    return SendingPace(params.per_second, params.per_hour, params.warm_up, began)


def _mailing(params: Params) -> MailMerge:
    return MailMerge(
        sender=mail.parse_sender(params.from_),
        reply_to=mail.parse_address(params.reply_to) if params.reply_to.strip() else None,
        subject=parse_template(params.subject),
        text=parse_template(params.text),
        html=parse_template(params.html),
        unsubscribe=parse_template(params.list_unsubscribe),
        one_click=params.one_click,
        name_column=params.name_column or None,
        skip_errors=params.error_cells == "skip",
    )

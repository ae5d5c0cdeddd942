"""The outbox: messages that are stored instead of sent while mail is not set up. Each is an .eml file and a row."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_binary_file, policy
from email.message import EmailMessage
from typing import Any, BinaryIO
from uuid import UUID

from sqlalchemy import delete, func, select

from jobs.engine.db import postgres
from jobs.engine.db.models import OutboxMessage
from jobs.engine.db.records import Page, as_id, escaped, owned
from jobs.engine.errors import NotFound, QuotaExceeded
from jobs.engine.files import quota
from jobs.engine.files.storage import blob_storage
from jobs.engine.jsonsafe import clean_text

MOST_SHOWN = 500_000  # characters of a body
HEADERS = ("From", "To", "Reply-To", "Subject", "Date", "Message-ID", "List-Unsubscribe")


@dataclass(frozen=True)
class SmtpReply:
    """A mail server's reply to a message."""

    code: int
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.text}".strip()


@dataclass(frozen=True)
class MessagePart:
    """An attachment of a message; `place` is its number, from 0."""

    place: int
    name: str
    media_type: str
    bytes: int


@dataclass(frozen=True)
class OpenedMessage:
    """A message, parsed for reading. text and html are empty if it has none."""

    headers: list[tuple[str, str]]
    text: str
    html: str
    parts: list[MessagePart]


class OutboxSender:
    """A mail.Sender that stores the messages."""

    def __init__(self, owner: str, job_id: UUID | None = None):
        self._owner, self._job_id = owner, job_id

    def open(self) -> None:
        """Does nothing: there is no connection."""

    def send(self, message: EmailMessage) -> SmtpReply:
        """Store the message. Raises QuotaExceeded."""
        content = message.as_bytes()
        quota.check_quota(self._owner, len(content))
        blob = blob_storage().put(io.BytesIO(content), limit=None)
        row = OutboxMessage(
            owner=self._owner,
            job_id=self._job_id,
            message_id=message["Message-ID"],
            sender=str(message["From"]),
            recipient=str(message["To"]),
            subject=clean_text(str(message["Subject"] or "")),
            attachments=sum(1 for _ in message.iter_attachments()),
            bytes=blob.bytes,
            blob=blob.key,
        )
        try:
            with postgres.session() as session:
                quota.take_quota(session, self._owner, blob.bytes)
                session.add(row)
        except QuotaExceeded:
            blob_storage().delete(blob.key)
            raise
        return SmtpReply(250, "stored in the outbox; mail is not set up")

    def close(self) -> None:
        """Does nothing: there is no connection."""


def outbox_messages(
    owner: str, *, q: str | None = None, after: str | None = None, before: str | None = None, limit: int = 50
) -> Page[OutboxMessage]:
    """An owner's messages, newest first. `q` searches recipient and subject."""
    query = select(OutboxMessage).where(OutboxMessage.owner == owner)
    if q:
        words = f"%{escaped(q)}%"
        query = query.where(OutboxMessage.recipient.ilike(words) | OutboxMessage.subject.ilike(words))
    with postgres.session() as session:
        if before is not None:
            newer = query.where(OutboxMessage.id > as_id(before)).order_by(OutboxMessage.id).limit(limit + 1)
            rows = list(session.scalars(newer))
            more, rows = len(rows) > limit, rows[:limit][::-1]
            return Page(rows, str(rows[-1].id) if rows else None, str(rows[0].id) if more else None)
        older = query if after is None else query.where(OutboxMessage.id < as_id(after))
        rows = list(session.scalars(older.order_by(OutboxMessage.id.desc()).limit(limit + 1)))
    more, rows = len(rows) > limit, rows[:limit]
    return Page(rows, str(rows[-1].id) if more else None, str(rows[0].id) if rows and after is not None else None)


def outbox_message(message_id: str | UUID, owner: str) -> OutboxMessage:
    """One of the owner's messages. Raises NotFound."""
    with postgres.session() as session:
        return owned(session, OutboxMessage, message_id, owner)


def outbox_count(owner: str, most: int = 10_000) -> int:
    """The number of messages; not counted beyond `most`."""
    some = select(OutboxMessage.id).where(OutboxMessage.owner == owner).limit(most).subquery()
    with postgres.session() as session:
        return session.scalar(select(func.count()).select_from(some)) or 0


def open_outbox_message(row: OutboxMessage) -> OpenedMessage:
    """A message, parsed for reading."""
    parsed = _parsed(row)
    headers = [(name, str(value).strip()) for name in HEADERS for value in parsed.get_all(name, [])]
    parts = [
        MessagePart(place, part.get_filename() or f"attachment {place + 1}", part.get_content_type(), len(_bytes(part)))
        for place, part in enumerate(parsed.iter_attachments())
    ]
    return OpenedMessage(headers, _body(parsed, "plain"), _body(parsed, "html"), parts)


def outbox_source(row: OutboxMessage) -> BinaryIO:
    """The message as it would have been sent."""
    return blob_storage().open(row.blob)


def outbox_part(row: OutboxMessage, place: int) -> tuple[MessagePart, bytes]:
    """An attachment of a message and its bytes. Raises NotFound."""
    for at, part in enumerate(_parsed(row).iter_attachments()):
        if at == place:
            content = _bytes(part)
            name = part.get_filename() or f"attachment {at + 1}"
            return MessagePart(at, name, part.get_content_type(), len(content)), content
    raise NotFound("There is no such attachment in this message.")


def clear_outbox(owner: str) -> int:
    """Delete all messages of an owner. Returns their number."""
    deleted = 0
    for blobs in _forgotten(owner):
        for blob in blobs:
            blob_storage().delete(blob)
        deleted += len(blobs)
    return deleted


def _forgotten(owner: str) -> Iterator[list[str]]:
    """Delete rows in batches, and yield their blobs."""
    while True:
        with postgres.session() as session:
            some = select(OutboxMessage.id).where(OutboxMessage.owner == owner).limit(500)
            removed = delete(OutboxMessage).where(OutboxMessage.id.in_(some)).returning(OutboxMessage.blob)
            blobs = list(session.scalars(removed))
        if not blobs:
            return
        yield blobs


def _parsed(row: OutboxMessage) -> Any:
    with outbox_source(row) as stream:
        return message_from_binary_file(stream, policy=policy.default)


def _body(parsed: Any, kind: str) -> str:
    found = parsed.get_body(preferencelist=(kind,))
    return found.get_content()[:MOST_SHOWN] if found else ""


def _bytes(part: Any) -> bytes:
    return part.get_payload(decode=True) or b""

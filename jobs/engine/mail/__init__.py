"""Mail: composing, sending one or many messages, the outbox, suppressed addresses."""

from __future__ import annotations

from jobs.engine.mail.addresses import has_control_characters, parse_address
from jobs.engine.mail.bulk_sender import BulkSender, SendingPace
from jobs.engine.mail.compose import OutgoingMail, compose_message, message_digest, message_id
from jobs.engine.mail.enclosures import Enclosures
from jobs.engine.mail.mail_merge import MailMerge, merge_errors
from jobs.engine.mail.outbox import (
    clear_outbox,
    open_outbox_message,
    outbox_count,
    outbox_message,
    outbox_messages,
    outbox_part,
    outbox_source,
)
from jobs.engine.mail.previews import address_errors, previewed
from jobs.engine.mail.recipients import Recipient, RecipientList
from jobs.engine.mail.senders import parse_sender
from jobs.engine.mail.smtp import NOT_SET_UP, delivery_target, is_configured
from jobs.engine.mail.suppressions import allow_address, list_suppressed, suppress_addresses, suppressed_among

__all__ = [
    "NOT_SET_UP",
    "BulkSender",
    "Enclosures",
    "MailMerge",
    "OutgoingMail",
    "Recipient",
    "RecipientList",
    "SendingPace",
    "address_errors",
    "allow_address",
    "clear_outbox",
    "compose_message",
    "delivery_target",
    "has_control_characters",
    "is_configured",
    "list_suppressed",
    "merge_errors",
    "message_digest",
    "message_id",
    "open_outbox_message",
    "outbox_count",
    "outbox_message",
    "outbox_messages",
    "outbox_part",
    "outbox_source",
    "parse_address",
    "parse_sender",
    "previewed",
    "suppress_addresses",
    "suppressed_among",
]

"""Mail: composing, sending one or many messages, the outbox, suppressed addresses."""

from __future__ import annotations

from jobs.engine.mail.addresses import has_control_characters, parse_address
from jobs.engine.mail.bulk_sender import BulkSender
from jobs.engine.mail.compose import OutgoingMail, compose_message, mail_attachment, message_id
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
from jobs.engine.mail.recipients import Recipient, RecipientList
from jobs.engine.mail.senders import parse_sender
from jobs.engine.mail.smtp import NOT_SET_UP, delivery_target, is_configured
from jobs.engine.mail.suppressions import allow_address, list_suppressed, suppress_addresses, suppressed_among

__all__ = [
    "NOT_SET_UP",
    "BulkSender",
    "MailMerge",
    "OutgoingMail",
    "Recipient",
    "RecipientList",
    "allow_address",
    "clear_outbox",
    "compose_message",
    "delivery_target",
    "has_control_characters",
    "is_configured",
    "list_suppressed",
    "mail_attachment",
    "merge_errors",
    "message_id",
    "open_outbox_message",
    "outbox_count",
    "outbox_message",
    "outbox_messages",
    "outbox_part",
    "outbox_source",
    "parse_address",
    "parse_sender",
    "suppress_addresses",
    "suppressed_among",
]

"""What a mailing would send, before it is sent."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from jobs.engine.errors import BadInput, FieldError
from jobs.engine.mail.addresses import parse_address
from jobs.engine.mail.compose import compose_message
from jobs.engine.mail.enclosures import Enclosures
from jobs.engine.mail.mail_merge import MailMerge
from jobs.engine.mail.recipients import RecipientList
from jobs.engine.mail.senders import parse_sender

HEADERS = ("From", "To", "Reply-To", "Subject")


def previewed(merge: MailMerge, files: Enclosures, recipients: RecipientList, place: int) -> dict[str, Any]:
    """The message of the row at this place, from 1; `trouble`: why it would not. Raises BadInput if there is no such row."""
    for recipient in itertools.islice(recipients.recipients(), place - 1, place):
        row = recipient.row
        trouble = recipient.trouble or merge.trouble(row) or files.trouble(row)
        shown: dict[str, Any] = {"place": place, "trouble": trouble and trouble.message}
        try:
            letter = recipient.to and merge.letter(recipient.to, row)
            message = letter and compose_message(letter)
        except BadInput as error:
            return shown | {"trouble": error.message}
        if letter and message:
            headers = [(name, str(message[name])) for name in HEADERS if message[name]]
            headers += [("List-Unsubscribe", letter.unsubscribe)] if letter.unsubscribe else []
            headers += [("Attached", name) for name in files.names(row)] if trouble is None else []
            shown |= {"headers": headers, "text": letter.plain, "html": letter.html}
        return shown
    raise BadInput(f"There is no row {place:,} in this table.")


def address_errors(sender: str, others: Mapping[str, str]) -> list[FieldError]:
    """What is wrong with the address that a mailing is from, and with others, by field; those may be empty."""
    errors = []
    for field, written in {"from": sender, **others}.items():
        try:
            if written.strip() or field == "from":
                (parse_sender if field == "from" else parse_address)(written)
        except BadInput as error:
            errors.append(FieldError(field, error.message))
    return errors

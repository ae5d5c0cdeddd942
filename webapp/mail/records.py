"""Mail in the outbox and suppressed addresses, as the API shows them."""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from webapp.api.records import Body, Located, Moment, Next, Record, Whole


class MessageRow(Located):
    """A message in the outbox. `url` is the message as an .eml file."""

    ADDRESS: ClassVar[str] = "/outbox/{row.id}/message.eml"

    id: UUID
    job: Annotated[UUID | None, Field(validation_alias="job_id", description="The job that wrote it.")]
    message_id: str
    sender: Annotated[str, Field(serialization_alias="from")]
    recipient: Annotated[str, Field(serialization_alias="to")]
    subject: str
    attachments: Annotated[Whole, Field(description="How many files are attached.")]
    bytes: Whole
    created_at: Moment


class MailHeader(Record):
    """A header of a message."""

    name: str
    value: str


class MessageRecord(MessageRow):
    """A message with its headers and its texts; `text` and `html` are empty if it has none."""

    headers: list[MailHeader]
    text: str
    html: str


class Messages(Record):
    """A page of messages."""

    messages: list[MessageRow]
    next: Next


class SuppressionRecord(Record):
    """An address that no mail is sent to."""

    address: str
    created_at: Moment


class Suppressions(Record):
    """A page of addresses."""

    suppressions: list[SuppressionRecord]
    next: Next


class Suppress(Body):
    """Addresses that no mail is sent to any more: a list, or a text with one on each line."""

    addresses: str | list[str]


class Suppressed(Record):
    """How many of the addresses were not on the list before."""

    added: Whole

"""One message for each row of a table: who is written to, and what the row makes of the templates."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any
from urllib.parse import quote

from jobs.engine import addresses, templates
from jobs.engine.addresses import Address
from jobs.engine.errors import BadInput, LegworkError, Skip
from jobs.engine.letters import Letter
from jobs.engine.templates import Template, as_text

USUAL_NAMES = ("email", "e-mail", "email address", "e-mail address", "emailaddress", "mail", "mail address", "address")
_LINK = re.compile(r"(https://|mailto:)[!#-;=?-~]+")
_SCRIPT = re.compile(r"<\s*script\b", re.IGNORECASE)


@dataclass
class Recipient:
    """One row on its way. `trouble` is why it is not written to."""

    key: str
    row: dict[str, Any]
    to: Address | None = None
    trouble: LegworkError | None = None
    message: EmailMessage | None = None


@dataclass(frozen=True)
class Mailing:
    """What is the same for every recipient."""

    sender: Address
    reply_to: Address | None
    subject: Template
    text: Template
    html: Template
    unsubscribe: Template
    one_click: bool
    name_column: str | None

    def letter(self, to: Address, row: Mapping[str, Any]) -> Letter:
        """Raises BadInput where a value of the row cannot stand where the template puts it."""
        name = _line(Template(((self.name_column,),)), row, "address") if self.name_column else to.name
        return Letter(
            to=Address(name, to.local, to.domain),
            sender=self.sender,
            subject=_line(self.subject, row, "subject"),
            text=self.text.render(row),
            html=_with(self.html, row, html.escape),
            reply_to=self.reply_to,
            unsubscribe=self._link(row),
            one_click=self.one_click,
        )

    def _link(self, row: Mapping[str, Any]) -> str:
        link = _with(self.unsubscribe, row, lambda value: quote(value, safe=""))
        if link and not _LINK.fullmatch(link):
            raise BadInput(
                "The address for unsubscribing does not come out as an https: or mailto: address for this row."
            )
        return link


def recipients(rows: Iterable[dict[str, Any]], column: str) -> Iterator[Recipient]:
    """Who the rows are about, in their order. An address that came before is in trouble, and so is a row without one.

    Holds 16 bytes of each address, and nothing else of it.
    """
    seen: dict[bytes, int] = {}
    for place, row in enumerate(rows, start=1):
        found = _recipient(place, row, column)
        if found.to is not None:
            digest = hashlib.blake2b(found.key.encode(), digest_size=16).digest()
            if (before := seen.setdefault(digest, place)) != place:
                found = Recipient(
                    f"row {place}", row, trouble=Skip(f"Same address as row {before}.", reason="duplicate")
                )
        yield found


def address_column(columns: Sequence[str], first: Sequence[Mapping[str, Any]]) -> str | None:
    """The column that holds the addresses, by its name or else by its values; None where that cannot be told."""
    for usual in USUAL_NAMES:
        for column in columns:
            if column.strip().casefold().replace("_", " ") == usual:
                return column
    full = [column for column in columns if first and all("@" in as_text(row.get(column)) for row in first)]
    return full[0] if len(full) == 1 else None


def wrong(text: str, columns: Sequence[str], table: str) -> list[str]:
    """What is wrong with a template, in sentences. It need not name a column."""
    try:
        return templates.parse(text).unknown(columns, table)
    except BadInput as error:
        return [error.message]


def wrong_html(text: str) -> str | None:
    if _SCRIPT.search(text):
        return "No mail program runs scripts, and many refuse the message for them. Take the <script> out."
    return None


def wrong_link(text: str) -> str | None:
    if text and not text.startswith(("https://", "mailto:")):
        return "This must begin with https:// or mailto:."
    return None


def _recipient(place: int, row: dict[str, Any], column: str) -> Recipient:
    cell = as_text(row.get(column))
    if not cell.strip():
        return Recipient(f"row {place}", row, trouble=Skip(f"There is no address in the column “{column}”."))
    try:
        to = addresses.parse(cell)
    except BadInput as error:
        return Recipient(f"row {place}", row, trouble=error)
    return Recipient(to.key, row, to)


def _line(template: Template, row: Mapping[str, Any], where: str) -> str:
    """Rendered for a header: a line break in a value would begin a header of its own."""
    for column in template.columns:
        if addresses.has_control(as_text(row.get(column))):
            raise BadInput(
                f"The column “{column}” has a line break or another control character in it, "
                f"which cannot stand in the {where} of a message."
            )
    return " ".join(template.render(row).split())


def _with(template: Template, row: Mapping[str, Any], change: Callable[[str], str]) -> str:
    return template.render({column: change(as_text(row.get(column))) for column in template.columns})

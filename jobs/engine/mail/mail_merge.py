"""Mail merge: fills the templates of a mailing with the values of a row."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from jobs.engine.display import as_text
from jobs.engine.errors import BadInput, FieldError, Skip
from jobs.engine.formats import text_templates
from jobs.engine.formats.tables import as_shown, unknown_sentence
from jobs.engine.formats.text_templates import Template
from jobs.engine.mail import addresses
from jobs.engine.mail.addresses import Address
from jobs.engine.mail.compose import OutgoingMail
from jobs.engine.sandbox import sanitize_html

_LINK = re.compile(r"(https://|mailto:)[!#-;=?-~]+")
_SCRIPT = re.compile(r"<\s*script\b", re.IGNORECASE)


@dataclass(frozen=True)
class MailMerge:
    """The templates and addresses that all messages of a mailing share."""

    sender: Address
    reply_to: Address | None
    subject: Template
    text: Template
    html: Template
    unsubscribe: Template
    one_click: bool
    name_column: str | None
    skip_errors: bool = False

    def trouble(self, row: Mapping[str, Any]) -> Skip | None:
        """Why this row gets no message: a cell that it would be made of holds an error instead of a value."""
        sentence = unknown_sentence(row, self.columns(row)) if self.skip_errors else None
        return Skip(sentence, reason="error_cell") if sentence else None

    def letter(self, to: Address, row: Mapping[str, Any]) -> OutgoingMail:
        """The mail for one row. Raises BadInput for a value that is not allowed where the template uses it."""
        row = as_shown(row)
        name = _line(Template(((self.name_column,),)), row, "address") if self.name_column else to.name
        return OutgoingMail(
            to=Address(name, to.local, to.domain),
            sender=self.sender,
            subject=_line(self.subject, row, "subject"),
            text=self.text.render(row),
            html=self.html.render(row, html.escape),
            reply_to=self.reply_to,
            unsubscribe=self._link(row),
            one_click=self.one_click,
        )

    def columns(self, row: Mapping[str, Any]) -> set[str]:
        """The columns that the message of a row is made of."""
        templates = (self.subject, self.text, self.html, self.unsubscribe)
        named = {self.name_column} if self.name_column else set()
        return named.union(*(template.columns_among(row) for template in templates))

    def _link(self, row: Mapping[str, Any]) -> str:
        link = self.unsubscribe.render(row, lambda value: quote(value, safe=""))
        if link and not _LINK.fullmatch(link):
            raise BadInput("The unsubscribe address of this row is not an https: or mailto: address.")
        return link


def merge_errors(written: Mapping[str, str], columns: Sequence[str], table: str) -> list[FieldError]:
    """Errors in the templates, by field: subject, text, html and list_unsubscribe."""
    errors = [
        FieldError(field, sentence)
        for field, text in written.items()
        for sentence in _template_errors(text, columns, table)
    ]
    if addresses.has_control_characters(written["subject"]):
        errors.append(FieldError("subject", "The subject has a line break or another control character in it."))
    if not written["subject"].strip():
        errors.append(FieldError("subject", "Write a subject."))
    if not (written["text"].strip() or written["html"].strip()):
        errors.append(FieldError("text", "Write the message, as text or as HTML."))
    if _SCRIPT.search(written["html"]):
        no_scripts = "Mail programs do not run scripts, and many reject such a message. Remove the <script>."
        errors.append(FieldError("html", no_scripts))
    try:
        sanitize_html.check(written["html"])
    except BadInput as error:
        errors.append(FieldError("html", error.message))
    if written["list_unsubscribe"] and not written["list_unsubscribe"].startswith(("https://", "mailto:")):
        errors.append(FieldError("list_unsubscribe", "This must begin with https:// or mailto:."))
    return errors


def _template_errors(text: str, columns: Sequence[str], table: str) -> list[str]:
    try:
        return text_templates.parse_template(text).unknown(columns, table)
    except BadInput as error:
        return [error.message]


def _line(template: Template, row: Mapping[str, Any], where: str) -> str:
    """Render for a header. Line breaks, which would inject a header, become blanks; other control characters are refused."""
    for column in template.columns_among(row):
        if addresses.has_control_characters(" ".join(as_text(row.get(column)).split())):
            raise BadInput(
                f"The column “{column}” has a control character in it, which is not allowed in the {where} of a message."
            )
    return " ".join(template.render(row).split())

"""Composes mail messages, safe from header and SMTP injection by untrusted text."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Sequence
from dataclasses import dataclass
from email.headerregistry import Address as HeaderAddress
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, localtime
from html.parser import HTMLParser

from jobs.engine.errors import BadInput
from jobs.engine.files.inputs import Input
from jobs.engine.mail import headers, inline
from jobs.engine.mail.addresses import Address, has_control_characters
from jobs.engine.mail.inline import MailAttachment
from jobs.engine.sandbox import sanitize_html

HEADERS = headers.registry()
LONGEST_SUBJECT = 500
LONGEST_LINK = 900  # a line of a message has at most 998 characters, and a link is never folded
ENCODED = (
    "=?"  # begins an encoded word (RFC 2047), which Python's email package decodes and which can hold a line break
)


@dataclass(frozen=True)
class OutgoingMail:
    """The contents of a message to one person, for `compose_message`."""

    to: Address
    sender: Address
    subject: str
    text: str = ""
    html: str = ""
    reply_to: Address | None = None
    unsubscribe: str = ""  # an https: or mailto: address
    one_click: bool = False
    message_id: str = ""

    @property
    def plain(self) -> str:
        """The text, or the plain text of the HTML if there is only that."""
        return self.text if self.text.strip() or not self.html else plain_text_of(self.html)


def compose_message(
    letter: OutgoingMail, attachments: Sequence[MailAttachment] = (), pictures: Sequence[MailAttachment] = ()
) -> EmailMessage:
    """The message to send. Raises BadInput for a header that is not one line, and for HTML that is nested too deeply.

    pictures: those of the HTML, which names them as cid:logo.png.
    """
    addresses = [letter.to, letter.sender, *([letter.reply_to] if letter.reply_to else [])]
    ascii_only = all(address.local.isascii() for address in addresses)
    made = EmailMessage(policy=(SMTP if ascii_only else SMTPUTF8).clone(cte_type="7bit", header_factory=HEADERS))
    made["From"] = _header(letter.sender)
    made["To"] = _header(letter.to)
    if letter.reply_to:
        made["Reply-To"] = _header(letter.reply_to)
    made["Subject"] = one_line(letter.subject, "subject")
    made["Date"] = format_datetime(localtime())
    made["Message-ID"] = letter.message_id or message_id(letter.sender, str(letter.to), made["Date"], letter.subject)
    if letter.unsubscribe:
        made["List-Unsubscribe"] = f"<{one_line(letter.unsubscribe, 'List-Unsubscribe', LONGEST_LINK)}>"
        if letter.one_click:
            made["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    made.set_content(letter.plain)
    if letter.html:
        sanitize_html.check(letter.html)
        inline.add_html(made, letter.html, pictures, letter.sender.domain)
    for attachment in attachments:
        main, _, sub = _media_type(attachment).partition("/")
        made.add_attachment(attachment.content, main, sub, filename=_file_name(attachment.name))
    return made


def mail_attachment(file: Input) -> MailAttachment:
    """An attachment, read into memory."""
    with file.path() as path:
        return MailAttachment(file.name, file.media_type, path.read_bytes())


def message_id(sender: Address, *about: str) -> str:
    """A deterministic Message-ID: the same for the same arguments, so that a mail client can recognise a duplicate."""
    return f"<{message_digest(*about)}@{sender.domain}>"


def message_digest(*about: str) -> str:
    """The part of a Message-ID before its @."""
    return hashlib.sha256("\n".join(about).encode()).hexdigest()[:40]


def one_line(text: str, what: str, most: int = LONGEST_SUBJECT) -> str:
    """The text, if it is valid in a header. Raises BadInput."""
    if has_control_characters(text):
        raise BadInput(f"The {what} would have a line break or another control character in it.")
    if ENCODED in text:
        raise BadInput(f"The {what} would have {ENCODED} in it, which mail programs read as the start of encoded text.")
    if len(text) > most:
        raise BadInput(f"The {what} would be longer than {most} characters.")
    return text


def as_line(text: str) -> str:
    """The text as `one_line` takes it: a blank for each line break, control character and mark of direction in it."""
    plain = "".join(" " if has_control_characters(letter) else letter for letter in text).replace(ENCODED, "= ?")
    return " ".join(plain.split())[:LONGEST_SUBJECT]


def plain_text_of(html: str) -> str:
    """The plain text of an HTML body."""
    reader = _TextReader()
    reader.feed(sanitize_html.sanitized(html, {"a", *_TextReader.BREAKS}, _TextReader.SILENT))
    reader.close()
    lines = [" ".join(line.split()) for line in "".join(reader.said).split("\n")]
    return "\n".join(line for place, line in enumerate(lines) if line or (place and lines[place - 1])).strip() + "\n"


class _TextReader(HTMLParser):
    BREAKS = ("p", "br", "div", "tr", "li", "h1", "h2", "h3", "h4", "table", "ul", "ol", "hr", "blockquote")
    SILENT = {"style", "script", "head", "title"}  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._link = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._link = dict(attrs).get("href") or "" if tag == "a" else self._link
        if tag in self.BREAKS:
            self.said.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self._link and self._link not in "".join(self.said[-1:]):
            self.said.append(f" ({self._link})")
            self._link = ""
        if tag in self.BREAKS:
            self.said.append("\n")

    def handle_data(self, data: str) -> None:
        self.said.append(data.replace("\n", " "))


def _header(address: Address) -> HeaderAddress:
    return HeaderAddress(one_line(address.name, "name"), address.local, address.domain)


def _media_type(attachment: MailAttachment) -> str:
    known = attachment.media_type or mimetypes.guess_type(attachment.name)[0] or ""
    media_type = known.split(";")[0].strip()
    usable = (
        media_type.count("/") == 1 and media_type.isascii() and not media_type.startswith(("message/", "multipart/"))
    )
    return media_type if usable and not has_control_characters(media_type) else "application/octet-stream"


def _file_name(name: str) -> str:
    plain = "".join("_" if has_control_characters(character) else character for character in name)
    return plain.replace(ENCODED, "__")[:200] or "file"

"""Mails: who wrote to whom, the subject, what is readable of the body, and the attachments. A mailbox (MBOX) is several of them."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Iterator
from email.errors import HeaderParseError
from email.message import EmailMessage, Message
from pathlib import Path
from urllib.parse import unquote_to_bytes

from jobs.engine.formats.extraction import attached, mail_bodies
from jobs.engine.formats.extraction.attached import AttachedFile, Find
from jobs.engine.formats.extraction.charsets import decoded, is_broken, text_of
from jobs.engine.formats.extraction.runner import Extracted

HEADERS = ("From", "To", "Cc", "Date")
UNREADABLE = (
    ValueError,
    IndexError,
    LookupError,
    AttributeError,
    TypeError,
    HeaderParseError,
)  # raised for bad headers
MOST_MAILS = 1_000  # of a mailbox
ENCRYPTED = "The mail is encrypted. What is in it cannot be read here."
_POSTMARK = rb"From \S+ [^\r\n]*[0-9]{4}[^\r\n]*"  # begins each mail of a mailbox
BEGINS_MAILBOX = re.compile(_POSTMARK)
_BETWEEN = re.compile(rb"(?:\A|\r?\n\r?\n)" + _POSTMARK + rb"\r?\n")
_LONG_NAME = re.compile(r"name\*=\s*\"?([\w-]*)'[^']*'([^;\"]+)", re.I)  # RFC 2231
_BARE_NAME = re.compile(r"name=([^\s\";=][^\";]*)", re.I)  # with blanks, which want quotes


def read(path: Path, name: str, ocr: bool, find: Find) -> Extracted:
    data = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    mails = [part for part in _BETWEEN.split(data) if part.strip()] if BEGINS_MAILBOX.match(data) else [data]
    found = [_read(one, ocr, find) for one in mails[:MOST_MAILS]]
    if len(mails) == 1:
        return found[0]
    text = "\n\n".join(f"# {one.title or 'Mail'}\n\n{one.text}" for one in found)
    notes = list(dict.fromkeys(one.note for one in found if one.note))
    if len(mails) > MOST_MAILS:
        notes.insert(0, f"The first {MOST_MAILS:,} of {len(mails):,} mails were read.")
    return Extracted("application/mbox", text, "", None, {"mails": len(mails)}, "", " ".join(notes[:3]))


def _read(data: bytes, ocr: bool, find: Find) -> Extracted:
    message = email.message_from_bytes(data, policy=email.policy.default)
    lines = [f"{header}: {value}" for header in HEADERS if (value := _header(message, header))]
    encrypted = mail_bodies.is_encrypted(message)
    body = mail_bodies.MailTexts(Message() if encrypted else message)
    files = [] if encrypted else list(_files(message, body))
    texts, note = attached.read(files, ocr, find)
    meta = {"from": _header(message, "From"), "attachments": [file.name[:200] for file in files[:100]]}
    text = "\n\n".join(filter(None, ["\n".join(lines), body.text, texts]))
    return Extracted(
        "message/rfc822", text, _header(message, "Subject"), None, meta, "", ENCRYPTED if encrypted else note
    )


def _header(message: EmailMessage, name: str) -> str:
    """A header as one line; mails come with all sorts."""
    raw = next((str(value) for key, value in message.raw_items() if key.lower() == name.lower()), "")
    try:
        shown = str(message.get(name, ""))
    except UNREADABLE:
        shown = "\ufffd"
    shown = (
        decoded(re.sub(r"\r?\n(?=[ \t])", "", raw)) if is_broken(shown) or is_broken(raw.replace("=?", "")) else shown
    )
    return " ".join(shown.split())[:1_000]


def _files(message: EmailMessage, body: mail_bodies.MailTexts) -> Iterator[AttachedFile]:
    """The attachments, with their names; a mail that is nothing but a file has itself."""
    if not message.is_multipart() and message.get_content_maintype() != "text":
        yield AttachedFile(_file_name(message), _content(message))
        return
    try:
        parts = list(message.iter_attachments())
    except UNREADABLE:
        parts = [part for part in message.walk() if not part.is_multipart() and isinstance(part, EmailMessage)]
    for part in parts:
        if not any(part is one for one in body.parts):
            yield AttachedFile(_file_name(part), _content(part))


def _file_name(part: Message) -> str:
    """The name in RFC 2231, in encoded words or in bare bytes, without folders; else what type of content it is."""
    try:
        name = part.get_filename() or ""
    except UNREADABLE:
        name = "\ufffd"
    given = " ; ".join(str(value) for key, value in part.raw_items() if key.lower() == "content-disposition")
    if "\ufffd" in name and (long := _LONG_NAME.search(given)):
        name = text_of(unquote_to_bytes(long[2]), long[1])
    elif "\ufffd" in name:  # bytes of another encoding than UTF-8
        name = _raw_file_name(part)
    elif name and (bare := _BARE_NAME.search(decoded(given))) and bare[1].startswith(name):
        name = bare[1]
    inner = part.get_payload()
    if not name and part.get_content_type() == "message/rfc822" and isinstance(inner, list):
        name = "".join(f"{decoded(str(one.get('Subject', '')))}.eml" for one in inner[:1] if isinstance(one, Message))
    name = re.split(r"[\\/]", decoded(name))[-1]
    return " ".join(name.split()) or part.get_content_type()


def _raw_file_name(part: Message) -> str:
    old = Message(policy=email.policy.compat32)
    for key, value in part.raw_items():
        if key.lower() in ("content-disposition", "content-type"):
            old[key] = decoded(str(value))
    try:
        name = old.get_filename("")
    except UNREADABLE:
        return ""
    return name if isinstance(name, str) else ""


def _content(part: Message) -> bytes:
    inner = part.get_payload()
    if isinstance(
        inner, list
    ):  # a mail in the mail; in base64, though RFC 2046 forbids it, it has no header of its own
        mails = [one for one in inner if isinstance(one, Message)]
        if str(part.get("content-transfer-encoding", "")).strip().lower() == "base64" and not any(map(len, mails)):
            return b"".join(mail_bodies.from_base64(str(one.get_payload()))[0] for one in mails)
        return b"\n".join(one.as_bytes() for one in mails)
    raw = part.get_payload(decode=True)
    return raw if isinstance(raw, bytes) else b""

"""Mails: who wrote to whom, the subject, what is readable of the body, and the attachments."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Iterator
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from pathlib import Path

from jobs.engine.formats.extraction import attached
from jobs.engine.formats.extraction.attached import AttachedFile, Find
from jobs.engine.formats.extraction.plain import of_html
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
_RAW = re.compile("[\udc80-\udcff]")  # bytes that were not ASCII, as the email package keeps them


def read(path: Path, name: str, ocr: bool, find: Find) -> Extracted:
    with path.open("rb") as opened:
        message = email.message_from_binary_file(opened, policy=email.policy.default)
    lines = [f"{header}: {value}" for header in HEADERS if (value := _header(message, header))]
    files = list(_files(message))
    texts, note = attached.read(files, ocr, find)
    meta = {"from": _header(message, "From"), "attachments": [file.name[:200] for file in files[:100]]}
    text = "\n\n".join(filter(None, ["\n".join(lines), _body(message).strip(), texts]))
    return Extracted("message/rfc822", text, _header(message, "Subject"), None, meta, "", note)


def _header(message: EmailMessage, name: str) -> str:
    """A header as one line; mails come with all sorts."""
    raw = next((str(value) for key, value in message.raw_items() if key.lower() == name.lower()), "")
    try:
        shown = decoded(raw) if _RAW.search(raw) else str(message.get(name, ""))
    except UNREADABLE:
        shown = decoded(raw)
    return " ".join(shown.split())[:1_000]


def decoded(raw: str) -> str:
    """A header or a parameter as text: of encoded words, also where they may not stand, or of bare bytes of any encoding."""
    text = encoded.decode("utf-8") if (encoded := _bytes(raw)) and _is_utf8(encoded) else _guessed(encoded)
    try:
        return str(make_header(decode_header(text))) if "=?" in text else text
    except UNREADABLE:
        return text


def _bytes(raw: str) -> bytes:
    return raw.encode("utf-8", "surrogateescape")


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _guessed(raw: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(raw, cp_isolation=["cp1252", "cp1251", "cp932", "gb18030", "big5", "cp949", "cp1253"]).best()
    return str(best) if best else raw.decode("cp1252", "replace")


def _files(message: EmailMessage) -> Iterator[AttachedFile]:
    """The attachments, with their names; a mail that is nothing but a file has itself."""
    if not message.is_multipart() and message.get_content_maintype() != "text":
        yield AttachedFile(_file_name(message), _content(message))
        return
    try:
        parts = list(message.iter_attachments())
    except UNREADABLE:
        parts = [part for part in message.walk() if part.get_filename() and isinstance(part, EmailMessage)]
    for part in parts:
        yield AttachedFile(_file_name(part), _content(part))


def _file_name(part: Message) -> str:
    """The name in RFC 2231, in encoded words or in bare bytes; else what type of content it is."""
    try:
        name = part.get_filename() or ""
    except UNREADABLE:
        name = "\ufffd"
    if "\ufffd" in name:  # bytes of another encoding than UTF-8
        name = _raw_file_name(part)
    inner = part.get_payload()
    if not name and part.get_content_type() == "message/rfc822" and isinstance(inner, list):
        name = "".join(f"{decoded(str(one.get('Subject', '')))}.eml" for one in inner[:1] if isinstance(one, Message))
    name = decoded(name) if "=?" in name or _RAW.search(name) else name
    return " ".join(name.split()) or part.get_content_type()


def _raw_file_name(part: Message) -> str:
    old = Message(policy=email.policy.compat32)
    for key, value in part.raw_items():
        if key.lower() in ("content-disposition", "content-type"):
            old[key] = decoded(str(value))
    name = old.get_filename("")
    return name if isinstance(name, str) else ""


def _content(part: Message) -> bytes:
    inner = part.get_payload()
    if isinstance(inner, list):
        return b"\n".join(one.as_bytes() for one in inner if isinstance(one, Message))
    raw = part.get_payload(decode=True)
    return raw if isinstance(raw, bytes) else b""


def _body(message: EmailMessage) -> str:
    try:
        part = message.get_body(("plain", "html"))
    except UNREADABLE:
        part = next((one for one in message.walk() if one.get_content_type() in ("text/plain", "text/html")), None)
    if part is None:
        return ""
    raw = part.get_payload(decode=True)
    text = _text(raw if isinstance(raw, bytes) else b"", part.get_content_charset())
    return of_html(text)[1] if part.get_content_type() == "text/html" else text


def _text(raw: bytes, charset: str | None) -> str:
    """A body in the encoding that it names. Where it names none, or ASCII and is not, the encoding is guessed."""
    try:
        return raw.decode(charset or "ascii", "replace" if charset and charset != "us-ascii" else "strict")
    except (LookupError, UnicodeDecodeError):
        return raw.decode("utf-8") if _is_utf8(raw) else _guessed(raw)

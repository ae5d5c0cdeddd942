"""Mails: who wrote to whom, the subject, and what is readable of the body. Attachments are named, not opened."""

from __future__ import annotations

import email
import email.policy
import tempfile
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from jobs.engine.formats.extraction import office
from jobs.engine.formats.extraction.runner import Extracted

HEADERS = ("From", "To", "Cc", "Date")


def read(path: Path, name: str, ocr: bool) -> Extracted:
    with path.open("rb") as opened:
        message = email.message_from_binary_file(opened, policy=email.policy.default)
    subject = _header(message, "Subject")
    lines = [f"{header}: {value}" for header in HEADERS if (value := _header(message, header))]
    attached = [part.get_filename() or part.get_content_type() for part in message.iter_attachments()]
    meta: dict[str, Any] = {"from": _header(message, "From"), "attachments": [str(one)[:200] for one in attached[:100]]}
    text = "\n".join(lines) + "\n\n" + _body(message)
    note = f"{len(attached)} attachments are named but not read; upload them by themselves." if attached else ""
    return Extracted("message/rfc822", text.strip(), subject, None, meta, "", note)


def _header(message: EmailMessage, name: str) -> str:
    """A header as one line; mails come with all sorts."""
    try:
        return " ".join(str(message.get(name, "")).split())[:1_000]
    except (ValueError, IndexError, LookupError, AttributeError, TypeError):
        return ""


def _body(message: EmailMessage) -> str:
    part = message.get_body(("plain", "html"))
    if part is None:
        return ""
    raw = part.get_payload(decode=True)
    text = _decoded(raw if isinstance(raw, bytes) else b"", part.get_content_charset() or "utf-8")
    return _of_html(text) if part.get_content_type() == "text/html" else text


def _decoded(raw: bytes, charset: str) -> str:
    try:
        return raw.decode(charset, "replace")
    except LookupError:
        return raw.decode("utf-8", "replace")


def _of_html(html: str) -> str:
    with tempfile.NamedTemporaryFile("w", suffix=".html", encoding="utf-8", errors="replace") as page:
        page.write(html)
        page.flush()
        return office.by_pandoc(Path(page.name), "html")[1]

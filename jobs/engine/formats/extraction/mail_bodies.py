"""The readable texts of a mail: its body as text, else as HTML, and further texts that are no files."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from email.message import Message

from jobs.engine.formats.extraction.charsets import declared, text_of
from jobs.engine.formats.extraction.plain import of_html

TEXTS = ("text/plain", "text/html")
UNREADABLE = (ValueError, IndexError, LookupError, AttributeError, TypeError)  # raised for bad headers
_GOES_ON = re.compile(r"(?<!^--)(?<!\n--) \r?\n(?!>|--)")
_NO_BASE64 = re.compile(r"[^A-Za-z0-9+/=\s]|=\s*[A-Za-z0-9+/]")


class MailTexts:
    """The texts of a mail, in their order. `parts` are those that they were taken from."""

    def __init__(self, message: Message) -> None:
        self.parts: list[Message] = []
        self.text = "\n\n".join(self._texts(message))

    def _texts(self, part: Message) -> Iterator[str]:
        inner = part.get_payload()
        if part.get_content_type() == "message/rfc822":
            return
        if isinstance(inner, list):
            parts = [one for one in inner if isinstance(one, Message)]
            alternatives = part.get_content_type() == "multipart/alternative"
            yield from self._best(parts) if alternatives else (text for one in parts for text in self._texts(one))
        elif part.get_content_type() in TEXTS and not (_is_attachment(part) or (self.parts and _has_name(part))):
            self.parts.append(part)
            yield from filter(None, [_text(part).strip()])

    def _best(self, parts: list[Message]) -> list[str]:
        """Of alternatives, plain text comes first, unless it is empty."""
        by_kind = sorted(parts, key=lambda part: part.get_content_type() != "text/plain")
        return next((found for part in by_kind if (found := list(self._texts(part)))), [])


def is_encrypted(message: Message) -> bool:
    """Whether the body can be read by its receiver only: S/MIME or PGP."""
    inside = str(message.get_param("smime-type", "") or "").lower()
    return message.get_content_type() == "multipart/encrypted" or (
        message.get_content_type() in ("application/pkcs7-mime", "application/x-pkcs7-mime") and inside != "signed-data"
    )


def from_base64(written: str) -> tuple[bytes, str]:
    """What is in base64 up to the first letter that cannot be of it, and the text from there on."""
    found = _NO_BASE64.search(written)
    end = written.rfind("\n", 0, found.start()) + 1 if found else len(written)
    letters = re.sub(r"[\s=]", "", written[:end])
    letters = letters[: len(letters) - (len(letters) % 4 == 1)]
    return base64.b64decode(letters + "=" * (-len(letters) % 4)), written[end:]


def _text(part: Message) -> str:
    written = part.get_payload()
    encoding = str(part.get("content-transfer-encoding", "")).strip().lower()
    if encoding == "base64" and isinstance(written, str):
        raw, rest = from_base64(written)
    else:
        decoded = part.get_payload(decode=True)
        raw, rest = decoded if isinstance(decoded, bytes) else b"", ""
    is_html = part.get_content_type() == "text/html"
    text = text_of(raw, _param(part, "charset") or (declared(raw) if is_html else None)) + rest
    if is_html:
        return of_html(text)[1]
    return _unfolded(text, part) if _param(part, "format") == "flowed" else text


def _unfolded(text: str, part: Message) -> str:
    """The lines of RFC 3676 as they were written: one goes on in the next where it ends with a blank."""
    gap = "" if _param(part, "delsp") == "yes" else " "
    return _GOES_ON.sub(gap, text)


def _param(part: Message, name: str) -> str:
    try:
        found = part.get_param(name, "")
    except UNREADABLE:
        return ""
    return (found[2] if isinstance(found, tuple) else str(found or "")).strip().lower()


def _is_attachment(part: Message) -> bool:
    try:
        return part.get_content_disposition() == "attachment"
    except UNREADABLE:
        return False


def _has_name(part: Message) -> bool:
    try:
        return part.get_filename() is not None
    except UNREADABLE:
        return True

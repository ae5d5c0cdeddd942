"""What a mail to the sender says: a bounce (RFC 3464), a complaint (RFC 5965), or something else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import Message
from typing import Any

LONGEST = 500  # characters of a reason
# Statuses (RFC 3463) that say nothing against the address: a full mailbox, a mail too large, the sender's reputation.
NOT_THE_ADDRESS = ("5.2.2", "5.2.3", "5.3", "5.6", "5.7")
_ADDRESS = re.compile(r"[^\s<>\"';,]+@[^\s<>\"';,]+")
_ID = re.compile(r"<[^<>\s]+@[^<>\s]+>")


def noticed(raw: bytes) -> dict[str, Any]:
    """what: "bounce", "delay", "complaint" or "other"; address, status, reason, message_id of the original; final: for ever."""
    message = message_from_bytes(raw, policy=policy.compat32)
    found: dict[str, Any] = {"what": "other", "address": "", "status": "", "reason": "", "final": False}
    original = _original(message)
    found["message_id"] = next(iter(_ID.findall(_line(original.get("Message-ID")))), "") if original else ""
    for part in message.walk():
        kind = part.get_content_type()
        if kind == "message/delivery-status":
            found |= _bounce(part)
        elif kind == "message/feedback-report":
            found |= _complaint(part)
    if found["what"] != "other" and not found["address"] and original is not None:
        found["address"] = _address(original.get("To"))
    return found


def _bounce(part: Message) -> dict[str, Any]:
    """The first recipient that failed, else the first that is late."""
    recipients = [
        fields for fields in _fields(part) if fields.get("Final-Recipient") or fields.get("Original-Recipient")
    ]
    failed = [fields for fields in recipients if _line(fields.get("Action")).lower() == "failed"]
    late = [fields for fields in recipients if _line(fields.get("Action")).lower() == "delayed"]
    if not (failed or late):
        return {}
    fields = (failed or late)[0]
    status = _line(fields.get("Status"))[:20]
    return {
        "what": "bounce" if failed else "delay",
        "address": _address(fields.get("Original-Recipient")) or _address(fields.get("Final-Recipient")),
        "status": status,
        "reason": _line(fields.get("Diagnostic-Code")).partition(";")[2].strip()[:LONGEST],
        "final": bool(failed) and status.startswith("5.") and not status.startswith(NOT_THE_ADDRESS),
    }


def _complaint(part: Message) -> dict[str, Any]:
    fields = next(iter(_fields(part)), None)
    if fields is None:
        return {}
    kind = _line(fields.get("Feedback-Type")).lower() or "abuse"
    address = _address(fields.get("Original-Rcpt-To"))
    complaint = {"what": "complaint", "address": address, "reason": f"The person reported the message: {kind[:60]}"}
    return complaint | {"final": kind != "not-spam"}


def _fields(part: Message) -> Iterator[Message]:
    """The groups of fields of a report."""
    payload = part.get_payload()
    if isinstance(payload, list):
        yield from (one for one in payload if isinstance(one, Message))
    elif isinstance(payload, str):
        yield message_from_bytes(payload.encode("utf-8", "replace"), policy=policy.compat32)


def _original(message: Message) -> Message | None:
    """The mail that the report is about, or its headers."""
    for part in message.walk():
        payload = part.get_payload()
        if (
            part is not message
            and part.get_content_type() == "message/rfc822"
            and isinstance(payload, list)
            and payload
        ):
            return payload[0] if isinstance(payload[0], Message) else None
        if part.get_content_type() == "text/rfc822-headers":
            content = part.get_payload(decode=True)
            return message_from_bytes(content, policy=policy.compat32) if isinstance(content, bytes) else None
    return None


def _address(field: object) -> str:
    """The address of a field such as `rfc822; ann@example.org`."""
    found = _ADDRESS.search(_line(field).rpartition(";")[2])
    return found.group().strip("<>")[:320] if found else ""


def _line(field: object) -> str:
    return " ".join(str(field or "").split())

"""What mails to the sender say."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.engine.kits.bounces.notices import noticed

BOUNCE = (Path(__file__).parents[4] / "jobs/samples/bounce.eml").read_bytes()
COMPLAINT = b"""From: fbl@isp.example
Subject: a complaint
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary=b

--b
Content-Type: text/plain

It was called spam.
--b
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: X/1
Original-Rcpt-To: <ann@example.org>

--b
Content-Type: message/rfc822

From: nora@example.org
To: Ann <ann@example.org>
Message-ID: <abc@example.org>

body
--b--
"""


def test_a_bounce_names_address_status_reason_and_message() -> None:
    found = noticed(BOUNCE)
    assert (found["what"], found["address"], found["status"], found["final"]) == (
        "bounce",
        "jonas@example.net",
        "5.1.1",
        True,
    )
    assert found["reason"].endswith("there is no such mailbox")
    assert found["message_id"] == "<0123456789abcdef0123456789abcdef01234567@workshop.example.org>"


@pytest.mark.parametrize(
    ("status", "action", "what", "final"),
    [
        ("5.1.10", "failed", "bounce", True),
        ("5.0.0", "failed", "bounce", True),
        ("5.2.2", "failed", "bounce", False),
        ("5.7.1", "failed", "bounce", False),
        ("4.4.7", "failed", "bounce", False),
        ("4.4.1", "delayed", "delay", False),
        ("2.0.0", "delivered", "other", False),
        ("2.0.0", "relayed", "other", False),
    ],
)
def test_only_what_is_wrong_with_the_address_is_final(status: str, action: str, what: str, final: bool) -> None:
    found = noticed(
        BOUNCE.replace(b"5.1.1\r\nDiag", f"{status}\r\nDiag".encode()).replace(
            b"Action: failed", f"Action: {action}".encode()
        )
    )
    assert (found["what"], found["final"]) == (what, final)


def test_a_complaint_is_known_also_with_its_address_left_out() -> None:
    for source in (COMPLAINT, COMPLAINT.replace(b"Original-Rcpt-To: <ann@example.org>\n", b"")):
        found = noticed(source)
        assert (found["what"], found["address"], found["final"]) == ("complaint", "ann@example.org", True)
        assert found["message_id"] == "<abc@example.org>"
    assert not noticed(COMPLAINT.replace(b"abuse", b"not-spam"))["final"]


@pytest.mark.parametrize("raw", [b"", b"\xff\xfe" * 50, b"Subject: Out of office\n\nUntil Monday.", BOUNCE[:400]])
def test_anything_else_is_no_report_of_a_final_failure(raw: bytes) -> None:
    assert not noticed(raw)["final"]

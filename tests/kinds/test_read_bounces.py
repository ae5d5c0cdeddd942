"""Bounces and complaints: from a mailbox into the suppressed addresses of those who wrote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.engine.kits.bounces import reading
from jobs.engine.mail import suppressions
from tests.imap_server import ImapServer
from tests.kinds.job_runs import OWNER, done, errors, items, upload
from tests.mail_server import MailServer

BOUNCE = (Path(__file__).parents[2] / "jobs/samples/bounce.eml").read_bytes()
SAMPLE_ID = b"<0123456789abcdef0123456789abcdef01234567@workshop.example.org>"


def test_bounces_of_our_own_messages_are_suppressed(environment: Callable[..., None]) -> None:
    with MailServer() as server:
        environment(SMTP_URL=server.url)
        table = upload(b"email\njonas@example.net\nann@example.org\n", "people.csv")
        mailing = {"from": "nora@example.org", "subject": "s", "text": "t", "per_second": None}
        job = done("send_emails", recipients=table, **mailing)
        (sent,) = server.to("jonas@example.net")
        ours = BOUNCE.replace(SAMPLE_ID, str(sent["Message-ID"]).encode())
        forged = ours.replace(b"jonas@example.net", b"ann@example.org")  # the Message-ID is not that of Ann's message
        mails = [b"Subject: Out of office\r\n\r\nUntil Monday.", ours, forged, BOUNCE]
        with ImapServer(mails) as mailbox:
            environment(SMTP_URL=server.url, IMAP_URL=mailbox.url)
            came = done("read_bounces")
            assert (came.state, came.result["read"], came.result["suppressed"]) == ("succeeded", 4, 1)
            assert mailbox.seen == {2, 3, 4} and not mailbox.deleted
            assert (
                done("read_bounces", after="delete").result["read"] == 1 and not mailbox.deleted
            )  # the absence note stays
            environment(SMTP_URL=server.url, IMAP_URL=mailbox.url.replace("Bounces", "Others"))
            refused = done("read_bounces")
            assert (refused.state, refused.reason) == ("failed", "mailbox")
            assert "there is no folder Others" in str(refused.message)
            environment(SMTP_URL=server.url, IMAP_URL=mailbox.url.replace("p%40ss", "wrong"))
            assert "cannot be opened" in str(done("read_bounces").message)
        found = {item.position: item.output for item in items(came)}
        assert [found[at]["suppressed"] for at in sorted(found)] == [False, True, False, False]
        assert found[2]["mailing"] == str(job.id)
        assert [one.address for one in suppressions.list_suppressed(OWNER).rows] == ["jonas@example.net"]
        again = done("send_emails", recipients=table, **mailing)
        assert (again.result["sent"], again.result["skipped"]) == (1, 1)


def test_saved_mails_do_without_a_mailbox(environment: Callable[..., None]) -> None:
    assert "IMAP_URL is not set" in errors("read_bounces")["files"]
    assert done("read_bounces", files=["sample:bounce.eml"]).result["suppressed"] == 0
    job = done("read_bounces", files=["sample:bounce.eml"], untraced=True)
    assert (job.result["bounces"], job.result["suppressed"]) == (1, 1)


def test_a_mail_that_ends_the_child_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    together = reading._together

    def dies(paths: list[Path], check: object) -> list[dict[str, object]]:
        alone = len(paths) == 1 and b"deadly" not in paths[0].read_bytes()
        return together(paths, None) if alone else []

    monkeypatch.setattr(reading, "_together", dies)
    found = reading.read_notices([b"deadly", BOUNCE])
    assert [one.what for one in found] == ["unreadable", "bounce"]

"""Members cannot send mail in any name: MAIL_SENDERS is checked at submission and again by the worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobs.engine import accounts, settings
from jobs.engine.errors import BadInput, SettingsError
from jobs.engine.kinds import estimates
from jobs.engine.mail import senders
from jobs.engine.queue import commands
from tests.kinds.job_runs import OWNER, errors, run

Change = Callable[..., None]
SERVER = "smtp://legwork:x@localhost:9?from=legwork@example.org&starttls=never"


def params(sender: str) -> dict[str, Any]:
    return {
        "addresses": "zoe@example.net",
        "from": sender,
        "reply_to": "anybody@example.com",
        "subject": "Hello",
        "text": "Hello.",
    }


def refused(sender: str) -> str:
    with pytest.raises(BadInput) as error:
        senders.parse_sender(sender)
    return error.value.message


def allowed(*written: str) -> None:
    for sender in written:
        senders.parse_sender(sender)


def test_addresses_and_domains_are_listed(environment: Change) -> None:
    environment(MAIL_SENDERS="News@example.org, @example.net, exämple.com", SMTP_URL=None)
    allowed(
        "Nora <news@example.org>", "NEWS@EXAMPLE.ORG", "anybody@example.net", "a@exämple.com", "a@xn--exmple-cua.com"
    )
    for sender in ("ceo@example.org", "news@sub.example.net", "a@example.net.evil.example", "example.net@evil.example"):
        assert "MAIL_SENDERS" in refused(sender)


def test_without_the_setting_one_user_is_free_and_accounts_have_the_servers_domain(environment: Change) -> None:
    environment(SMTP_URL=SERVER)
    allowed("ceo@bigcorp.example")
    accounts.add("ada", "admin", "a long enough password")
    assert "@example.org" in refused("ceo@bigcorp.example")
    allowed("anybody@example.org")
    environment(SMTP_URL=None)
    allowed("ceo@bigcorp.example")  # nothing leaves the outbox


def test_a_submission_and_a_preview_are_refused(environment: Change) -> None:
    environment(MAIL_SENDERS="example.org", SMTP_URL=None)
    wrong = errors("send_emails", **params("ceo@bigcorp.example"))
    assert list(wrong) == ["from"] and "ceo@bigcorp.example" in wrong["from"]
    shown = estimates.preview("send_emails", params("nora@example.org"), 1, owner=OWNER)
    assert shown and ("Reply-To", "anybody@example.com") in shown["headers"]


def test_the_worker_looks_again(environment: Change) -> None:
    job = commands.submit("send_emails", params("ceo@bigcorp.example"), owner=OWNER)
    environment(MAIL_SENDERS="example.org")
    ended = run(job)
    assert (ended.state, ended.done) == ("failed", 0)
    assert "MAIL_SENDERS" in str(ended.message)


@pytest.mark.parametrize("written", ["@", "a@b@example.org", "a b@example.org", "ann@"])
def test_a_setting_that_names_nobody_is_refused(written: str) -> None:
    with pytest.raises(SettingsError, match="MAIL_SENDERS"):
        settings.read({"MAIL_SENDERS": written})

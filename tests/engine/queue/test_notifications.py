"""Who is told when a job has ended, how often it is tried, and that what is sent can be checked."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from jobs.engine.db import postgres
from jobs.engine.db.models import Job, Notification
from jobs.engine.errors import InvalidParams
from jobs.engine.mail import outbox
from jobs.engine.queue import commands, ledger, lists, notifications, queries
from jobs.engine.queue.schedules import SchedulePlan
from jobs.engine.worker import clock
from tests.engine import workers
from tests.engine.sandbox.test_http import Hook

OWNER = "local"


@pytest.fixture(autouse=True)
def specimens(environment: Callable[..., None]) -> None:
    environment(EXTRA_KINDS="tests.sample_kinds", OUTGOING_PRIVATE="1")


@pytest.fixture
def hook() -> Iterator[Hook]:
    opened = Hook()
    yield opened
    opened.close()


def job(*told: tuple[str, str], **params: Any) -> Job:
    wanted = [{"channel": channel, "target": target} for channel, target in told]
    return commands.submit("nap", params, owner=OWNER, notify=wanted)


def end(job: Job, state: str = "succeeded") -> Job:
    with postgres.session() as session:
        claim = ledger.claim(session.connection(), job.id, "w")
        assert claim is not None
        ledger.settle(session.connection(), job.id, claim.lease, state)
    return queries.job(job.id, OWNER)


def only(job: Job) -> Notification:
    (found,) = notifications.notifications_of(job)
    return found


def make_due() -> None:
    with postgres.session() as session:
        session.execute(text("update notifications set next_at = now()"))


def test_a_webhook_tells_of_the_end_once_and_is_signed(hook: Hook) -> None:
    waiting = job(("webhook", hook.url), naps=1)
    assert notifications.send_due() == 0
    ended = end(waiting)
    assert notifications.send_due() == 1
    assert notifications.send_due() == 0
    ((headers, body),) = hook.sent
    told = json.loads(body)
    assert told["type"] == "job.ended"
    assert (told["data"]["id"], told["data"]["state"], told["data"]["kind"]) == (str(ended.id), "succeeded", "nap")
    assert told["data"]["url"].endswith(f"/jobs/{ended.id}")
    assert _is_signed(headers, body) and not _is_signed(headers, body + b" ")
    assert only(ended).state == "sent" and only(ended).tries[0]["text"] == "taken with 200"


def _is_signed(headers: dict[str, str], body: bytes) -> bool:
    """As the page on webhooks says."""
    key = base64.b64decode(notifications.webhook_secret().removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    ours = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return hmac.compare_digest(f"v1,{ours}", headers["webhook-signature"])


def test_what_may_pass_is_tried_again_and_given_up_after_five(hook: Hook) -> None:
    ended = end(job(("webhook", hook.url)))
    hook.answers = [(503, {}, b"")] * 9
    for tries in range(1, 6):
        assert notifications.send_due() == 1
        assert notifications.send_due() == 0  # not before its time
        assert len(only(ended).tries) == tries
        make_due()
    assert notifications.send_due() == 0
    assert (only(ended).state, len(hook.sent)) == ("given_up", 5)


def test_a_refusal_is_not_tried_again(hook: Hook) -> None:
    ended = end(job(("webhook", hook.url)))
    hook.answers = [(410, {}, b"")]
    notifications.send_due()
    assert (only(ended).state, only(ended).tries[0]["text"]) == ("given_up", "answered 410")


def test_two_clocks_tell_once(hook: Hook) -> None:
    end(job(("webhook", hook.url)))
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: notifications.send_due(), range(6)))
    assert len(hook.sent) == 1


def test_a_job_that_runs_again_tells_again(hook: Hook) -> None:
    ended = end(job(("webhook", hook.url)), "failed")
    notifications.send_due()
    commands.retry(ended.id, owner=OWNER)
    assert notifications.send_due() == 0
    end(ended)
    notifications.send_due()
    assert [json.loads(body)["data"]["state"] for _, body in hook.sent] == ["failed", "succeeded"]


def test_a_mail_is_written_and_none_for_a_stop_of_ones_own() -> None:
    ended = end(job(("mail", "amara@example.org")))
    notifications.send_due()
    assert only(ended).state == "sent"
    (message,) = outbox.outbox_messages(OWNER).rows
    assert (message.recipient, message.subject) == ("amara@example.org", "Succeeded: nap")
    stopped = job(("mail", "amara@example.org"))
    commands.cancel(stopped.id, owner=OWNER)
    notifications.send_due()
    assert only(stopped).state == "not_needed"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("channel", "target"),
    [
        ("mail", "nobody"),
        ("mail", "a@example.org, b@example.org"),
        ("mail", "a@example.org\r\nBcc: b@example.org"),
        ("webhook", "file:///etc/passwd"),
        ("webhook", "http://a:b@example.org/"),
        ("pigeon", "roof"),
    ],
)
def test_an_address_that_is_none_is_refused_and_nothing_is_made(channel: str, target: str) -> None:
    with pytest.raises(InvalidParams) as refused:
        job((channel, target))
    assert refused.value.errors[0].field == channel
    assert lists.list_jobs(OWNER).rows == []


def test_there_is_an_end_to_how_many_are_told() -> None:
    with pytest.raises(InvalidParams):
        job(*[("mail", f"a{n}@example.org") for n in range(9)])


def test_the_inside_is_not_asked_unless_it_is_allowed(environment: Callable[..., None], hook: Hook) -> None:
    by_name = hook.url.replace("127.0.0.1", "localhost")
    environment(OUTGOING_PRIVATE=None)
    with pytest.raises(InvalidParams):
        job(("webhook", hook.url))
    ended = end(job(("webhook", by_name)))
    notifications.send_due()
    assert only(ended).state == "given_up" and "inside this machine" in only(ended).tries[0]["text"]
    assert hook.sent == []


def test_what_a_schedule_starts_tells_too(hook: Hook) -> None:
    told = [{"channel": "webhook", "target": hook.url}]
    schedule = commands.create_schedule(SchedulePlan("nap", {}, "0 6 * * *", "UTC", notify=told), owner=OWNER)
    end(commands.run_schedule(schedule.id, owner=OWNER, key="k"))
    notifications.send_due()
    assert json.loads(hook.sent[0][1])["data"]["schedule"] == str(schedule.id)


def test_the_clock_does_it(hook: Hook) -> None:
    end(job(("webhook", hook.url)))
    clock.Clock().tick()
    workers.until(lambda: len(hook.sent) == 1)

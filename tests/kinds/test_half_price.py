"""Rows that the provider answers in a batch of its own: sent once, whatever is killed, and read into the items."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest
from sqlalchemy import text

from jobs.engine.accounts import spending
from jobs.engine.db import postgres
from jobs.engine.db.models import Job
from jobs.engine.errors import Conflict
from jobs.engine.llm import batch_answers, provider_batches
from jobs.engine.queue import batches, commands, ledger
from jobs.engine.queue.batches import provider as provider_rows
from jobs.engine.worker import half_price
from jobs.engine.worker.run import Run
from tests.fake_provider import FakeProvider, answer_to
from tests.kinds.job_runs import OWNER, errors, items, run, upload

ROWS = [f"row {n}" for n in range(40)] + ["expire 1", "garble 1"]
TABLE = ("n\n" + "\n".join(ROWS) + "\n").encode()


@pytest.fixture
def provider(environment: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeProvider]:
    monkeypatch.setattr(provider_rows, "SETTLE_SECONDS", 0.1)
    monkeypatch.setattr(provider_rows, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(half_price, "MOST_REQUESTS", 15)
    with FakeProvider() as running:
        environment(
            OPENAI_BASE_URL=running.base_url, OPENAI_API_KEY="sk-test", OPENAI_MODEL="fake-small", PROVIDER_BATCHES="1"
        )
        yield running


def submit(**params: object) -> Job:
    table = upload(TABLE, "rows.csv")
    return commands.submit(
        "generate_texts", {"source": table, "prompt": "Say {n}.", "when": "day"} | params, owner=OWNER
    )


def state(job: Job) -> tuple[str, str | None]:
    found = postgres.fetch_all("select state, reason from jobs where id = %(id)s", {"id": job.id})[0]
    return found[0], found[1]


def watched() -> None:
    """What the clock does."""
    with postgres.session() as session:
        session.execute(text("update provider_batches set look_at = now()"))
    batches.watch()


def test_rows_are_sent_in_batches_and_their_answers_read(provider: FakeProvider) -> None:
    provider.script(hold_batches=True)
    job = run(submit())
    assert (job.state, job.reason) == ("queued", "provider")
    assert [one.requests for one in batches.batches_of(job.id)] == [15, 15, 12]
    watched()
    assert state(job) == ("queued", "provider")
    provider.script()
    watched()
    assert state(job) == ("queued", "answered")
    job = run(job)
    assert (job.state, job.done, job.total) == ("succeeded", 42, 42)
    assert [row.output["text"] for row in items(job)] == [answer_to(f"Say {row}.") for row in ROWS]
    assert set(provider.answered().values()) == {1}  # also what was asked again: it had not been paid


def test_what_a_batch_refused_is_not_asked_for_the_whole_price(
    provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where only the name of a parameter is another: all rows would be asked again. OpenAI's own takes the newer one."""
    table = upload(b"n\nrefuse 1\nfine\n", "rows.csv")
    job = run(submit(source=table))
    assert (job.state, job.done, job.failed) == ("partial", 1, 1)
    assert "Use 'max_completion_tokens'" in str(items(job)[0].error)
    assert set(provider.answered()) == {"Say fine."}
    monkeypatch.setattr(batch_answers, "is_openai", lambda: True)
    run(submit(source=table))
    assert "max_completion_tokens" in provider.calls()[-1]["body"] and "max_tokens" not in provider.calls()[-1]["body"]
    assert provider.answered()["Say fine."] == 2


def test_what_a_batch_did_not_come_to_may_fail_and_be_retried(provider: FakeProvider) -> None:
    job = run(submit(ask_expired=False))
    assert state(job) == ("partial", "expired")
    assert [row.error for row in items(job) if row.state == "failed"] == [
        "The provider did not come to this request within 24 hours."
    ]
    provider.script(hold_batches=True)
    commands.retry(job.id, owner=OWNER, items="failed")
    job = run(job)
    assert state(job) == ("queued", "provider")
    assert [one.requests for one in batches.batches_of(job.id)] == [1]


@pytest.mark.parametrize("where", ["upload", "intend", "lost", "made", "look", "fetch"])
def test_a_kill_sends_nothing_twice(provider: FakeProvider, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """A run that ends without a word at one of these steps: the next one goes on."""

    class Killed(BaseException):
        pass

    left = [2]

    def dying(real: Callable[..., object], *, after: bool) -> Callable[..., object]:
        def call(*given: object, **more: object) -> object:
            left[0] -= 1
            if left[0] == 0 and not after:
                raise Killed
            came = real(*given, **more)
            if left[0] == 0:
                raise Killed
            return came

        return call

    account = provider_batches.ProviderAccount
    if where == "lost":
        monkeypatch.setattr(account, "create", dying(account.create, after=True))
    elif where in ("intend", "made"):
        monkeypatch.setattr(batches, where, dying(getattr(batches, where), after=True))
    else:
        monkeypatch.setattr(account, where, dying(getattr(account, where), after=True))
    job = submit()
    with postgres.session() as session:
        claim = ledger.claim(session.connection(), job.id, "test")
    assert claim
    attempt = Run(claim)
    attempt.work()
    assert isinstance(attempt._error, Killed)
    with postgres.session() as session:
        ledger.release(session.connection(), job.id, claim.lease)
    job = run(job)
    if job.state == "queued":
        watched()
        job = run(job)
    assert (job.state, job.done) == ("succeeded", 42)
    assert set(provider.answered().values()) == {1}


def test_a_stop_reaches_the_provider(provider: FakeProvider) -> None:
    provider.script(hold_batches=True)
    job = run(submit())
    commands.cancel(job.id, owner=OWNER)
    assert batches.is_due()
    batches.watch()
    assert {one["status"] for one in provider.server.batches.batches.values()} == {"cancelled"}
    assert not batches.is_due()


PRICES = '{"fake-small": {"input": 1000, "output": 4000}}'


def paid(job: Job) -> tuple[Decimal, Decimal, Decimal]:
    """What it has cost, what it may have cost beside, and what its owner spent this month."""
    found = postgres.fetch_all(
        "select coalesce(cost, 0), cost_unsure, (select sum(jobs + unsure) from spending) from jobs where id = %(id)s",
        {"id": job.id},
    )[0]
    return found[0], found[1], found[2]


def test_what_could_pass_a_limit_in_dollars_is_not_sent(
    provider: FakeProvider, environment: Callable[..., None]
) -> None:
    """Also together with another job of the same owner, by the allowance of the month."""
    environment(PRICES=PRICES)
    provider.script(hold_batches=True)
    job = run(submit(cost_limit=1.0, max_tokens=20))
    sent = sum(one.requests for one in batches.batches_of(job.id))
    assert state(job) == ("queued", "provider") and 0 < sent < 42
    spending.set_allowance(f"owner:{OWNER}", "1.50", by=OWNER)
    other = run(submit(max_tokens=20))
    further = sum(one.requests for one in batches.batches_of(other.id))
    assert 0 < further < sent
    third = run(submit(max_tokens=20))
    assert state(third) == ("partial", "budget_spent") and not batches.batches_of(third.id)
    spending.set_allowance(f"owner:{OWNER}", "100", by=OWNER)
    commands.retry(third.id, owner=OWNER)
    assert state(run(third)) == ("queued", "provider")
    commands.cancel(third.id, owner=OWNER)
    spending.set_allowance(f"owner:{OWNER}", "1.50", by=OWNER)
    provider.script()
    watched()
    for one, count in ((job, sent), (other, further)):
        ended = run(one)
        assert (ended.state, ended.reason, ended.done) == ("partial", "budget_spent", count)
    assert sum(provider.answered().values()) == sent + further
    cost, unsure, month = paid(job)
    assert 0 < cost <= 1 and unsure == 0 and month == cost + paid(other)[0] + paid(third)[1]
    assert cost + paid(other)[0] <= Decimal("1.5")


def test_what_a_stopped_batch_may_have_cost_is_counted(
    provider: FakeProvider, environment: Callable[..., None]
) -> None:
    environment(PRICES=PRICES)
    provider.script(hold_batches=True)
    job = run(submit(max_tokens=20))
    most = sum(one.most_cost for one in batches.batches_of(job.id))
    commands.cancel(job.id, owner=OWNER)
    batches.watch()
    assert paid(job) == (0, most, most) and most > 0


def test_a_job_stays_until_its_batches_are_stopped(provider: FakeProvider) -> None:
    provider.script(hold_batches=True)
    job = run(submit())
    commands.cancel(job.id, owner=OWNER)
    with pytest.raises(Conflict, match="provider"):
        commands.delete(job.id, owner=OWNER)
    watched()
    commands.delete(job.id, owner=OWNER)


def test_it_is_offered_only_where_it_can_be_had(provider: FakeProvider, environment: Callable[..., None]) -> None:
    source = upload(TABLE, "rows.csv")
    asked = {"source": source, "prompt": "Say {n}.", "when": "day"}
    assert "budget" in errors("generate_texts", **asked, token_budget=9)["when"]
    environment(PROVIDER_BATCHES=None)
    assert "no batches" in errors("generate_texts", **asked)["when"]

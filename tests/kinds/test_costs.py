"""What calls cost: limits in dollars that hold, and sums that agree, against a provider that counts what it bills."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from jobs.engine import accounts, library
from jobs.engine.accounts import spending
from jobs.engine.billing import CallUsage
from jobs.engine.connections import kept_answers
from jobs.engine.db import postgres
from jobs.engine.db.models import Job
from jobs.engine.errors import TooMany
from jobs.engine.llm import Rates, client, responses
from jobs.engine.queue import commands, ledger, queries
from jobs.engine.worker.run import Run
from tests.fake_provider import FakeProvider
from tests.kinds.job_runs import OWNER, errors, items, run, upload

PRICE = {"input": "1000.5", "cached": "100", "output": "2000"}
RATES = Rates.of(PRICE)
TABLE = b"id,product\n" + b"".join(b"%d,Kettle %d\n" % (row, row) for row in range(40))
PROMPT = "Praise the {product}."


@pytest.fixture
def provider(environment: Callable[..., None]) -> Iterator[FakeProvider]:
    with FakeProvider() as running:
        prices = f'{{"fake-small": {str(PRICE).replace(chr(39), chr(34))}}}'
        where = {"OPENAI_BASE_URL": running.base_url, "OPENAI_API_KEY": "sk-test", "OPENAI_MODEL": "fake-small"}
        environment(**where, PRICES=prices)
        yield running


def submit(**params: Any) -> Job:
    given = {"source": upload(TABLE, "things.csv"), "prompt": PROMPT, "max_tokens": 40, "concurrency": 64}
    return commands.submit("generate_texts", given | params, owner=OWNER)


def billed(provider: FakeProvider) -> Decimal:
    """What the provider bills, with every answer that was lost on its way."""
    return sum((RATES.cost(used(call)) for call in provider.calls() if "usage" in call), Decimal(0))


def used(call: dict[str, Any]) -> CallUsage:
    found = responses.usage_of(call["usage"])
    assert found
    return found


def month() -> Decimal:
    (found,) = accounts.months(OWNER)
    return found.jobs


def test_sums_agree_from_the_item_to_the_month(provider: FakeProvider) -> None:
    details = {"prompt_tokens_details": {"cached_tokens": 3}, "completion_tokens_details": {"reasoning_tokens": 2}}
    provider.script(usage=details, do=[{"do": "wrong_json", "calls": 6}, {"do": "empty", "calls": 4}])
    schema = {"type": "object", "properties": {"mood": {"type": "string"}}, "required": ["mood"]}
    for answer in ({}, {"json_schema": schema}):
        job = run(submit(**answer))
        rows = items(job)
        assert job.cost == sum(row.cost for row in rows) > 0
        assert job.cached_tokens == sum(row.cached_tokens or 0 for row in rows) > 0
        assert job.reasoning_tokens == sum(row.reasoning_tokens or 0 for row in rows) > 0
        assert job.unpriced == 0
    jobs = [queries.job(one.id, OWNER) for one in queries_of_all()]
    assert month() == sum(one.cost for one in jobs if one.cost) == billed(provider)
    (found,) = accounts.months(OWNER)
    assert found.prompt_tokens == sum(one.prompt_tokens for one in jobs)
    assert found.cached_tokens == sum(one.cached_tokens for one in jobs)


def queries_of_all() -> list[Any]:
    from jobs.engine.queue import lists

    return list(lists.list_jobs(OWNER).rows)


def test_without_a_price_nothing_costs_nothing(provider: FakeProvider) -> None:
    job = run(submit(model="fake-large"))
    assert (job.state, job.cost, job.unpriced) == ("succeeded", None, 40)
    assert {row.cost for row in items(job)} == {None}
    assert month() == 0
    job = run(submit(model="fake-large", cost_limit=1))
    assert (job.state, job.reason) == ("failed", "no_price")
    assert not errors("generate_texts", source="x", prompt="y").get("cost_limit")


def test_an_allowance_ends_a_job_and_refuses_the_next(provider: FakeProvider) -> None:
    spending.set_allowance(f"owner:{OWNER}", "$1.00", by=OWNER)
    job = run(submit())
    assert (job.state, job.reason) == ("partial", "budget_spent")
    assert 0 < billed(provider) <= 1
    spending.set_allowance("role:admin", "100", by=OWNER)
    assert accounts.allowance(OWNER) == 1  # a person's own goes before that of the role
    spending.set_allowance(f"owner:{OWNER}", "0", by=OWNER)
    with pytest.raises(TooMany):
        accounts.check_allowance(OWNER)
    spending.set_allowance(f"owner:{OWNER}", "", by=OWNER)
    accounts.check_allowance(OWNER)


def test_embeddings_are_counted_and_end_with_the_allowance(
    provider: FakeProvider, environment: Callable[..., None]
) -> None:
    """Also those of an index. They are checked before each request, so what was on its way is the most above it."""
    environment(EMBEDDING_MODEL="text-embedding-3-small", PRICES='{"text-embedding-3-small": {"input": 1000}}')
    library.add_text(OWNER, "shelf", "Kettles", "A kettle boils water. " * 40)
    job = run(commands.submit("index_documents", {"collection": "shelf"}, owner=OWNER))
    assert (job.state, job.unpriced) == ("succeeded", 0)
    assert job.cost == month() == Decimal(job.prompt_tokens) / 1000 > 0
    spending.set_allowance(f"owner:{OWNER}", str(month() + Decimal("0.05")), by=OWNER)
    asked = {"source": upload(TABLE, "things.csv"), "text_column": "product", "batch_size": 1}
    job = run(commands.submit("embed_texts", asked, owner=OWNER))
    assert (job.state, job.reason) == ("partial", "budget_spent")
    assert 0 < job.done < 40 and sum(row.cost or 0 for row in items(job)) == job.cost
    with pytest.raises(TooMany):
        accounts.check_allowance(OWNER)


@pytest.mark.parametrize("seed", range(3))
def test_a_limit_in_dollars_is_never_passed(provider: FakeProvider, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(client, "TRIES", 2)
    assert_limit_holds(provider, random.Random(seed))


def assert_limit_holds(provider: FakeProvider, chance: random.Random) -> None:
    """One run with failures, 64 rows at a time, whose worker loses its lease while calls are on their way."""
    faults = ("status", "rubbish", "cut", "hang", "empty", "wrong_json")
    do = [{"do": fault, "status": 503, "calls": chance.randrange(4)} for fault in faults]
    chance.shuffle(do)
    provider.script(latency=chance.random() / 20, do=do)
    limit = round(chance.uniform(0.1, 5), 3)
    job = submit(cost_limit=limit, concurrency=chance.choice((1, 7, 64)))
    for _ in range(chance.randrange(3)):
        attempt_lost(job, chance.random() / 5)
    if queries.job(job.id, OWNER).state == "queued":
        run(job)
    paid = billed(provider)
    with postgres.session() as session:
        whole = session.get(Job, job.id)
        assert whole and whole.cost_held == 0
        assert (whole.cost or 0) <= paid <= (whole.cost or 0) + whole.cost_unsure <= Decimal(str(limit))
    assert whole.cost == sum(row.cost for row in items(whole) if row.cost) or not whole.cost


def attempt_lost(job: Job, seconds: float) -> None:
    """An attempt that is lost on the way, as by a kill: what its calls bring is not recorded any more."""
    with postgres.session() as session:
        claim = ledger.claim(session.connection(), job.id, "test")
    if claim is None:
        return
    attempt = Run(claim)

    def lose() -> None:
        time.sleep(seconds)
        with postgres.session() as session:
            again = "update jobs set state = 'queued', attempt = 0, lease = lease + 1 where id = %(id)s and state = 'running'"
            postgres.execute(session.connection(), again, {"id": job.id})

    thread = threading.Thread(target=lose)
    thread.start()
    attempt.work()
    attempt.settle()
    thread.join()


def test_the_same_request_is_not_paid_for_again(provider: FakeProvider) -> None:
    first = run(submit(reuse_answers=True))
    assert (first.reused, first.cost_saved) == (0, 0)
    again = run(submit(reuse_answers=True, output_column="other"))
    assert (again.done, again.reused, again.cost, again.cost_saved) == (40, 40, None, first.cost)
    assert [row.output["other"] for row in items(again)] == [row.output["text"] for row in items(first)]
    assert len(provider.calls()) == 40
    for other in ({}, {"reuse_answers": True, "max_tokens": 41}, {"reuse_answers": True, "model": "fake-large"}):
        assert run(submit(**other)).reused == 0
    assert len(provider.calls()) == 160
    stranger = {"source": "sample:reviews.csv", "prompt": "{review}", "reuse_answers": True}
    mine = run(commands.submit("generate_texts", stranger, owner=OWNER))
    theirs = commands.submit("generate_texts", stranger, owner="somebody else")
    with postgres.session() as session:
        claim = ledger.claim(session.connection(), theirs.id, "test")
    assert claim
    attempt = Run(claim)
    attempt.work()
    attempt.settle()
    assert mine.done == queries.job(theirs.id, "somebody else").done > 0
    assert queries.job(theirs.id, "somebody else").reused == 0
    assert kept_answers.forget_old() == 0


def test_answers_are_kept_only_for_so_long(provider: FakeProvider) -> None:
    run(submit(reuse_answers=True))
    with postgres.session() as session:
        postgres.execute(session.connection(), "update kept_answers set created_at = now() - interval '31 days'")
    assert run(submit(reuse_answers=True)).reused == 0
    with postgres.session() as session:
        postgres.execute(session.connection(), "update kept_answers set created_at = now() - interval '31 days'")
    assert kept_answers.forget_old() == 40

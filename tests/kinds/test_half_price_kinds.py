"""Texts that a provider embeds or judges in a batch: embedded once each, known ones never."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest

from jobs.engine.db.models import Job
from jobs.engine.queue import batches, commands
from jobs.engine.queue.batches import provider as provider_rows
from jobs.engine.worker import half_price
from tests.fake_provider import FakeProvider
from tests.kinds.job_runs import OWNER, errors, items, run, upload
from tests.kinds.test_half_price import state, watched

MODEL = "text-embedding-3-small"
TEXTS = [f"text {n}" for n in range(20)] + ["text 19", "expire 1", "garble 1", "", "text 18"]


@pytest.fixture
def provider(environment: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeProvider]:
    monkeypatch.setattr(provider_rows, "SETTLE_SECONDS", 0.1)
    monkeypatch.setattr(provider_rows, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(half_price, "MOST_REQUESTS", 15)
    with FakeProvider() as running:
        environment(
            OPENAI_BASE_URL=running.base_url,
            OPENAI_API_KEY="sk-test",
            OPENAI_MODEL="fake-small",
            EMBEDDING_MODEL=MODEL,
            PRICES=f'{{"{MODEL}": {{"input": 1000}}}}',
            PROVIDER_BATCHES="1",
        )
        yield running


def submit(texts: list[str], **params: object) -> Job:
    table = upload(("t,n\n" + "".join(f"{text},{n}\n" for n, text in enumerate(texts))).encode(), "texts.csv")
    asked = {"source": table, "text_column": "t", "when": "day", "format": "jsonl"} | params
    return commands.submit("embed_texts", asked, owner=OWNER)


def texts_asked(provider: FakeProvider) -> Counter[str]:
    return Counter(call["prompt"] for call in provider.calls() if call["prompt"] != "dimension")


def test_a_batch_embeds_each_text_once_for_half(provider: FakeProvider) -> None:
    run(submit(["text 0", "text 1"], when="now"))
    provider.script(hold_batches=True)
    job = run(submit(TEXTS))
    assert (job.state, job.reason) == ("queued", "provider")
    assert [one.requests for one in batches.batches_of(job.id)] == [15, 5]
    provider.script()
    watched()
    assert state(job) == ("queued", "answered")
    job = run(job)
    assert (job.state, job.done, job.skipped, job.result and job.result["not_embedded_again"]) == (
        "succeeded",
        24,
        1,
        4,
    )
    assert texts_asked(provider) == Counter([*TEXTS[:20], "expire 1", "garble 1"]) + Counter(
        ["text 0\ntext 1"]
    ) - Counter(TEXTS[:2])
    costs = {row.input["t"]: (row.cost, row.tokens) for row in items(job) if row.state == "done"}
    assert costs["text 5"][0] == Decimal(costs["text 5"][1]) / 2_000  # half of 1,000 dollars a million
    assert costs["expire 1"][0] == Decimal(costs["expire 1"][1]) / 1_000  # asked again, for the whole price


def test_where_all_is_known_nothing_is_sent(provider: FakeProvider) -> None:
    run(submit(TEXTS[:4], when="now"))
    job = run(submit(TEXTS[:4]))
    assert (job.state, job.done, batches.batches_of(job.id)) == ("succeeded", 4, [])


def test_a_batch_judges_texts(provider: FakeProvider) -> None:
    """One of many passages too, a repeated one each time, and an empty one and one with a word of a list never."""
    long = "A fine day. " * 7_000 + "violence:0.95"
    texts = ["hate:0.95 one", "fine", "fine", "", "casino night", "expire hate:0.6", "garble", long]
    table = upload(("\n".join(json.dumps({"text": text}) for text in texts)).encode(), "texts.jsonl")
    asked = {"source": table, "text_column": "text", "judge": "provider", "block_words": ["casino"], "when": "day"}
    provider.script(hold_batches=True)
    job = run(commands.submit("moderate_content", asked, owner=OWNER))
    assert state(job) == ("queued", "provider")
    assert [one.endpoint for one in batches.batches_of(job.id)] == ["/v1/moderations"]
    provider.script()
    watched()
    before = Counter(call["prompt"] for call in provider.calls())
    job = run(job)
    assert (job.state, job.done, job.skipped) == ("succeeded", 7, 1)
    verdicts = [row.verdict for row in items(job)]
    assert verdicts == ["block", "allow", "allow", None, "block", "review", "allow", "block"]
    assert before["fine"] == 2 and not before["casino night"]
    later = Counter(call["prompt"] for call in provider.calls()) - before
    assert later == Counter(["expire hate:0.6", "garble"])


def test_it_is_refused_where_nothing_is_saved(provider: FakeProvider, environment: Callable[..., None]) -> None:
    asked = {"source": upload(b"t\na\n", "texts.csv"), "text_column": "t", "when": "day"}
    assert "costs nothing" in errors("embed_texts", **asked, model="all-MiniLM-L6-v2")["when"]
    judged = {"source": asked["source"], "text_column": "t", "when": "day"}
    assert "costs nothing" in errors("moderate_content", **judged, judge="built_in")["when"]
    environment(PROVIDER_BATCHES=None)
    assert "no batches" in errors("embed_texts", **asked)["when"]
    assert "no batches" in errors("moderate_content", **judged)["when"]

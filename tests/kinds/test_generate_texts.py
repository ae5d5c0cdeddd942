"""One text per row: against a scripted provider, through the real ledger."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from jobs.engine.db import postgres
from jobs.engine.db.models import Item, Job
from jobs.engine.errors import InvalidParams
from jobs.engine.files import uploads
from jobs.engine.kinds import estimates
from jobs.engine.queue import commands, ledger
from jobs.engine.worker.run import Run
from jobs.generate_texts import EXAMPLE
from tests.fake_provider import FakeProvider, answer_to

OWNER = "local"
TABLE = b"id,product,stars\n1,Kettle,5\n2,Apron,2\n3,,\n4,Board,4\n"
PROMPT = "Praise the {product}, {stars} stars."
SCHEMA = {
    "type": "object",
    "properties": {"mood": {"type": "string"}, "stars": {"type": "integer"}, "why": {"type": "array"}},
    "required": ["mood", "stars", "why"],
}


@pytest.fixture
def provider(environment: Callable[..., None]) -> Iterator[FakeProvider]:
    with FakeProvider() as running:
        environment(OPENAI_BASE_URL=running.base_url, OPENAI_API_KEY="sk-test", OPENAI_MODEL="fake-small")
        yield running


def upload(content: bytes = TABLE, name: str = "things.csv") -> str:
    return str(uploads.upload(io.BytesIO(content), name, owner=OWNER).id)


def submit(**params: Any) -> Job:
    return commands.submit("generate_texts", {"source": upload(), "prompt": PROMPT} | params, owner=OWNER)


def run(job: Job) -> Job:
    """One attempt, in this process."""
    with postgres.session() as session:
        claim = ledger.claim(session.connection(), job.id, "test")
    assert claim
    attempt = Run(claim)
    attempt.work()
    attempt.settle()
    with postgres.session() as session:
        return session.get_one(Job, job.id)


def rows(job: Job) -> list[Item]:
    with postgres.session() as session:
        return list(session.scalars(select(Item).where(Item.job_id == job.id).order_by(Item.position)))


def errors(**params: Any) -> dict[str, str]:
    with pytest.raises(InvalidParams) as error:
        submit(**params)
    return {one.field: one.message for one in error.value.errors}


def test_each_row_gets_its_text(provider: FakeProvider) -> None:
    job = run(submit(system="Be kind.", max_tokens=60))
    kettle, apron, nothing, board = rows(job)
    assert kettle.output["text"] == answer_to("Praise the Kettle, 5 stars.")
    assert kettle.input == {"id": "1", "product": "Kettle", "stars": "5"}
    assert kettle.output["finish_reason"] == "stop"
    assert kettle.tokens == kettle.output["tokens"] > 0
    assert (apron.state, board.state) == ("done", "done")
    assert (nothing.state, nothing.error) == ("skipped", "Nothing to send: product, stars are empty.")
    assert (job.state, job.done, job.skipped, job.total, job.label) == ("succeeded", 3, 1, 4, "things.csv")
    assert job.result["rows"] == 3
    assert (
        job.result["tokens"] == job.prompt_tokens + job.completion_tokens == sum(row.tokens or 0 for row in rows(job))
    )
    assert (job.result["model"], job.result["cut_off"], job.result["refused"]) == ("fake-small", 0, 0)


def test_cut_off_and_refused_answers_are_flagged(provider: FakeProvider) -> None:
    provider.script(do=[{"do": "length", "match": "Kettle"}, {"do": "refusal", "match": "Apron"}])
    job = run(submit())
    kettle, apron, _, board = rows(job)
    assert kettle.output["flag"] == f"cut off at {kettle.output['tokens'] - 7} tokens"
    assert apron.output["flag"] == "refused"
    assert "flag" not in board.output
    assert (job.result["cut_off"], job.result["refused"]) == (1, 1)


def test_a_row_that_fails_leaves_the_others(provider: FakeProvider) -> None:
    provider.script(do=[{"do": "status", "status": 400, "message": "No aprons.", "match": "Apron"}])
    job = run(submit())
    assert [row.state for row in rows(job)] == ["done", "failed", "skipped", "done"]
    assert rows(job)[1].error == "The provider refused this request. It says: No aprons."
    assert (job.state, job.failed) == ("partial", 1)


def test_a_refused_key_ends_the_job_at_once(provider: FakeProvider) -> None:
    provider.script(key="sk-other")
    job = run(submit(concurrency=1))
    assert (job.state, job.reason) == ("failed", "provider_refused_key")
    assert len(provider.calls()) == 1


def test_what_an_earlier_attempt_finished_is_not_paid_again(provider: FakeProvider) -> None:
    provider.script(do=[{"do": "status", "status": 402, "match": "Board"}])
    job = run(submit(concurrency=1))
    assert (job.state, job.done) == ("failed", 2)
    commands.retry(job.id, owner=OWNER, items="failed")
    job = run(job)
    assert (job.state, job.done, job.result["rows"]) == ("succeeded", 3, 3)
    assert set(provider.answered().values()) == {1}


def test_a_budget_is_never_passed_and_keeps_what_is_done(provider: FakeProvider) -> None:
    table = "n\n" + "".join(f"row {number}\n" for number in range(40))
    job = run(submit(source=upload(table.encode()), prompt="Say {n}.", max_tokens=60, token_budget=500))
    assert (job.state, job.reason) == ("partial", "budget_spent")
    assert "of 500 tokens are used" in (job.message or "")
    assert 0 < job.done < 40
    assert job.prompt_tokens + job.completion_tokens <= 500
    assert len(provider.calls()) == job.done


def test_json_is_checked_and_spread_over_columns(provider: FakeProvider) -> None:
    job = run(submit(json_schema=SCHEMA, output_column="answer"))
    kettle = rows(job)[0]
    assert json.loads(kettle.output["answer"])["stars"] == 1
    assert kettle.output["mood"].startswith("Answer")
    assert kettle.output["answer.stars"] == 1  # the table has a column of that name
    assert "why" not in kettle.output


def test_json_that_does_not_fit_is_no_answer(provider: FakeProvider) -> None:
    provider.script(do=[{"do": "wrong_json", "match": "Apron", "calls": 9}])
    job = run(submit(json_schema=SCHEMA))
    apron = rows(job)[1]
    assert (apron.state, apron.reason, apron.output) == ("failed", "invalid_answer", None)


def test_an_ordinary_schema_works_at_a_provider_that_wants_closed_ones(provider: FakeProvider) -> None:
    provider.script(strict=True)
    schema = {
        "type": "object",
        "properties": {"mood": {"type": "string"}, "score": {"type": "integer"}},
        "required": ["mood"],
    }
    job = run(submit(json_schema=schema))
    assert (job.done, job.failed) == (3, 0)
    assert rows(job)[0].output["score"] == 1


def test_what_providers_say_is_not_lost(provider: FakeProvider) -> None:
    """A budget of tokens used up by reasoning, a filter, an error in a 200, and reasoning before the answer."""

    def answer(text: str, finish: str = "stop") -> dict[str, Any]:
        return {
            "choices": [{"message": {"content": text}, "finish_reason": finish}],
            "usage": {"prompt_tokens": 5, "completion_tokens": 3},
        }

    provider.script(
        do=[
            {"do": "body", "body": answer("", "length"), "match": "Kettle"},
            {"do": "body", "body": answer("", "content_filter"), "match": "Apron"},
            {"do": "body", "body": answer("<think>short</think>Fine."), "match": "Board"},
        ]
    )
    job = run(submit(max_tokens=20))
    kettle, apron, _, board = rows(job)
    assert kettle.error.startswith("The answer was cut off at the limit of 20 tokens, before it had any text.")
    assert apron.output["flag"] == "refused by the provider's content filter"
    assert (board.output["text"], board.output["reasoning"]) == ("Fine.", "short")
    assert (job.result["refused"], job.result["tokens"]) == (1, 24)
    assert len(provider.calls()) == 3


def test_columns_of_the_table_keep_their_names(provider: FakeProvider) -> None:
    job = run(submit(source=upload(b"product,tokens\nKettle,many\n"), prompt="{product}"))
    assert rows(job)[0].input == {"product": "Kettle", "tokens": "many"}
    assert {"text", "text.tokens", "finish_reason"} == set(rows(job)[0].output or {})


def batch(*lines: dict[str, Any]) -> str:
    return upload("\n".join(json.dumps(line) for line in lines).encode(), "requests.jsonl")


def line(custom_id: str, content: str, **body: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": content}]
    wrapped = {"messages": messages, "model": "fake-large", "temperature": 0} | body
    return {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": wrapped}


def test_a_batch_file_is_taken_as_it_is(provider: FakeProvider) -> None:
    source = batch(line("a", "One"), line("b", "Two", model=""))
    job = run(submit(source=source, prompt=""))
    one, two = rows(job)
    assert (one.key, one.input, one.output["text"]) == ("a", {"custom_id": "a"}, answer_to("One"))
    assert (two.key, two.output["text"]) == ("b", answer_to("Two"))
    assert sorted((call["prompt"], call["model"]) for call in provider.calls()) == [
        ("One", "fake-large"),
        ("Two", "fake-small"),
    ]


def test_ids_that_repeat_are_refused_before_anything_is_sent(provider: FakeProvider) -> None:
    assert "used before" in errors(source=batch(line("a", "One"), line("a", "Two")), prompt="")["source"]
    assert provider.calls() == []


def test_the_form_names_what_is_wrong(provider: FakeProvider) -> None:
    assert errors(prompt="The {prodct}") == {
        "prompt": "There is no column “prodct” in things.csv. Did you mean {product}?"
    }
    assert "has no closing one" in errors(prompt="price {5")["prompt"]
    assert "names no column" in errors(prompt="Write something.")["prompt"]
    assert "already" in errors(output_column="stars")["output_column"]
    assert "already" in errors(output_column="flag")["output_column"]
    assert "must describe an object" in errors(json_schema={"type": "string"})["json_schema"]
    assert "source" in errors(source="sample:nothing.csv")
    assert provider.calls() == []


def test_without_a_model_the_form_says_what_to_set(environment: Callable[..., None]) -> None:
    environment(OPENAI_BASE_URL=None, OPENAI_API_KEY=None)
    assert "OPENAI_BASE_URL" in errors()["model"]


def test_an_estimate_counts_rows_calls_and_tokens(provider: FakeProvider) -> None:
    params = {"source": upload(), "prompt": PROMPT, "max_tokens": 100}
    estimate = estimates.estimate("generate_texts", params, owner=OWNER)
    assert estimate
    assert (estimate.items, estimate.calls) == (4, 4)
    assert 4 * 50 < (estimate.tokens or 0) < 4 * 80
    slow = estimates.estimate("generate_texts", params | {"requests_per_minute": 1}, owner=OWNER)
    assert slow
    assert slow.seconds == 240


def test_three_rows_can_be_tried_first(provider: FakeProvider) -> None:
    job = commands.submit("generate_texts", EXAMPLE, owner=OWNER, sample=3)
    job = run(job)
    assert (job.state, job.done, job.total) == ("succeeded", 3, 3)
    assert len(provider.calls()) == 3


def test_the_providers_ills_leave_no_false_answer(provider: FakeProvider) -> None:
    """P17: whatever comes instead of an answer, the row has the answer or an error, never something else."""
    table = "n\n" + "".join(f"row {number}\n" for number in range(30))
    ills = [{"do": what, "calls": 3} for what in ("rubbish", "cut", "no_choices", "empty")]
    busy = {"do": "status", "status": 429, "retry_after": 0.2, "calls": 3}
    provider.script(do=[*ills, {"do": "status", "status": 500, "calls": 3}, busy])
    job = run(submit(source=upload(table.encode()), prompt="Say {n}.", concurrency=8))
    assert job.done + job.failed == 30
    for row in rows(job):
        if row.state == "done":
            assert row.output["text"] == answer_to(f"Say {row.input['n']}.")
        else:
            assert row.error
            assert row.output is None


ATTEMPT = """
import sys
from jobs.engine.db import postgres as database
from jobs.engine.queue import ledger
from jobs.engine.worker.run import Run

with database.session() as session:
    claim = ledger.claim(session.connection(), sys.argv[1], "to be killed")
attempt = Run(claim)
attempt.work()
attempt.settle()
"""


@pytest.mark.slow
def test_a_kill_loses_no_finished_row_and_pays_only_for_those_in_flight_again(provider: FakeProvider) -> None:
    table = "n\n" + "".join(f"row {number}\n" for number in range(60))
    provider.script(latency=0.1)
    job = submit(source=upload(table.encode()), prompt="Say {n}.", concurrency=4)
    attempt = subprocess.Popen([sys.executable, "-c", ATTEMPT, str(job.id)])
    wait_for(lambda: len(rows(job)) >= 12)
    attempt.kill()
    attempt.wait()
    kept = {row.key: row.output for row in rows(job)}
    free(job)
    job = run(job)
    assert (job.state, job.done) == ("succeeded", 60)
    assert {row.key: row.output for row in rows(job) if row.key in kept} == kept
    paid = provider.answered()
    assert len(paid) == 60
    assert sum(paid.values()) <= 60 + 2 * 4  # in flight, or answered and not yet written
    assert all(paid[f"Say {row.input['n']}."] == 1 for row in rows(job) if row.key in kept)


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def free(job: Job) -> None:
    """What the clock does when a worker has been silent for longer than its lease."""
    with postgres.session() as session:
        session.execute(
            update(Job).where(Job.id == job.id).values(lease_until=datetime.now(UTC) - timedelta(seconds=1))
        )
        assert ledger.recover_expired(session.connection()) == [job.id]
        session.execute(update(Job).where(Job.id == job.id).values(run_at=None))


def test_an_error_in_a_cell_is_no_word_of_a_prompt(provider: FakeProvider) -> None:
    source = upload(b"name;total;share\nAnn;3;15 %\nBob;#NV;1\nCy;#REF!;#REF!\n", "bill.csv")
    ann, bob, cy = rows(run(submit(source=source, prompt="{total}, {share}")))
    assert sorted(call["prompt"] for call in provider.calls()) == [", 1", "3, 15 %"]
    assert bob.output["error_cells"] == "The cell of “total” holds #NV. It was left empty in the prompt."
    assert "error_cells" not in ann.output and cy.state == "skipped"
    _, bob, cy = rows(run(submit(source=source, prompt="{total}, {share}", error_cells="skip")))
    assert (bob.error, cy.error) == ("The cell of “total” holds #NV.", "The cell of “total” holds #REF!.")

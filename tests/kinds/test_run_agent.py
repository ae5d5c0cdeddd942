"""An agent against a provider that does as it is told: steps, limits, loops, and a death between two steps."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from jobs import run_agent
from jobs.engine.db import postgres
from jobs.engine.db.models import Job
from jobs.engine.embedded.model import ModelServer
from jobs.engine.errors import Conflict, NotFound, ShuttingDown
from jobs.engine.kits.agents import checkpoints
from jobs.engine.llm import Budget
from jobs.engine.queue import approvals, commands, job_log, ledger, queries
from jobs.engine.worker.run import Run
from tests.engine.workers import until
from tests.fake_provider import FakeProvider
from tests.kinds.job_runs import OWNER, content, done, errors, give_back, items, run


@pytest.fixture
def provider(environment: Callable[..., None]) -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        environment(OPENAI_BASE_URL=provider.base_url, OPENAI_API_KEY="key", OPENAI_MODEL="fake-small")
        yield provider


def calls(name: str, **arguments: Any) -> dict[str, Any]:
    return {"do": "tool", "calls_tool": [name, arguments]}


def test_it_uses_a_tool_and_answers(provider: FakeProvider) -> None:
    provider.script(do=[calls("calculate", formula="6 * 7"), calls("calculate", formul="1")])
    job = done("run_agent", task="Six times seven?", tools=["calculate"])
    assert job.state == "succeeded"
    first, wrong, last = [item.output for item in items(job)]
    assert (first["thought"], first["tool"], first["result"]) == ("I use calculate.", "calculate", "42")
    assert "no argument “formul”" in wrong["result"]
    assert job.result["answer"] == last["thought"]
    assert job.result["answer"].startswith("Answer ")
    assert job.result["tokens"] == sum(item.tokens or 0 for item in items(job)) > 0
    offered = provider.calls()[0]["body"]["tools"]
    assert [one["function"]["name"] for one in offered] == ["calculate"]
    with checkpoints._connected() as kept:
        assert [kept.execute(f"select count(*) as n from {table}").fetchone()["n"] for table in checkpoints.TABLES] == [
            0
        ] * 3


def test_it_goes_on_from_its_last_step(provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    provider.script(do=[calls("calculate", formula=f"{n} + 1") for n in (1, 2)])
    job = commands.submit("run_agent", {"task": "Count.", "tools": ["calculate"]}, owner=OWNER)
    with postgres.session() as session:
        claim = ledger.claim(session.connection(), job.id, "test")
    assert claim
    once = Run(claim)
    monkeypatch.setattr(run_agent, "_output", _dies)
    once.work()
    give_back(once)
    monkeypatch.undo()
    assert len(provider.calls()) == 1
    job = run(queries.job(job.id, OWNER))
    assert job.state == "succeeded"
    assert [item.output["result"] for item in items(job)] == ["2", "3", None]
    assert len(provider.calls()) == 3


def asks(**params: Any) -> Job:
    """A job that waits with one call."""
    job = done("run_agent", task="Six times seven?", tools=["calculate"], approve=["calculate"], **params)
    assert (job.state, job.reason, job.attempt) == ("queued", "approval", 0)
    assert "calculate" in job.message
    return job


def test_a_call_waits_for_a_yes(provider: FakeProvider) -> None:
    provider.script(do=[calls("calculate", formula="6 * 7")])
    job = asks()
    (asked,) = approvals.approvals_of(job)
    assert (asked.tool, asked.arguments, asked.approved) == ("calculate", {"formula": "6 * 7"}, None)
    with postgres.session() as session:
        assert ledger.claim(session.connection(), job.id, "test") is None  # not before there is an answer
    assert queries.items(job).rows == []
    free = commands.answer_approval(job.id, asked.id, True, "", owner=OWNER)
    assert free.run_at is None
    assert commands.answer_approval(job.id, asked.id, True, "", owner=OWNER).state == "queued"  # pressed twice
    with pytest.raises(Conflict, match="approved already"):
        commands.answer_approval(job.id, asked.id, False, "", owner=OWNER)
    job = run(free)
    assert (job.state, job.attempt) == ("succeeded", 1)
    assert [item.output["result"] for item in items(job)] == ["42", None]
    assert len(provider.calls()) == 2


def test_a_refusal_is_told_to_the_model(provider: FakeProvider) -> None:
    provider.script(do=[calls("calculate", formula="6 * 7")])
    job = asks()
    (asked,) = approvals.approvals_of(job)
    job = run(commands.answer_approval(job.id, asked.id, False, "Count yourself.", owner=OWNER))
    assert job.state == "succeeded"
    assert "refused" in items(job)[0].output["result"]
    assert "Count yourself." in items(job)[0].output["result"]


def test_without_an_answer_it_goes_on_without_the_call(provider: FakeProvider) -> None:
    provider.script(do=[calls("calculate", formula="6 * 7")])
    job = asks(approval_hours=1)
    (asked,) = approvals.approvals_of(job)
    assert (asked.expires_at - asked.asked_at).total_seconds() == 3600
    with postgres.session() as session:
        connection = session.connection()
        connection.execute(text("update approvals set expires_at = now()"))
        connection.execute(text("update jobs set run_at = now()"))
    with pytest.raises(Conflict, match="time for an answer is over"):
        commands.answer_approval(job.id, asked.id, True, "", owner=OWNER)
    job = run(job)
    assert job.state == "succeeded"
    assert "Nobody approved this call within 1 h" in items(job)[0].output["result"]


def test_only_its_owner_may_answer_and_a_stop_ends_the_question(provider: FakeProvider) -> None:
    provider.script(do=[calls("calculate", formula="6 * 7")])
    job = asks()
    (asked,) = approvals.approvals_of(job)
    with pytest.raises(NotFound):
        commands.answer_approval(job.id, asked.id, True, "", owner="somebody")
    other = commands.submit("run_agent", {"task": "x"}, owner=OWNER)
    with pytest.raises(NotFound):
        commands.answer_approval(other.id, asked.id, True, "", owner=OWNER)
    assert commands.cancel(job.id, owner=OWNER).state == "cancelled"
    with pytest.raises(Conflict, match="has ended"):
        commands.answer_approval(job.id, asked.id, True, "", owner=OWNER)


def test_done_anew_it_asks_anew(provider: FakeProvider) -> None:
    provider.script(do=[calls("calculate", formula="6 * 7") | {"calls": 2}])
    job = asks()
    commands.cancel(job.id, owner=OWNER)
    job = run(commands.retry(job.id, owner=OWNER))
    assert job.reason == "approval"
    (asked,) = approvals.approvals_of(job)
    run(commands.answer_approval(job.id, asked.id, True, "", owner=OWNER))
    assert len(provider.calls()) == 3


def _dies(_: object) -> None:
    raise ShuttingDown


def test_a_stop_does_not_wait_for_the_model(provider: FakeProvider) -> None:
    provider.script(do=[{"do": "hang"}])
    job = commands.submit("run_agent", {"task": "Count.", "tools": ["calculate"]}, owner=OWNER)

    def stop() -> None:
        until(lambda: bool(provider.calls()))
        commands.cancel(job.id, owner=OWNER)

    stopping = threading.Thread(target=stop)
    stopping.start()
    job = run(job)
    stopping.join()
    assert (job.state, job.reason) == ("cancelled", "stopped")


def test_a_loop_and_each_limit_end_it_with_what_it_has(provider: FakeProvider) -> None:
    limits: list[tuple[str, dict[str, Any], int]] = [
        ("loop", {}, 3),
        ("max_steps", {"max_steps": 2}, 2),
        ("budget_spent", {"token_budget": 1_400}, 1),
    ]
    for reason, limit, steps in limits:
        provider.script(do=[calls("calculate", formula="1 + 1") | {"calls": 9}])
        job = done("run_agent", task="Count.", tools=["calculate"], **limit)
        assert (job.state, job.reason, job.done) == ("partial", reason, steps)
        assert content(queries.output_files(job)[0]) == b"I use calculate."


def test_the_small_model_has_its_tool_chosen(provider: FakeProvider) -> None:
    from jobs.engine.kits.agents.chat_model import AgentModel, _by_schema

    agent_model = AgentModel("", 64, Budget(None), lambda: None)
    offered = [{"function": {"name": "calculate", "description": "Calculate the value of a formula."}}]
    messages = [{"role": "user", "content": "Calculate this formula: 6 * 7"}]
    reply = _by_schema(agent_model, {"messages": messages, "tools": offered})
    assert [call["name"] for call in reply.calls] == ["calculate"]
    assert "formula" in reply.calls[0]["args"]


@pytest.mark.slow
def test_the_model_that_comes_along_takes_its_two_steps(environment: Callable[..., None], tmp_path: Path) -> None:
    """The real one, which cannot call tools: likeness chooses one, a schema forces the arguments, and it answers."""
    served = ModelServer(tmp_path)
    served.launch()
    try:
        served.wait_ready()
        environment(OPENAI_BASE_URL=served.url, OPENAI_API_KEY=served.api_key, LEGWORK_BUILT_IN="model")
        params = {"task": "Calculate the value of the formula 6 * 7.", "tools": ["calculate", "search_library"]}
        job = done("run_agent", **params, max_tokens=80)
    finally:
        served.stop()
    assert (job.state, job.result["model"]) == ("succeeded", "SmolLM2-135M-Instruct")
    asked, answered = [item.output for item in items(job)]
    assert asked["tool"] == "calculate"
    assert isinstance(json.loads(asked["arguments"])["formula"], str)
    assert asked["result"]  # a number, or why there is none
    assert answered["tool"] is None
    assert job.result["answer"] == answered["thought"] != ""
    assert job.result["tokens"] == sum(item.tokens or 0 for item in items(job)) > 50
    assert any("can use only one tool" in line.text for line in job_log.read_log(job).rows)


@pytest.mark.parametrize(
    ("arguments", "finish", "said"),
    [
        (
            '{"formula": "6*7"',
            "tool_calls",
            "The arguments are not valid JSON: Expecting ',' delimiter: line 1 column 18",
        ),
        ('{"formula": "6*', "length", "The arguments are not valid JSON: they were cut off at 3 tokens."),
        ('["6*7"]', "tool_calls", "The arguments are not valid JSON: an object is needed, not"),
    ],
)
def test_broken_arguments_are_told_to_the_model_as_what_they_are(
    provider: FakeProvider, arguments: str, finish: str, said: str
) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "calculate", "arguments": arguments}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    usage = {"prompt_tokens": 5, "completion_tokens": 3}
    body = {"choices": [{"message": message, "finish_reason": finish}], "usage": usage}
    provider.script(do=[{"do": "body", "body": body}], whole=True)
    job = done("run_agent", task="How much is 6 times 7?", tools=["calculate"])
    assert job.state == "succeeded"
    told = provider.calls()[1]["body"]["messages"][-1]
    assert told["role"] == "tool" and told["content"].startswith(f"Error: {said}")


def test_what_cannot_be_is_refused(provider: FakeProvider) -> None:
    assert "hosts" in errors("run_agent", task="x", tools=["fetch_page"])
    assert "fetch_page" in errors("run_agent", task="x", tools=["calculate"], approve=["fetch_page"])["approve"]
    assert "files" in errors("run_agent", task="x", files=["sample:none.csv"])

"""Connections: OpenAI's wire and Anthropic's side by side, fallbacks, prices, and where they may lead."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from jobs.engine import connections, llm
from jobs.engine.db import postgres
from jobs.engine.db.models import SavedConnection
from jobs.engine.errors import BadInput, InvalidParams, JobFailed, LegworkError, SettingsError, Transient
from jobs.engine.llm import Completion, providers, router
from jobs.engine.llm.cost_estimate import bill_of
from tests.fake_provider import FakeProvider, answer_to

SCHEMA = {
    "type": "object",
    "properties": {"mood": {"type": "string"}},
    "required": ["mood"],
    "additionalProperties": False,
}
PRICE = {"input": "1", "cached": "0.1", "written": "1.25", "output": "5"}


@pytest.fixture
def provider(environment: Callable[..., None]) -> Iterator[FakeProvider]:
    with FakeProvider() as running:
        root = running.base_url.removesuffix("/v1")
        named = [
            {"name": "claude", "kind": "anthropic", "address": root, "key": "sk-ant-1", "models": ["claude-x"],
             "prices": {"claude-x": PRICE}, "requests_per_minute": 6_000, "fallback": "fake-small@default"},
            {"name": "down", "address": "http://127.0.0.1:9/v1", "models": ["m"], "fallback": "claude"},
            {"name": "alone", "address": "http://127.0.0.1:9/v1", "models": ["m"]},
        ]  # fmt: skip
        where = {"OPENAI_BASE_URL": running.base_url, "OPENAI_API_KEY": "sk-test", "OPENAI_MODEL": "fake-small"}
        environment(**where, CONNECTIONS=json.dumps(named), PRICES='{"fake-small": {"input": 2, "output": 3}}')
        llm.forget()
        yield running
    llm.forget()


def ask(model: str, prompt: str = "Hello", **more: Any) -> Completion:
    async def run() -> Completion:
        async with router.open_client() as client:
            client.backoff, client.connect_seconds = 0.001, 1
            return await client.complete([{"role": "system", "content": "Be kind."}, {"role": "user", "content": prompt}],
                                         model=model, max_tokens=50, **more)  # fmt: skip

    return asyncio.run(run())


def test_two_providers_answer_side_by_side(provider: FakeProvider) -> None:
    one, other = ask(""), ask("claude-x@claude")
    assert one.text == other.text == answer_to("Hello")
    assert (one.model, other.model, other.finish_reason) == ("fake-small", "claude-x", "stop")
    usage = other.bill.usage
    assert (usage.prompt, usage.completion, usage.cached, usage.written) == (17, 7, 5, 2)
    assert other.bill.cost == (10 * Decimal(1) + 5 * Decimal("0.1") + 2 * Decimal("1.25") + 7 * 5) / 1_000_000
    first, second = provider.calls()
    assert (first["key"], second["key"]) == ("sk-test", "sk-ant-1")
    assert second["body"]["system"][0]["cache_control"] == {"type": "ephemeral"}
    assert ask("@claude").model == "claude-x"
    assert ask("fake-small@default").model == "fake-small"


def test_a_schema_is_a_tool_there(provider: FakeProvider) -> None:
    assert "mood" in json.loads(ask("claude-x@claude", json_schema=SCHEMA).text)
    assert provider.calls()[0]["body"]["tool_choice"]["type"] == "tool"


def test_tools_are_called_in_either_wire(provider: FakeProvider) -> None:
    tool = {"type": "function", "function": {"name": "calculate", "description": "x", "parameters": {"type": "object"}}}

    async def run(messages: list[dict[str, Any]]) -> Completion:
        async with router.open_client() as client:
            return await client.send({"model": "@claude", "messages": messages, "tools": [tool], "max_tokens": 20})

    asked: list[dict[str, Any]] = [{"role": "user", "content": "How much is 6*7?"}]
    (call,) = asyncio.run(run(asked)).calls
    assert (call.name, json.loads(call.arguments)) == ("calculate", {"formula": "6*7"})
    made = {"id": "a", "type": "function", "function": {"name": "calculate", "arguments": call.arguments}}
    asked += [
        {"role": "assistant", "content": None, "tool_calls": [made]},
        {"role": "tool", "tool_call_id": "a", "content": "42"},
    ]
    assert asyncio.run(run(asked)).calls == ()


@pytest.mark.parametrize(("model", "busy", "answered"), [("m@down", 0, "claude-x"), ("@claude", 4, "fake-small")])
def test_where_one_is_down_the_next_is_asked(provider: FakeProvider, model: str, busy: int, answered: str) -> None:
    provider.script(do=[{"do": "status", "status": 529, "calls": busy, "code": "overloaded_error"}])
    assert ask(model).model == answered


def test_a_request_that_is_refused_goes_nowhere_else(provider: FakeProvider) -> None:
    provider.script(do=[{"do": "status", "status": 400, "code": "invalid_request_error", "message": "Too long"}])
    with pytest.raises(BadInput, match="Too long"):
        ask("@claude")
    with pytest.raises(Transient):
        ask("m@alone")
    with pytest.raises(JobFailed, match="has no model"):
        ask("other@claude")


def test_a_stream_of_the_other_wire_reads_as_ours(provider: FakeProvider) -> None:
    for model, answered in (("@claude", "claude-x"), ("m@down", "claude-x"), ("", "fake-small")):
        body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "stream": True}
        stream = router.stream_chat(body | {"stream_options": {"include_usage": True}})
        stream.open()
        text = "".join(piece for piece, _ in stream.texts())
        assert (text.strip(), stream.finish_reason, stream.body["model"]) == (answer_to("Hello"), "stop", answered)
        assert bill_of(stream, 0).cost
        stream.release()


def test_the_most_it_can_cost_is_that_of_the_dearest(provider: FakeProvider) -> None:
    async def most(model: str) -> Decimal | None:
        async with router.open_client() as client:
            return client.most_cost(
                {"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 100}
            )

    claude, ours, none = (asyncio.run(most(model)) for model in ("@claude", "", "m@down"))
    assert claude is not None and ours is not None and none is None
    assert claude > ours > 0
    assert claude >= Decimal("0.0005")


def test_an_admin_adds_one_whose_key_stays_hidden(provider: FakeProvider) -> None:
    given: dict[str, Any] = {
        "name": "mine",
        "address": "https://api.example.com/v1",
        "key": "sk-very-secret",
        "models": ["m"],
    }
    connections.save(given, by="local")
    connections.offer()
    with postgres.session() as session:
        row = session.get_one(SavedConnection, "mine")
        assert "very-secret" not in str(row.sealed)
    assert llm.named()["mine"].key == "sk-very-secret"
    assert "m@mine" in llm.models()
    connections.save(given | {"key": "", "fallback": "claude"}, by="local")
    assert (llm.named()["mine"].key, llm.named()["mine"].fallback) == ("sk-very-secret", "claude")
    for wrong in (
        {"address": "http://10.0.0.7/v1"},
        {"name": "default"},
        {"prices": {"m": {"input": "x"}}},
        {"can": ["fly"]},
    ):
        with pytest.raises((BadInput, InvalidParams)):
            connections.save(given | wrong, by="local")
    connections.remove("mine", by="local")
    assert "mine" not in llm.named()
    providers.saved_from(list)


def test_a_typed_address_does_not_lead_inside(provider: FakeProvider) -> None:
    inside = providers.made(
        name="inside", address=f"http://localhost:{provider.base_url.split(':')[2]}", models=["m"], checked=True
    )
    providers.saved_from(lambda: [inside])
    llm.forget()
    with pytest.raises(LegworkError):
        ask("m@inside")
    with pytest.raises(LegworkError):
        router.stream_chat({"model": "m@inside", "messages": []}).open()
    assert provider.calls() == []
    providers.saved_from(list)


@pytest.mark.parametrize(
    "text", ['[{"name": "a"}]', '[{"name": "A b", "address": "https://x"}]', "{}", "/no/such/file", "[3]"]
)
def test_a_setting_that_is_wrong_is_named(environment: Callable[..., None], text: str) -> None:
    environment(CONNECTIONS=text)
    llm.forget()
    with pytest.raises(SettingsError, match="CONNECTIONS"):
        llm.named()


@pytest.mark.slow
def test_the_fake_speaks_to_the_real_client(provider: FakeProvider) -> None:
    import anthropic

    with anthropic.Anthropic(base_url=provider.base_url.removesuffix("/v1"), api_key="k", max_retries=0) as client:
        asked: dict[str, Any] = {
            "model": "claude-x",
            "max_tokens": 9,
            "messages": [{"role": "user", "content": "Hello"}],
        }
        whole = client.messages.create(**asked)
        assert whole.content[0].text == answer_to("Hello")  # type: ignore[union-attr]
        with client.messages.stream(**asked) as stream:
            assert "".join(stream.text_stream) == answer_to("Hello")

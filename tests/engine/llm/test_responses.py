"""What providers send instead of a plain answer, each over the wire, for bulk work and for streams."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from jobs.engine.errors import BadInput, JobFailed, LegworkError, Transient
from jobs.engine.llm import responses, strict_schema
from jobs.engine.llm.budget import Budget
from jobs.engine.llm.client import Chat
from jobs.engine.llm.connections import Provider
from jobs.engine.llm.responses import Completion, InvalidAnswer, ReasoningFilter
from jobs.engine.llm.stream import Stream
from tests.fake_provider import FakeProvider

MOOD = {"type": "object", "properties": {"mood": {"type": "string"}}, "required": ["mood"]}
ORDINARY = {
    "type": "object",
    "properties": {"mood": {"type": "string"}, "score": {"type": "integer"}},
    "required": ["mood"],
}


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as running:
        yield running


@pytest.fixture(autouse=True)
def _forget(provider: FakeProvider) -> None:
    provider.server.calls.clear()


def answered(text: Any, finish: str = "stop", **message: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}
    return {"choices": [choice], "model": "fake-small", "usage": {"prompt_tokens": 5, "completion_tokens": 3}}


def ask(provider: FakeProvider, *bodies: Any, **options: Any) -> Completion:
    """The answer where the provider sends these bodies, one a call."""
    provider.script(do=[{"do": "body", "body": body} for body in bodies])

    async def run() -> Completion:
        async with Chat(provider.base_url, "sk-test-123456", "fake-small", backoff=0.01) as model:
            return await model.complete([{"role": "user", "content": "Hello"}], **options)

    return asyncio.run(run())


def refused(provider: FakeProvider, *bodies: Any, **options: Any) -> LegworkError:
    with pytest.raises(LegworkError) as error:
        ask(provider, *bodies, **options)
    return error.value


@pytest.mark.parametrize(
    ("finish", "body"),
    [
        ("length", answered("", "length")),
        ("reasoning_content", answered("", "length", reasoning_content="Let me see")),
        ("think", answered("<think>\nLet me see", "length")),
        ("null", answered(None, "length")),
    ],
)
def test_a_limit_that_is_used_up_before_the_text_is_said_once_and_paid_once(
    provider: FakeProvider, finish: str, body: dict[str, Any]
) -> None:
    error = refused(provider, body, max_tokens=20)
    assert "cut off at the limit of 20 tokens, before it had any text" in error.message
    assert (error.reason, error.prompt_tokens, error.completion_tokens) == ("cut_off", 5, 3)
    assert len(provider.calls()) == 1


def test_refusals_and_filters_are_told_apart_and_not_asked_again(provider: FakeProvider) -> None:
    came = [
        ask(provider, answered(None, refusal="I cannot help with that.")),
        ask(provider, answered(None, "content_filter")),
        ask(provider, answered("Once upon", "content_filter")),
    ]
    assert [(one.text, one.refused, one.filtered) for one in came] == [
        ("I cannot help with that.", True, False),
        ("", False, True),
        ("Once upon", False, True),
    ]
    said = []
    for one in came:
        with pytest.raises(InvalidAnswer) as error:
            one.given()
        said.append((error.value.reason, error.value.message))
        assert error.value.completion_tokens == 3
    assert said[0] == ("refused", "The model refused to answer. It says: I cannot help with that.")
    assert said[1:] == [("filtered", "The provider's content filter refused the answer.")] * 2
    assert len(provider.calls()) == 3


@pytest.mark.parametrize(
    ("body", "kind", "calls"),
    [
        ({"error": {"message": "Upstream is overloaded, WX-55", "code": 502}}, Transient, 4),
        ({"error": {"message": "WX-55", "type": "overloaded_error"}, "choices": []}, Transient, 4),
        ({"choices": [{"error": {"message": "WX-55", "code": "503"}, "finish_reason": "error"}]}, Transient, 4),
        ({"error": {"message": "Prompt too long, WX-55"}}, BadInput, 1),
        ({"error": "WX-55"}, BadInput, 1),
        ({"detail": "WX-55"}, BadInput, 1),
        ({"errors": [{"message": "WX-55", "code": 7003}], "success": False}, BadInput, 1),
        ({"message": "WX-55", "code": 400}, BadInput, 1),
        ({"error": {"message": "No such key WX-55", "code": "invalid_api_key"}}, JobFailed, 1),
        ({"error": {"message": "Pay WX-55", "code": "insufficient_quota"}}, JobFailed, 1),
    ],
)
def test_an_error_in_a_200_keeps_its_words(
    provider: FakeProvider, body: Any, kind: type[LegworkError], calls: int
) -> None:
    error = refused(provider, *[body] * 4)
    assert isinstance(error, kind)
    assert "WX-55" in error.message
    assert len(provider.calls()) == calls
    in_stream = streamed(provider, [body])
    assert "WX-55" in in_stream[2]


def test_a_busy_provider_says_so_in_a_200_too(provider: FakeProvider) -> None:
    busy = {"error": {"message": "Slow down", "code": "rate_limit_exceeded"}}
    assert ask(provider, busy, answered("fine")).text == "fine"


@pytest.mark.parametrize(
    ("text", "reasoning", "answer"),
    [
        ("<think>\nA word. I pick blue.\n</think>\n\nblue", "A word. I pick blue.", "blue"),
        ("  <THINKING>so</THINKING> blue", "so", "blue"),
        ("A word.\n</think>\n\nblue", "A word.", "blue"),
        ("The tag <think> opens it, </think> closes it.", "", "The tag <think> opens it, </think> closes it."),
        ("<thinker>blue", "", "<thinker>blue"),
    ],
)
def test_reasoning_is_apart_from_the_answer(provider: FakeProvider, text: str, reasoning: str, answer: str) -> None:
    came = ask(provider, answered(text))
    assert (came.reasoning, came.text) == (reasoning, answer)


def test_reasoning_in_a_field_and_text_in_parts(provider: FakeProvider) -> None:
    assert ask(provider, answered("blue", reasoning_content="A word.")).reasoning == "A word."
    assert ask(provider, answered([{"type": "text", "text": "bl"}, {"type": "text", "text": "ue"}])).text == "blue"


@pytest.mark.parametrize(
    "text",
    [
        '```json\n{"mood": "good"}\n```',
        'Here it is:\n\n```\n{"mood": "good"}\n```\nAnything else?',
        '~~~ JSON\n{"mood": "good"}\n~~~',
        '<think>\n```json\n{"mood": "bad"}\n```\n</think>\n```json\n{"mood": "good"}\n```',
        '<think>easy</think>{"mood": "good"}',
    ],
)
def test_json_in_a_fence_is_taken_and_paid_once(provider: FakeProvider, text: str) -> None:
    assert json.loads(ask(provider, answered(text), json_schema=MOOD).text) == {"mood": "good"}
    assert len(provider.calls()) == 1


def test_of_two_fences_none_is_taken(provider: FakeProvider) -> None:
    two = answered('```\n{"mood": "good"}\n```\nor\n```\n{"mood": "bad"}\n```')
    error = refused(provider, two, two, json_schema=MOOD)
    assert "does not fit the JSON schema, twice: it is not JSON." in error.message
    assert (error.prompt_tokens, error.completion_tokens) == (10, 6)


def test_each_failed_try_is_paid(provider: FakeProvider) -> None:
    answer = ask(provider, answered(" "), answered("", reasoning_content="Hm."), answered("fine"))
    assert (answer.text, answer.prompt_tokens, answer.completion_tokens) == ("fine", 15, 9)
    error = refused(provider, *[answered(" ")] * 4)
    assert error.message == "The model gave an empty answer, four times."
    assert (error.prompt_tokens, error.completion_tokens) == (20, 12)


def test_a_budget_counts_failed_tries_and_is_not_passed_by_them(provider: FakeProvider) -> None:
    budget = Budget(30)
    provider.script(do=[{"do": "body", "body": answered(" ")}] * 9)

    async def run() -> None:
        async with (
            Chat(provider.base_url, "", "fake-small", backoff=0.01) as model,
            budget.room_for(10) as spend,
        ):
            await model.send({"messages": [{"role": "user", "content": "Hello"}]}, again=spend.again)

    with pytest.raises(Transient):
        asyncio.run(run())
    assert budget.used == 24
    assert len(provider.calls()) == 3


# Streams.


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def streamed(provider: FakeProvider, events: list[Any]) -> tuple[str, str, str]:
    """The text of a stream, and why it is not whole, as a word and a sentence."""
    provider.script(do=[{"do": "body", "body": events}])
    body = {"model": "fake-small", "messages": [{"role": "user", "content": "Hello"}], "stream": True, "max_tokens": 20}
    stream = Stream(Provider(provider.base_url, "sk-test-123456", 5, 5), body)
    text = ""
    try:
        stream.open()
        for piece, _ in stream.texts():
            text += piece
    except LegworkError as error:
        return text, error.reason, error.message
    finally:
        stream.release()
    return (text, *(stream.ending(bool(text.strip())) or ("", "")))


@pytest.mark.parametrize(
    ("events", "text", "reason", "words"),
    [
        ([chunk(content="blue"), chunk("stop")], "blue", "", ""),
        ([chunk("length")], "", "length", "cut off at the limit of 20 tokens"),
        ([chunk(content="a beg"), chunk("length")], "a beg", "length", "cut off"),
        ([chunk("content_filter")], "", "filtered", "content filter refused"),
        ([chunk(content="Once"), chunk("content_filter")], "Once", "filtered", "ended the answer here"),
        ([chunk(refusal="I cannot."), chunk("stop")], "I cannot.", "refused", "refused to answer"),
        ([chunk("stop")], "", "provider_unwell", "empty answer"),
        ([chunk(reasoning_content="Hm."), chunk("stop")], "", "provider_unwell", "only reasoned"),
        ([chunk(content="Once"), {"error": {"message": "WX-55", "code": 502}}], "Once", "provider_unwell", "WX-55"),
        ([chunk(content="Once"), {"error": {"message": "WX-55"}}], "Once", "provider_refused", "WX-55"),
        ([chunk(content="Once"), chunk("error")], "Once", "provider_unwell", "with an error"),
        ([chunk(content=one) for one in "<think>no</think>\n\nblue <think>"] + [chunk("stop")], "blue <think>", "", ""),
        ([chunk(content="<think>so"), chunk("length")], "", "length", "cut off at the limit"),
        ([chunk(content="<thin"), chunk("stop")], "<thin", "", ""),
        ([chunk(content="<"), chunk(content="b>bold"), chunk("stop")], "<b>bold", "", ""),
    ],
)
def test_a_stream_says_how_it_ended(
    provider: FakeProvider, events: list[Any], text: str, reason: str, words: str
) -> None:
    came = streamed(provider, events)
    assert came[:2] == (text, reason)
    assert words in came[2]


def test_reasoning_is_found_however_it_is_cut() -> None:
    whole = "\n<think>one < two</think>\n\nThe answer."
    for size in range(1, len(whole) + 1):
        found = ReasoningFilter()
        pieces = [found.answer(whole[at : at + size]) for at in range(0, len(whole), size)]
        assert "".join(pieces) + found.rest() == "The answer.", size
        assert found.reasoning == "one < two", size
    assert responses.reasoned(whole) == ("one < two", "The answer.")


@pytest.mark.parametrize(
    ("text", "reasoning", "answer"),
    [
        ("<think>never closed", "never closed", ""),
        ("<Reasoning>\nso\n</Reasoning>\nblue", "so", "blue"),
        ("```html\n<think>x</think>\n```", "", "```html\n<think>x</think>\n```"),
        ("See:\n```\na\n</think>\n```", "", "See:\n```\na\n</think>\n```"),
        ("It opens with <think>, ends with\n</think>\n.", "", "It opens with <think>, ends with\n</think>\n."),
        ("Look:\n```\ncode\n```\nso.\n</think>\nblue", "Look:\n```\ncode\n```\nso.", "blue"),
    ],
)
def test_tags_are_reasoning_only_before_the_answer(text: str, reasoning: str, answer: str) -> None:
    assert responses.reasoned(text) == (reasoning, answer)
    if "</think>" not in text or text.startswith("<"):
        found = ReasoningFilter()
        assert "".join(found.answer(letter) for letter in text) + found.rest() == answer
        assert found.reasoning == reasoning


def test_a_stream_keeps_the_reasoning_apart(provider: FakeProvider) -> None:
    for field in ("reasoning_content", "reasoning"):
        events = [chunk(**{field: "Hm, "}), chunk(**{field: "blue?"}), chunk(content="blue"), chunk("stop")]
        provider.script(do=[{"do": "body", "body": events}])
        body = {"model": "fake-small", "messages": [], "stream": True}
        stream = Stream(Provider(provider.base_url, "sk-test-123456", 5, 5), body)
        stream.open()
        texts = list(stream.texts())
        stream.release()
        assert ("".join(text for text, _ in texts), stream.reasoning) == ("blue", "Hm, blue?")
        assert sum(tokens for _, tokens in texts) == 3


# Schemas in strict mode.


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (MOOD, True),
        (ORDINARY, False),
        (MOOD | {"additionalProperties": True}, False),
        (MOOD | {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Mood"}, True),
        ({"type": "object", "properties": {"all": {"type": "array", "items": MOOD}}, "required": ["all"]}, True),
        ({"type": "object", "properties": {"all": {"type": "array", "items": ORDINARY}}, "required": ["all"]}, False),
        ({"type": "object", "properties": {"a": {"$ref": "#/$defs/m"}}, "required": ["a"], "$defs": {"m": MOOD}}, True),
        ({"type": "object", "properties": {"a": {"oneOf": [MOOD, {"type": "null"}]}}, "required": ["a"]}, False),
        ({"type": "object", "properties": {"a": {}}, "required": ["a"]}, False),
        (
            {"type": "object", "properties": {"default": {"type": "string", "default": "x"}}, "required": ["default"]},
            True,
        ),
        ({"type": "object"}, True),
    ],
)
def test_a_schema_is_closed_where_that_keeps_its_meaning(
    provider: FakeProvider, schema: dict[str, Any], strict: bool
) -> None:
    asked = strict_schema.response_format(schema)["json_schema"]
    assert asked["strict"] is strict
    if not strict:
        assert asked["schema"] == schema
    provider.script(strict=True)

    async def run() -> Completion:
        async with Chat(provider.base_url, "", "fake-small", backoff=0.01) as model:
            return await model.complete([{"role": "user", "content": "Hello"}], json_schema=schema)

    with suppress(InvalidAnswer):  # the scripted provider makes no answers for references
        asyncio.run(run())
    assert {call["status"] for call in provider.calls()} == {200}


def test_a_provider_that_takes_less_is_asked_without_strict_mode_and_that_is_learned(provider: FakeProvider) -> None:
    message = "Invalid schema for response_format 'answer': 'pattern' is not permitted."
    provider.script(do=[{"do": "status", "status": 400, "message": message}])

    async def run() -> None:
        async with Chat(provider.base_url, "", "fake-small", backoff=0.01) as model:
            for _ in range(2):
                await model.complete([{"role": "user", "content": "Hello"}], json_schema=MOOD)

    asyncio.run(run())
    strict = [call["body"]["response_format"]["json_schema"]["strict"] for call in provider.calls()]
    assert strict == [True, False, False]

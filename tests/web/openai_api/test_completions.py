"""/v1 as OpenAI's own client uses it: chat, embeddings, errors in its classes, and life while the model says nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from flask import Flask

from tests.fake_provider import FakeProvider
from webapp.openai_api import completions

SAID: Any = [{"role": "user", "content": "Say something."}]


@pytest.fixture(scope="module")
def app(app_with_model: Flask) -> Flask:
    return app_with_model


@pytest.fixture
def ours(app: Flask, provider: FakeProvider) -> Iterator[openai.OpenAI]:
    provider.script()
    transport = httpx.WSGITransport(app=app)
    with (
        httpx.Client(transport=transport) as http,
        openai.OpenAI(base_url="http://localhost/v1", api_key="none", http_client=http, max_retries=0) as client,
    ):
        yield client


def test_a_chat_and_its_stream(ours: openai.OpenAI) -> None:
    whole = ours.chat.completions.create(model="fake-small", messages=SAID)
    assert whole.choices[0].message.content
    assert whole._request_id and whole._request_id.startswith("req_")
    streamed = ours.chat.completions.create(model="fake-small", messages=SAID, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in streamed if chunk.choices)


def test_embeddings_in_both_forms(ours: openai.OpenAI) -> None:
    packed = ours.embeddings.create(model="all-MiniLM-L6-v2", input=["a red kettle", "tea"])  # as base64, by default
    plain = ours.embeddings.create(model="all-MiniLM-L6-v2", input="a red kettle", encoding_format="float")
    assert [len(one.embedding) for one in packed.data] == [384, 384]
    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-5)
    assert packed.usage.prompt_tokens > 0


def test_errors_are_the_clients_own(ours: openai.OpenAI) -> None:
    wrong: Any = {"model": "fake-small", "messages": []}
    with pytest.raises(openai.BadRequestError) as refused:
        ours.chat.completions.create(**wrong)
    assert (refused.value.param, refused.value.type) == ("messages", "invalid_request_error")
    assert "at least one message" in str(refused.value)
    with pytest.raises(openai.NotFoundError) as unknown:
        ours.models.retrieve("gpt-99")
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError, match="There is no /v1/moderations here"):
        ours.moderations.create(input="x")
    with pytest.raises(openai.BadRequestError, match="up to 256 texts"):
        ours.embeddings.create(model="all-MiniLM-L6-v2", input=[""])
    with pytest.raises(openai.APIStatusError) as method:
        ours.delete("/models", cast_to=object)
    assert method.value.status_code in (404, 405)
    assert "error" in method.value.response.json()


def test_a_router_hears_something_while_the_model_is_silent(
    ours: openai.OpenAI, app: Flask, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completions, "HEARTBEAT_SECONDS", 0.1)
    body = {"model": "fake-small", "messages": SAID}
    provider.script(latency=1)
    came = app.test_client().post("/v1/chat/completions", json={**body, "stream": True})
    assert came.text.startswith(": waiting\n\n")
    assert came.text.rstrip().endswith("data: [DONE]")
    came = app.test_client().post("/v1/chat/completions", json=body)
    assert came.text.startswith(" ")
    assert came.get_json()["choices"]
    assert ours.chat.completions.create(model="fake-small", messages=SAID).choices[0].message.content
    provider.script(latency=1, do=[{"do": "status", "status": 400, "message": "No."}])
    with pytest.raises(openai.APIError):
        for _ in ours.chat.completions.create(model="fake-small", messages=SAID, stream=True):
            pass

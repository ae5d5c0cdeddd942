"""Batches as OpenAI's own client runs them, in a site whose jobs are done here, one attempt at a time."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from flask import Flask
from openai.types import Batch
from sqlalchemy import text

from jobs.engine.db import postgres
from jobs.engine.queue import batches, ledger
from jobs.engine.worker.run import Run
from tests.fake_provider import FakeProvider, answer_to

CHAT, EMBEDDINGS = "/v1/chat/completions", "/v1/embeddings"
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture(scope="module")
def app(app_with_model: Flask) -> Flask:
    return app_with_model


@pytest.fixture
def ours(app: Flask, provider: FakeProvider) -> Iterator[openai.OpenAI]:
    provider.script()
    with (
        httpx.Client(transport=httpx.WSGITransport(app=app)) as http,
        openai.OpenAI(base_url="http://localhost/v1", api_key="none", http_client=http, max_retries=0) as client,
    ):
        yield client


def line(name: str, url: str = CHAT, **body: Any) -> dict[str, Any]:
    asked = {"model": "fake-small", "messages": [{"role": "user", "content": f"Say {name}."}]} if url == CHAT else {}
    return {"custom_id": name, "method": "POST", "url": url, "body": asked | body}


def begin(ours: openai.OpenAI, lines: list[dict[str, Any]] | bytes, endpoint: Any = CHAT, **more: Any) -> Batch:
    content = lines if isinstance(lines, bytes) else "\n".join(map(json.dumps, lines)).encode()
    sent = ours.files.create(file=("requests.jsonl", io.BytesIO(content)), purpose="batch")
    return ours.batches.create(input_file_id=sent.id, endpoint=endpoint, completion_window="24h", **more)


def work(batch: Batch) -> None:
    """One attempt at its job."""
    with postgres.session() as session:
        claim = ledger.claim(session.connection(), batches.find_batch(batch.id[6:], "local").job.id, "test")
    assert claim
    attempt = Run(claim)
    attempt.work()
    attempt.settle()


def rows(ours: openai.OpenAI, file_id: str | None) -> dict[str, Any]:
    assert file_id
    content = ours.files.content(file_id).content
    assert ours.files.retrieve(file_id).bytes == len(content)
    return {row["custom_id"]: row for row in map(json.loads, content.splitlines())}


def test_a_batch_of_chats(ours: openai.OpenAI, provider: FakeProvider) -> None:
    provider.script(do=[{"do": "status", "status": 400, "message": "No sugar.", "match": "sugar"}])
    schema = {"type": "object", "properties": {"mood": {"type": "string"}}, "required": ["mood"]}
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    lines = [
        line("tea", temperature=0.2, max_tokens=50, seed=7),
        line("milk", model="fake-large", response_format=form),
        line("cup", tools=[TOOL], tool_choice="auto"),
        line("sugar"),
        line("spoon", model="gpt-99"),
        line("plate", url=EMBEDDINGS, input="x"),
        {"custom_id": "bowl", "method": "POST", "url": CHAT, "body": "nothing"},
    ]
    made = begin(ours, lines, metadata={"for": "tests"})
    assert (made.status, made.output_file_id, made.metadata) == ("validating", None, {"for": "tests"})
    assert made.expires_at == pytest.approx(made.created_at + 86_400, abs=1)
    assert ours.batches.retrieve(made.id) == made
    work(made)
    done = ours.batches.retrieve(made.id)
    assert (done.status, done.errors) == ("completed", None)
    assert done.request_counts and (done.request_counts.total, done.request_counts.completed) == (7, 3)
    assert done.request_counts.failed == 4
    assert done.completed_at and done.in_progress_at and done.usage and done.usage.total_tokens > 0
    answered = rows(ours, done.output_file_id)
    assert list(answered) == ["tea", "milk", "cup"]
    body = answered["tea"]["response"]["body"]
    assert (answered["tea"]["response"]["status_code"], body["object"]) == (200, "chat.completion")
    assert body["choices"][0]["message"]["content"] == answer_to("Say tea.")
    assert answered["milk"]["response"]["body"]["model"] == "fake-large"
    failed = rows(ours, done.error_file_id)
    assert list(failed) == ["sugar", "spoon", "plate", "bowl"]
    assert "No sugar." in failed["sugar"]["error"]["message"]
    assert failed["spoon"]["response"]["status_code"] == 404
    asked = {call["prompt"]: call["body"] for call in provider.calls()}
    assert (asked["Say tea."]["temperature"], asked["Say tea."]["max_tokens"], asked["Say tea."]["seed"]) == (
        0.2,
        50,
        7,
    )
    assert asked["Say cup."]["tools"] == [TOOL]
    assert asked["Say milk."]["response_format"]["type"] == "json_schema"


def test_a_batch_of_embeddings(ours: openai.OpenAI) -> None:
    lines = [
        line("one", EMBEDDINGS, model="all-MiniLM-L6-v2", input="a red kettle"),
        line("two", EMBEDDINGS, model="all-MiniLM-L6-v2", input=["tea", "milk"], encoding_format="base64"),
        line("none", EMBEDDINGS, input=""),
    ]
    made = begin(ours, lines, EMBEDDINGS)
    work(made)
    done = ours.batches.retrieve(made.id)
    assert (done.status, done.request_counts and done.request_counts.failed) == ("completed", 1)
    answered = rows(ours, done.output_file_id)
    assert len(answered["one"]["response"]["body"]["data"][0]["embedding"]) == 384
    assert isinstance(answered["two"]["response"]["body"]["data"][1]["embedding"], str)
    assert answered["two"]["response"]["body"]["usage"]["total_tokens"] > 0


@pytest.mark.parametrize(
    ("content", "code", "at"),
    [
        (b'{"custom_id": "a", "body": {}}\n{"custom_id": "a", "body": {}}\n', "duplicate_custom_id", 2),
        (b'{"custom_id": "a", "body": {}}\nnot JSON\n', "invalid_json_line", 2),
        (b'{"custom_id": "a", "body": {}}\n{"body": {}}\n', "missing_custom_id", 2),
        (b'{"id": "a"}\n', "missing_custom_id", 1),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "invalid_file", None),
    ],
)
def test_what_is_no_batch_fails_and_says_why(ours: openai.OpenAI, content: bytes, code: str, at: int | None) -> None:
    made = begin(ours, content)
    work(made)
    done = ours.batches.retrieve(made.id)
    assert (done.status, done.output_file_id, done.error_file_id) == ("failed", None, None)
    assert done.failed_at and done.errors and done.errors.data
    assert (done.errors.data[0].code, done.errors.data[0].line) == (code, at)
    assert done.errors.data[0].message


def test_what_cannot_begin_is_refused_in_the_clients_classes(ours: openai.OpenAI) -> None:
    wrong: Any = {"input_file_id": "file-none", "endpoint": CHAT, "completion_window": "24h"}
    with pytest.raises(openai.BadRequestError) as refused:
        ours.batches.create(**wrong)
    assert refused.value.param == "input_file_id"
    sent = ours.files.create(file=("r", b"{}"), purpose="batch")
    assert sent.filename == "r.jsonl"
    for change in ({"endpoint": "/v1/images"}, {"completion_window": "soon"}, {"metadata": {"a": "b" * 600}}):
        with pytest.raises(openai.BadRequestError) as refused:
            ours.batches.create(**wrong | {"input_file_id": sent.id} | change)
        assert refused.value.param == next(iter(change))
    with pytest.raises(openai.BadRequestError):
        ours.files.create(file=("r.jsonl", b"{}"), purpose="fine-tune")
    for missing in (ours.batches.retrieve, ours.batches.cancel, ours.files.retrieve, ours.files.delete):
        with pytest.raises(openai.NotFoundError):
            missing("batch_01900000-0000-7000-8000-000000000000")


def test_a_batch_is_cancelled_and_what_is_done_is_kept(ours: openai.OpenAI, provider: FakeProvider) -> None:
    waiting = begin(ours, [line("tea")])
    assert ours.batches.cancel(waiting.id).status == "cancelled"
    provider.script(key="another")
    made = begin(ours, [line("tea")])
    work(made)
    failed = ours.batches.retrieve(made.id)
    assert (failed.status, failed.errors and failed.errors.data and failed.errors.data[0].code) == (
        "failed",
        "provider_refused_key",
    )
    with pytest.raises(openai.ConflictError):
        ours.batches.cancel(made.id)


def test_a_batch_whose_time_is_over_expires(ours: openai.OpenAI) -> None:
    made = begin(ours, [line("tea")])
    with postgres.session() as session:
        session.execute(
            text("update batches set expires_at = now() - interval '1 s' where job_id = :id"), {"id": made.id[6:]}
        )
    assert batches.expire_batches() == 1
    over = ours.batches.retrieve(made.id)
    assert over.status == "expired" and over.expired_at and over.cancelled_at is None
    assert batches.expire_batches() == 0


def test_files_and_batches_are_listed_in_pages_and_deleted(ours: openai.OpenAI) -> None:
    made = begin(ours, [line("tea"), line("milk", url=EMBEDDINGS)])
    with pytest.raises(openai.ConflictError, match="needs this file"):
        ours.files.delete(made.input_file_id)
    work(made)
    done = ours.batches.retrieve(made.id)
    assert done.output_file_id and done.error_file_id
    newest = [batch.id for batch in ours.batches.list(limit=1)]
    assert newest[0] == made.id and len(newest) == len(set(newest)) > 1
    names = [file.id for file in ours.files.list(limit=1)]
    assert len(names) == len(set(names))
    assert {done.output_file_id, done.error_file_id, made.input_file_id} <= set(names)
    outputs = [file.id for file in ours.files.list(purpose="batch_output", limit=2)]
    assert outputs[:2] == [done.error_file_id, done.output_file_id]
    for gone in (done.output_file_id, made.input_file_id):
        assert ours.files.delete(gone).deleted
        with pytest.raises(openai.NotFoundError):
            ours.files.content(gone)
    after = ours.batches.retrieve(made.id)
    assert (after.status, after.output_file_id, after.error_file_id) == ("completed", None, done.error_file_id)


def test_what_is_anothers_is_not_found(ours: openai.OpenAI) -> None:
    made = begin(ours, [line("tea")])
    with postgres.session() as session:
        session.execute(text("update jobs set owner = 'another' where id = :id"), {"id": made.id[6:]})
    for missing in (ours.batches.retrieve, ours.batches.cancel):
        with pytest.raises(openai.NotFoundError):
            missing(made.id)
    with pytest.raises(openai.NotFoundError):
        ours.files.content(f"file-{made.id[6:]}-output")

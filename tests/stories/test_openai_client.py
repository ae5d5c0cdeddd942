"""OpenAI's own client, unchanged, against the real server and its workers."""

from __future__ import annotations

import json
import time
from typing import Any

import openai
import pytest
from openai.types import Batch

from tests.fake_provider import FakeProvider, answer_to
from tests.stories.app_process import App

pytestmark = pytest.mark.slow

LINES = 300
WAIT_SECONDS = 120


def ended(client: openai.OpenAI, batch_id: str) -> Batch:
    until = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until:
        found = client.batches.retrieve(batch_id)
        if found.status in ("completed", "failed", "cancelled", "expired"):
            return found
        time.sleep(0.2)
    raise AssertionError(found)


def begun(client: openai.OpenAI, count: int) -> Batch:
    lines = []
    for number in range(count):
        body: dict[str, Any] = {"model": "fake-small", "messages": [{"role": "user", "content": f"Number {number}"}]}
        lines.append(
            json.dumps({"custom_id": f"n{number}", "method": "POST", "url": "/v1/chat/completions", "body": body})
        )
    sent = client.files.create(file=("numbers.jsonl", "\n".join(lines).encode()), purpose="batch")
    return client.batches.create(input_file_id=sent.id, endpoint="/v1/chat/completions", completion_window="24h")


def test_a_batch_completes_and_another_is_cancelled(served: App, provider: FakeProvider) -> None:
    provider.script()
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as client:
        done = ended(client, begun(client, LINES).id)
        assert done.status == "completed" and done.output_file_id
        assert done.request_counts and done.request_counts.completed == LINES
        answers = [json.loads(line) for line in client.files.content(done.output_file_id).iter_lines()]
        assert [answer["custom_id"] for answer in answers] == [f"n{number}" for number in range(LINES)]
        assert answers[7]["response"]["body"]["choices"][0]["message"]["content"] == answer_to("Number 7")

        provider.script(latency=0.3)
        made = begun(client, 10 * LINES)
        until = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < until:
            found = client.batches.retrieve(made.id)
            if found.request_counts and found.request_counts.completed:
                break
            time.sleep(0.1)
        assert client.batches.cancel(made.id).status in ("cancelling", "cancelled")
        left = ended(client, made.id)
        assert left.status == "cancelled" and left.cancelled_at and left.output_file_id
        assert left.request_counts and 0 < left.request_counts.completed < 10 * LINES
        kept = client.files.content(left.output_file_id).content.splitlines()
        assert len(kept) == left.request_counts.completed
    provider.script()

"""A batch as OpenAI's own client runs it against the site: uploaded, answered, downloaded, beside the ideal."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack

import openai

from tests.bench import calls, installation, site
from tests.bench.figures import Figure, Target
from tests.bench.installation import environment

AT_ONCE = 64  # requests at a time, of one worker
POLL_SECONDS = 0.5


def figures(requests: int) -> list[Figure]:
    """Shares of the ideal: the seconds that the provider takes for so many requests, AT_ONCE at a time."""
    with ExitStack() as stack:
        variables = {"OPENAI_BASE_URL": stack.enter_context(calls.provider()), "OPENAI_MODEL": "fake-small"}
        stack.enter_context(environment(**variables))
        stack.enter_context(installation.worker(**variables))
        server = stack.enter_context(site.served("webapp.wsgi:app", variables))
        client = openai.OpenAI(base_url=f"http://127.0.0.1:{server.port}/v1", api_key="none")
        seconds = _seconds(stack.enter_context(client), requests)
    ideal = requests / AT_ONCE * calls.CALL_SECONDS
    what = f"a batch of {requests:,} by OpenAI's client, upload to download"
    return [Figure(what, "of the ideal", [ideal / seconds], target=Target("ours", ">=", 0.95))]


def _seconds(client: openai.OpenAI, requests: int) -> float:
    """From the upload to the last byte of the answers."""
    lines = (
        json.dumps(
            {
                "custom_id": f"n{number}",
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": {
                    "model": "fake-small",
                    "messages": [{"role": "user", "content": f"Row {number}: write one line."}],
                },
            }
        )
        for number in range(requests)
    )
    content = "\n".join(lines).encode()
    began = time.monotonic()
    sent = client.files.create(file=("requests.jsonl", content), purpose="batch")
    batch = client.batches.create(input_file_id=sent.id, endpoint="/v1/chat/completions", completion_window="24h")
    while batch.status in ("validating", "in_progress", "finalizing"):
        time.sleep(POLL_SECONDS)
        batch = client.batches.retrieve(batch.id)
    assert batch.status == "completed" and batch.output_file_id, batch
    answers = client.files.content(batch.output_file_id).content.count(b"\n")
    assert answers == requests, answers
    return time.monotonic() - began

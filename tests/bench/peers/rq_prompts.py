"""RQ with a job for each prompt: worked by `python rq_pool.py 8`. The client is made before the workers fork, and shared."""

from __future__ import annotations

import os

from openai import OpenAI
from redis import Redis
from rq import Queue

completions = OpenAI(base_url=os.environ["OPENAI_BASE_URL"], api_key="none").chat.completions


def ask(number: int) -> str | None:
    prompt = [{"role": "user", "content": f"Row {number}: write one line."}]
    return completions.create(model="fake-small", messages=prompt, max_tokens=256).choices[0].message.content


def enqueue(count: int, _: str) -> None:
    queue = Queue("prompts", connection=Redis.from_url(os.environ["REDIS_URL"]))
    queue.enqueue_many([Queue.prepare_data("rq_prompts.ask", (number,)) for number in range(count)])

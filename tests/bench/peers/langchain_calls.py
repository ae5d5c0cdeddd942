"""LangChain's own way of many prompts, answers kept in a list. Prints the seconds it took.

python langchain_calls.py BASE_URL CALLS CONCURRENCY batch|abatch
"""

from __future__ import annotations

import asyncio
import sys
import time

from langchain_openai import ChatOpenAI


def main(base_url: str, calls: int, concurrency: int, how: str) -> float:
    model = ChatOpenAI(model="fake-small", base_url=base_url, api_key="none", max_tokens=256)
    prompts = [f"Row {number}: write one line." for number in range(calls)]
    config = {"max_concurrency": concurrency}
    began = time.monotonic()
    answers = model.batch(prompts, config) if how == "batch" else asyncio.run(model.abatch(prompts, config))
    seconds = time.monotonic() - began
    assert len(answers) == calls and all(answer.content for answer in answers)
    return seconds


if __name__ == "__main__":
    print(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))

"""Many calls of a model: a job that records each row, beside what one would write or pick instead, and beside the floor."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench import installation
from tests.bench.figures import Figure, Target
from tests.bench.peers import run as peers
from tests.bench.work import upload
from tests.engine.workers import CODE

CALLS, CALL_SECONDS, AT_ONCE = 1_000, 0.2, 64
IDEAL_SECONDS = CALLS / AT_ONCE * CALL_SECONDS
WHAT = f"{CALLS:,} model calls of 200 ms at {AT_ONCE}, each row recorded"
SCRIPTS = {  # by the peer's name: the script and what it is told besides
    "AsyncOpenAI": ("openai_calls.py",),
    "AsyncOpenAI on aiohttp": ("openai_calls.py", "aiohttp"),
    "LangChain abatch": ("langchain_calls.py", "abatch"),
    "LangChain batch": ("langchain_calls.py", "batch"),
}
FLOOR = {"aiohttp alone": ("aiohttp_calls.py",)}


def figures(redis_url: str, repeat: int) -> list[Figure]:
    """Shares of the ideal; the provider is a process of its own, the same for all."""
    ours: list[float] = []
    theirs: dict[str, list[float]] = {name: [] for name in (*SCRIPTS, peers.RQ_PROMPTS.name, *FLOOR)}
    with TemporaryDirectory() as folder, provider() as base_url, installation.worker(OPENAI_BASE_URL=base_url):
        file = str(upload(Path(folder) / "calls.csv", CALLS).id)
        for _ in range(repeat):
            ours.append(_ours(file))
            for name, (script, *more) in (SCRIPTS | FLOOR).items():
                seconds = peers.script_seconds(script, base_url, str(CALLS), str(AT_ONCE), *more)
                theirs[name].append(IDEAL_SECONDS / seconds)
            prompts = replace(peers.RQ_PROMPTS, environ={"OPENAI_BASE_URL": base_url})
            theirs[prompts.name].append(peers.rate(prompts, redis_url, CALLS) * IDEAL_SECONDS / CALLS)
    floor = {name: theirs.pop(name) for name in FLOOR}
    return [
        Figure(WHAT, "of the ideal", ours, theirs, Target("ours", ">=", 0.95)),
        Figure("the same, beside the requests alone", "of the ideal", ours, floor),
    ]


def _ours(file: str) -> float:
    params = {"source": file, "prompt": "Row {number}: write one line.", "output_column": "answer"}
    job = installation.run("generate_texts", model="fake-small", concurrency=AT_ONCE, **params)
    assert job.done == CALLS, job.done
    return IDEAL_SECONDS / installation.seconds(job)


@contextmanager
def provider() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.fake_provider"]
    with subprocess.Popen(command, cwd=CODE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            address = f"http://127.0.0.1:{int(process.stdout.readline())}"
            script = json.dumps({"latency": CALL_SECONDS}).encode()
            urllib.request.urlopen(f"{address}/script", script, timeout=10).close()
            yield f"{address}/v1"
        finally:
            process.kill()

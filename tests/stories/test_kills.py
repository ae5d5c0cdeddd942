"""Processes die in the middle of a job. It goes on after its last finished row, and no finished row is paid for again."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

import pytest

from tests.fake_provider import FakeProvider
from tests.stories.app_process import App
from tests.stories.site_client import Site, table, until

ROWS = 45
AT_A_TIME = 3
BEFORE_THE_KILL = 8


def start(site: Site, provider: FakeProvider, prompt: str) -> str:
    """A job with prompts that no other test uses. It stands still before its end until `check` lets it go on."""
    provider.script(do=[{"do": "slow", "latency": 0.2, "calls": 30}, {"do": "slow", "hold": 0, "calls": AT_A_TIME}])
    source = site.upload("words.csv", table(ROWS))
    return site.submit("generate_texts", source=source, prompt=f"{prompt} {{word}}", concurrency=AT_A_TIME)


def kill(*pids: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def horses(app: App) -> dict[int, int]:
    """The processes that run a job, each with the worker that it is the child of."""
    return {each.pid: each.parent for each in app.processes("horse")}


def finished(site: Site, job: str) -> set[str]:
    return {item["input"]["word"] for item in site.items(job, "done")}


def check(site: Site, provider: FakeProvider, job: str, prompt: str, before: set[str]) -> None:
    """All rows are done; those finished before the kill were paid for once, and at most the ones in flight twice."""
    provider.script()
    ended = site.ended(job)
    assert (ended["state"], ended["progress"]["done"]) == ("succeeded", ROWS), ended
    assert ended["attempt"] == 1  # a worker that dies after finishing rows is not held against the job
    paid = {text.rsplit(" ", 1)[1]: count for text, count in provider.answered().items() if text.startswith(prompt)}
    twice = {word for word, count in paid.items() if count > 1}
    assert len(paid) == ROWS
    assert not twice & before
    assert len(twice) <= 5 * AT_A_TIME  # in flight, or answered and not yet written: more where the disk is slow
    assert max(paid.values()) <= 2


def was_lost(site: Site, job: str) -> bool:
    """Whether the job's log says that its worker was lost."""
    return any("worker was lost" in line["text"] for line in site.api(f"/jobs/{job}/log")["lines"])


def test_the_child_is_killed(served: App, site: Site, provider: FakeProvider) -> None:
    job = start(site, provider, "child")
    site.done(job, BEFORE_THE_KILL)
    before = finished(site, job)
    kill(*horses(served))
    check(site, provider, job, "child", before)
    assert was_lost(site, job)


def test_the_worker_and_its_child_are_killed(served: App, site: Site, provider: FakeProvider) -> None:
    job = start(site, provider, "both")
    site.done(job, BEFORE_THE_KILL)
    before = finished(site, job)
    for child, worker in horses(served).items():
        kill(worker, child)
    check(site, provider, job, "both", before)
    assert was_lost(site, job)
    until(lambda: len(served.processes("rq worker")) == 2, "the return of the worker")


def test_a_child_does_not_outlive_its_worker(served: App, site: Site, provider: FakeProvider) -> None:
    job = start(site, provider, "orphan")
    site.done(job, BEFORE_THE_KILL)
    before = finished(site, job)
    kill(*horses(served).values())
    check(site, provider, job, "orphan", before)
    assert was_lost(site, job)


def test_the_supervisor_is_killed(served: App, site: Site, provider: FakeProvider) -> None:
    job = start(site, provider, "supervisor")
    site.done(job, BEFORE_THE_KILL)
    before = finished(site, job)
    served.kill("worker")
    check(site, provider, job, "supervisor", before)
    until(lambda: len(served.processes("rq worker")) == 2, "the return of the workers")


@pytest.mark.parametrize("worker_too", [False, True], ids=["alone", "before the worker"])
def test_the_clock_is_killed(served: App, site: Site, provider: FakeProvider, worker_too: bool) -> None:
    until(lambda: len(served.processes("rq worker")) == 2, "both workers being there")
    prompt = f"clock{worker_too}"
    job = start(site, provider, prompt)
    site.done(job, BEFORE_THE_KILL)
    before = finished(site, job)
    assert served.kill("clock")
    if worker_too:  # nobody frees its job until a clock is back
        for child, worker in horses(served).items():
            kill(worker, child)
    check(site, provider, job, prompt, before)
    assert was_lost(site, job) == worker_too
    until(lambda: served.processes("clock"), "the return of the clock")

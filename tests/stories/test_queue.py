"""The queue under hard conditions: two workers share it, Redis loses it, Redis does not answer."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import redis

from tests.chaos.installation import PatientSite
from tests.stories.app_process import App
from tests.stories.site_client import Answer, Site, environment_of, until

ANSWERED_SECONDS = 30.0  # generous: this machine may be busy


@contextmanager
def frozen(app: App, role: str) -> Iterator[None]:
    """The processes of a role hold still."""
    pids = app.kill(role, signal.SIGSTOP)
    assert pids
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def broker_of(app: App) -> redis.Redis:
    return redis.Redis.from_url(environment_of(app.processes("worker")[0].pid)["REDIS_URL"])


def test_two_workers_share_the_work_evenly(served: App, site: Site) -> None:
    until(lambda: len(served.processes("rq worker")) == 2, "both workers being there")
    jobs = site.all_ended(site.submit_many(200, "nap", naps=1, seconds=0.02))
    assert {job["state"] for job in jobs} == {"succeeded"}
    did = Counter(job["worker"] for job in jobs)
    assert len(did) == 2
    assert min(did.values()) >= len(jobs) / 3, did


def test_a_redis_that_forgets_everything_costs_no_job(served: App, site: Site) -> None:
    with frozen(served, "rq worker"):
        queued = site.submit_many(100, "nap", naps=1)
        with broker_of(served) as broker:
            assert broker.llen("rq:queue:cpu") >= 98  # a worker may have had one in its hand already
            broker.flushall()
    jobs = site.all_ended(queued)
    assert {(job["state"], job["progress"]["done"]) for job in jobs} == {("succeeded", 1)}


def test_submissions_are_answered_while_redis_is_frozen(served: App, site: Site) -> None:
    def submit(number: int) -> tuple[Answer, float]:
        began = time.monotonic()
        return site.try_submit("nap", {"naps": number}), time.monotonic() - began

    with frozen(served, "redis"), ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(submit, range(1, 21)))
        assert {answer.status for answer, _ in answers} == {202}
        assert max(seconds for _, seconds in answers) < ANSWERED_SECONDS
        assert site.get("/readyz")
    jobs = site.all_ended([answer.json["id"] for answer, _ in answers])
    assert {job["state"] for job in jobs} == {"succeeded"}
    assert sorted(job["progress"]["done"] for job in jobs) == list(range(1, 21))


def test_a_job_that_runs_goes_on_while_redis_is_frozen(served: App, site: Site) -> None:
    job = site.submit("nap", naps=80, seconds=0.15)
    site.done(job, 3)
    with frozen(served, "redis"):
        ended = site.ended(job)
    assert (ended["state"], ended["progress"]["done"], ended["attempt"]) == ("succeeded", 80, 1)
    log = [line["text"] for line in site.api(f"/jobs/{job}/log")["lines"]]
    assert not [line for line in log if "lost" in line]
    assert sum("naps, process" in line for line in log) == 1
    assert site.ended(site.submit("nap", naps=1))["state"] == "succeeded"


def test_a_stop_stops_while_redis_is_frozen(served: App, site: Site) -> None:
    job = site.submit("nap", naps=1_000, seconds=0.1)
    site.done(job, 3)
    with frozen(served, "redis"):
        site.tell(job, "cancel")
        assert site.ended(job)["state"] == "cancelled"
    assert site.ended(site.submit("nap", naps=1))["state"] == "succeeded"


def test_fifty_posts_with_one_key_are_one_job(site: Site) -> None:
    barrier = threading.Barrier(50)
    patient = PatientSite(site.url)  # a busy web says 503 to some, and they ask again

    def submit(_: int) -> Answer:
        barrier.wait()
        return patient.try_submit("nap", {"naps": 2}, Idempotency_Key="one-and-the-same")

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(submit, range(50)))
    assert {answer.status for answer in answers} == {202}
    (job,) = {answer.json["id"] for answer in answers}
    assert site.ended(job)["attempt"] == 1

    other = site.try_submit("nap", {"naps": 3}, Idempotency_Key="one-and-the-same")
    assert other.status == 409
    assert other.headers["Content-Type"] == "application/problem+json"
    again = site.try_submit("nap", {"naps": 2}, Idempotency_Key="one-and-the-same")
    assert (again.status, again.json["id"]) == (202, job)


def test_a_conversation_needs_no_worker_that_is_free(served: App, site: Site) -> None:
    """Every worker is busy, and a job waits; the answer comes all the same."""
    until(lambda: len(served.processes("rq worker")) == 2, "both workers being there")
    busy = [site.submit("nap", naps=1, seconds=600) for _ in served.processes("rq worker")]
    until(lambda: all(site.job(job)["state"] == "running" for job in busy), "every worker being busy")
    waiting = site.submit("nap", naps=1)
    talk = site.send("POST", "/api/v1/chat", b"{}", Content_Type="application/json").json
    question = b'{"text": "Hello"}'
    answer = site.send("POST", f"{talk['url']}/messages", question, Content_Type="application/json").json
    assert b"event: end" in site.get(answer["stream"]).body
    ended = site.get(answer["url"]).json
    assert ended["state"] == "done" and ended["text"].startswith("Answer ")
    assert [site.job(job)["state"] for job in (*busy, waiting)] == ["running"] * len(busy) + ["queued"]
    for job in busy:
        site.tell(job, "cancel")
    assert {job["state"] for job in site.all_ended(busy)} == {"cancelled"}
    assert site.all_ended([waiting])[0]["state"] == "succeeded"

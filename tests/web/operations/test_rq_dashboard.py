"""rq-dashboard at /rq, on a real Redis with messages in every state and a worker at work: it looks, and never acts."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from rq import Queue
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from jobs.engine.db import redis
from jobs.engine.queue import delivery
from tests.conftest import CODE, forget

WORKER = """
import sys
from redis import Redis
from rq import Worker
from rq.serializers import JSONSerializer
Worker(["cpu"], connection=Redis.from_url(sys.argv[1]), serializer=JSONSerializer).work()
"""
STATES = ("queued", "started", "finished", "failed", "deferred", "scheduled", "canceled")


@pytest.fixture(scope="module")
def messages(app: Flask) -> Iterator[dict[str, Job]]:
    """A message in each state, by that state; the started one is held by a worker process that is really busy."""
    queue = delivery.queue("cpu")
    queue.connection.flushall()
    made = {
        "finished": queue.enqueue("operator.add", 1, 2, result_ttl=600),
        "failed": queue.enqueue("operator.truediv", 1, 0),
        "started": queue.enqueue("time.sleep", 600),
        "queued": queue.enqueue("time.sleep", 0),
        "scheduled": queue.enqueue_in(timedelta(hours=1), "time.sleep", 0),
        "canceled": queue.enqueue("time.sleep", 0),
    }
    made["deferred"] = queue.enqueue("time.sleep", 0, depends_on=made["started"])
    made["canceled"].cancel()
    url = os.environ["REDIS_URL"]
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, url], cwd=CODE, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        _wait_for(lambda: made["started"].get_status(refresh=True) == JobStatus.STARTED, worker)
        yield made
    finally:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
        queue.connection.flushall()


def test_the_messages_are_in_the_states_they_are_named_for(messages: dict[str, Job]) -> None:
    assert {state: str(job.get_status(refresh=True).value) for state, job in messages.items()} == {
        state: state for state in STATES
    }


def test_every_page_and_every_endpoint_answers(app: Flask, client: FlaskClient, messages: dict[str, Job]) -> None:
    """The URL map is walked, so that a new version's new routes are walked too."""
    walked = 0
    for rule in app.url_map.iter_rules():
        if (
            rule.rule.startswith("/rq/")
            and "GET" in (rule.methods or ())
            and rule.endpoint != "rq_dashboard.requeue_all"
        ):
            for path in _addresses(app, rule, messages):
                response = client.get(path)
                response.close()
                assert response.status_code == 200, path
                walked += 1
    assert walked > 2 * len(STATES)


def test_each_state_lists_its_message(client: FlaskClient, messages: dict[str, Job]) -> None:
    for state, job in messages.items():
        listed = client.get(f"/rq/0/data/jobs/cpu/{state}/8/asc/1.json").get_json()
        assert job.id in [row["id"] for row in listed["jobs"]], state
        shown = client.get(f"/rq/0/data/job/{job.id}.json").get_json()
        assert shown["status"] == state
    assert client.get(f"/rq/0/data/job/{messages['finished'].id}.json").get_json()["result"] == 3
    assert "ZeroDivisionError" in client.get(f"/rq/0/data/job/{messages['failed'].id}.json").get_json()["exc_info"]
    assert "depends_on" not in client.get(f"/rq/0/data/job/{messages['deferred'].id}.json").get_json()


def test_the_busy_worker_is_shown_with_its_job(client: FlaskClient, messages: dict[str, Job]) -> None:
    workers = client.get("/rq/0/data/workers.json").get_json()["workers"]
    assert [worker["current_job"]["job_id"] for worker in workers] == [messages["started"].id]
    assert "time.sleep" in workers[0]["current_job"]["call_string"]


def test_no_callback_of_an_abandoned_message_is_run(
    client: FlaskClient, messages: dict[str, Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RQ's registries call it when they are counted, which a page of /rq does."""
    mark = tmp_path / "mark"
    (tmp_path / "trap_of_rq.py").write_text(f"open({str(mark)!r}, 'w').close()\ndef spring(*_): pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    queue = delivery.queue("io")
    job = queue.enqueue("time.sleep", 0)
    queue.connection.hset(job.key, mapping={"status": "started", "failure_callback_name": "trap_of_rq.spring"})
    queue.connection.zadd(queue.started_job_registry.key, {f"{job.id}:lost": 1})
    assert client.get("/rq/0/data/queues.json").status_code == 200
    assert client.get("/rq/0/data/jobs/io/started/8/asc/1.json").status_code == 200
    assert not mark.exists()


def test_nothing_can_be_changed(app: Flask, client: FlaskClient, messages: dict[str, Job]) -> None:
    before = _everything(redis.broker(), messages)
    refused = 0
    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith("/rq/"):
            continue
        for method in sorted({"POST", "PUT", "DELETE", "PATCH"} | ({"GET"} if "requeue" in rule.endpoint else set())):
            for path in _addresses(app, rule, messages):
                response = client.open(path, method=method)
                response.close()
                assert response.status_code == 405, (method, path)
                refused += 1
    assert refused > len(STATES)
    assert "on their own pages" in client.post("/rq/requeue/cpu").get_data(as_text=True)
    assert _everything(redis.broker(), messages) == before


@pytest.mark.parametrize(
    "path",
    [
        "/rq/1/", "/rq/9/data/workers.json", "/rq/0/view/job/nothing", "/rq/0/data/job/%00.json", "/rq/0/data/job/a%20b.json",
        "/rq/0/data/jobs/cpu/asleep/8/asc/1.json", "/rq/0/data/jobs/cpu/queued/0/asc/1.json",
        "/rq/0/data/jobs/cpu/queued/8/asc/0.json", "/rq/0/data/jobs/cpu/queued/x/asc/-1.json",
        "/rq/0/data/jobs/cpu/queued/8/up/1.json", "/rq/0/view/jobs/cpu/queued/0/asc/1", "/rq/static/..%2f..%2fweb.py",
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_not_found(client: FlaskClient, messages: dict[str, Job], path: str) -> None:
    assert client.get(path).status_code == 404


class Trap:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., None], tuple[Path]]:
        return (Path.touch, (self.path,))


def test_a_pickle_is_never_opened(client: FlaskClient, messages: dict[str, Job], tmp_path: Path) -> None:
    trap = pickle.dumps(Trap(tmp_path / "sprung"))
    broker = redis.broker()
    for id, fields in _poisoned(trap).items():
        broker.hset(f"rq:job:{id}", mapping={"created_at": "2026-01-01T00:00:00.000000Z", "origin": "poison", **fields})
        broker.rpush("rq:queue:poison", id)
    broker.sadd("rq:queues", "rq:queue:poison")
    listed = client.get("/rq/0/data/jobs/poison/queued/20/asc/1.json")
    assert listed.status_code == 200
    for id in _poisoned(trap):
        for path in (f"/rq/0/view/job/{id}", f"/rq/0/data/job/{id}.json"):
            assert client.get(path).status_code in (200, 404), path
    assert not (tmp_path / "sprung").exists()
    pickle.loads(trap)  # noqa: S301
    assert (tmp_path / "sprung").exists()  # the trap works
    broker.delete("rq:queue:poison")
    broker.srem("rq:queues", "rq:queue:poison")


def test_its_policy_allows_its_own_script_only(client: FlaskClient, messages: dict[str, Job]) -> None:
    page = client.get("/rq/")
    policy = page.headers["Content-Security-Policy"]
    script = next(part for part in policy.split(";") if part.strip().startswith("script-src"))
    nonce = script.split("'nonce-")[1].split("'")[0]
    assert page.text.count("<script ") == page.text.count(f'<script nonce="{nonce}" ')
    assert nonce not in client.get("/rq/").headers["Content-Security-Policy"]
    assert script.split() == ["script-src", f"'nonce-{nonce}'", "'unsafe-eval'"]
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in client.get("/jobs").headers["Content-Security-Policy"]


def test_no_address_of_the_broker_is_shown(client: FlaskClient, messages: dict[str, Job]) -> None:
    page = client.get("/rq/").get_data(as_text=True)
    assert os.environ["REDIS_URL"].removeprefix("unix://") not in page
    assert "the broker" in page


def test_without_a_broker_it_says_so(
    client: FlaskClient, messages: dict[str, Job], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REDIS_URL", f"unix://{tmp_path}/nobody.sock")
    forget()
    try:
        for path in ("/rq/", "/rq/0/view/workers", "/rq/0/data/queues.json"):
            response = client.get(path)
            assert response.status_code == 503
            assert "The broker (Redis) does not answer" in response.get_data(as_text=True)
    finally:
        monkeypatch.undo()
        forget()


def _addresses(app: Flask, rule: Any, messages: dict[str, Job]) -> set[str]:
    """The addresses of a route, for every state and every message."""
    values: dict[str, Any] = {"instance_number": 0, "queue_name": "cpu", "per_page": 8, "order": "dsc", "page": 1}
    values |= {"filename": "js/underscore-umd-min.js"}
    with app.test_request_context():
        adapter = app.create_url_adapter(None) or app.url_map.bind("localhost")
        return {
            adapter.build(
                rule.endpoint,
                {name: (values | {"registry_name": state, "job_id": job.id})[name] for name in rule.arguments},
            )
            for state, job in messages.items()
        }


def _poisoned(trap: bytes) -> dict[str, dict[str, bytes]]:
    good = JSONSerializer.dumps(["operator.add", None, [1, 2], {}])
    return {
        "pickled-data": {"data": trap},
        "pickled-meta": {"data": good, "meta": trap},
        "pickled-result": {"data": good, "result": trap},
        "no-data": {"description": b"nothing"},
        "bad-times": {"data": good, "started_at": b"yesterday", "timeout": b"long"},
        "bad-state": {"data": good, "status": b"asleep"},
    }


def _everything(broker: Redis, messages: dict[str, Job]) -> dict[str, Any]:
    """What the queues and registries hold; heartbeats aside, which a living worker writes by itself."""
    queue: Queue = delivery.queue("cpu", broker)
    registries = [
        getattr(queue, f"{name}_job_registry")
        for name in ("started", "finished", "failed", "deferred", "scheduled", "canceled")
    ]
    states = {id: str(job.get_status(refresh=True).value) for id, job in messages.items()}
    return {"queued": queue.get_job_ids(), "states": states} | {
        type(registry).__name__: registry.get_job_ids(cleanup=False) for registry in registries
    }


def _wait_for(condition: Callable[[], bool], worker: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert worker.poll() is None, "the worker ended"
        assert time.monotonic() < deadline, "the worker takes no job"
        time.sleep(0.05)

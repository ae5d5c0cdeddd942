"""Somebody writes to Redis: no code, address or other job that a message names is run, called or started."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rq import Queue, SimpleWorker
from rq.executions import Execution
from rq.registry import StartedJobRegistry
from rq.serializers import JSONSerializer

from jobs.engine.db import redis
from jobs.engine.db.models import Job
from jobs.engine.queue import commands, delivery, queries
from jobs.engine.queue.delivery import QueueMessage
from tests.engine.workers import CODE, Witness, ended, messages, running, until

pytestmark = pytest.mark.slow
LONG = {"naps": 1, "seconds": 60}


class Trap:
    """A module that leaves a mark where it is imported, an address that counts its calls, and a message that names both."""

    def __init__(self, folder: Path):
        self.mark = folder / "mark"
        self.witness = Witness()
        self.path = f"{folder}:{CODE}"
        (folder / "trap.py").write_text(f"open({str(self.mark)!r}, 'w').close()\ndef spring(*_): pass\n")

    @property
    def fields(self) -> dict[str, str | int]:
        names = {f"{when}_callback_name": "trap.spring" for when in ("success", "failure", "stopped")}
        limits = {f"{when}_callback_timeout": 60 for when in ("success", "failure", "stopped")}
        calls = [
            {"url": f"{self.witness.url}/{state}", "job_status": state, "method": "GET", "headers": None, "timeout": 5}
            for state in ("finished", "failed")
        ]
        again = {"retries_left": 9, "repeats_left": 9, "repeat_intervals": "[1]", "retry_intervals": "[1]"}
        return (
            names | limits | again | {"webhooks": json.dumps(calls), "rate_limit_key": "x", "rate_limit_concurrency": 1}
        )

    def set(self, job: Job) -> None:
        redis.broker().hset(QueueMessage.key_for(str(job.id)), mapping=dict(self.fields))

    def untouched(self) -> bool:
        return not self.mark.exists() and not self.witness.calls


@pytest.fixture
def trap(environment: Callable[..., None], tmp_path: Path) -> Iterator[Trap]:
    environment(EXTRA_KINDS="tests.sample_kinds", PYTHONPATH=f"{tmp_path}:{CODE}")
    trap = Trap(tmp_path)
    yield trap
    trap.witness.close()


def submit(**params: object) -> Job:
    return commands.submit("nap", params, owner="local")


def left_by_a_dead_worker(job: Job) -> None:
    """Redis as it is a while after a worker died: the message is shown as running, its execution is over its time."""
    queue = delivery.queue("cpu")
    registry = StartedJobRegistry(queue=queue)
    redis.broker().hset(QueueMessage.key_for(str(job.id)), "status", "started")
    registry_entry = Execution("lost", str(job.id), redis.broker(), "dead").composite_key
    redis.broker().zadd(registry.key, {registry_entry: time.time() - 60})
    redis.broker().rpush(queue.intermediate_queue_key, str(job.id))
    redis.broker().set(queue.intermediate_queue.get_first_seen_key(str(job.id)), time.time() - 600)


def test_nothing_it_names_runs_at_start_success_or_failure(trap: Trap) -> None:
    well, unwell = submit(), submit(job="bad")
    for job in (well, unwell):
        trap.set(job)
    with running("--processes", "1", "--queues", "cpu"):
        assert (ended(well).state, ended(unwell).state) == ("succeeded", "failed")
    assert trap.untouched()


def test_nothing_it_names_runs_at_a_stop(trap: Trap) -> None:
    job = submit(**LONG)
    with running("--processes", "1", "--queues", "cpu"):
        until(lambda: queries.job(job.id, "local").state == "running")
        trap.set(job)
        until(lambda: QueueMessage.fetch(str(job.id), redis.broker()).get_status().value == "started")
        commands.cancel(job.id, owner="local")
        assert ended(job).state == "cancelled"
    assert trap.untouched()


def test_nothing_it_names_runs_after_a_workers_death(trap: Trap) -> None:
    job, other = submit(), submit()
    trap.set(job)
    redis.broker().sadd(f"rq:job:{job.id}:dependents", str(other.id))
    left_by_a_dead_worker(job)
    with running("--processes", "1", "--queues", "cpu"):
        assert (ended(job).state, ended(other).state) == ("succeeded", "succeeded")
    assert trap.untouched()
    assert messages("cpu") == set()


def test_the_trap_would_spring(trap: Trap, monkeypatch: pytest.MonkeyPatch) -> None:
    """RQ's own classes do import the callback of such a message."""
    monkeypatch.syspath_prepend(str(trap.mark.parent))
    job = submit()
    trap.set(job)
    left_by_a_dead_worker(job)
    queue = Queue("cpu", redis.broker(), serializer=JSONSerializer)
    SimpleWorker([queue], connection=redis.broker(), serializer=JSONSerializer).clean_registries()
    assert trap.mark.exists()

"""What rq-dashboard shows of jobs and of the worker that runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from redis import Redis
from rq import Worker
from rq.job import Job as Message
from rq.serializers import JSONSerializer

from jobs.engine.db import redis
from jobs.engine.db.models import Job
from jobs.engine.queue import commands, delivery, queries
from tests.engine.workers import Workers, ended, kill, running, until

LONG = {"naps": 1, "seconds": 60}


@pytest.fixture
def workers(environment: Callable[..., None]) -> Iterator[Workers]:
    environment(EXTRA_KINDS="tests.sample_kinds")
    with running("--processes", "1", "--queues", "cpu") as started:
        until(queries.served_queues)
        yield started


@pytest.fixture
def broker(workers: Workers) -> Redis:
    return redis.broker()


def submit(kind: str = "nap", **params: object) -> Job:
    return commands.submit(kind, params, owner="local")


def status(job: Job) -> str:
    return Message.fetch(str(job.id), redis.broker(), JSONSerializer).get_status().value


def lists() -> dict[str, list[str]]:
    queue = delivery.queue("cpu")
    registries = queue.started_job_registry, queue.finished_job_registry, queue.failed_job_registry
    named = zip(("started", "finished", "failed"), registries, strict=True)
    return {name: registry.get_job_ids(cleanup=False) for name, registry in named} | {"queued": queue.job_ids}


@pytest.mark.slow
def test_a_job_is_shown_as_it_runs_and_the_next_as_it_waits(broker: Redis) -> None:
    running, waiting = submit(**LONG), submit()
    until(lambda: lists()["started"] == [str(running.id)])
    assert lists() == {"started": [str(running.id)], "finished": [], "failed": [], "queued": [str(waiting.id)]}
    (worker,) = Worker.all(broker, serializer=JSONSerializer)
    assert (worker.get_state(), worker.get_current_job_id()) == ("busy", str(running.id))
    assert (status(running), status(waiting)) == ("started", "queued")
    commands.cancel(running.id, owner="local")
    until(lambda: worker.refresh() or worker.get_state() == "idle")
    until(lambda: str(waiting.id) in lists()["finished"])
    assert worker.get_current_executions(refresh=True) == []
    assert lists()["started"] == lists()["queued"] == []


@pytest.mark.slow
def test_the_worker_counts_what_it_did_and_the_lists_have_it(broker: Redis) -> None:
    well, unwell, brief = submit(naps=2), submit(job="bad"), submit("stamp")
    until(lambda: str(brief.id) in lists()["finished"])
    assert [status(job) for job in (well, unwell, brief)] == ["finished", "failed", "finished"]
    assert lists()["failed"] == [str(unwell.id)]
    (worker,) = Worker.all(broker, serializer=JSONSerializer)
    assert (worker.successful_job_count, worker.failed_job_count) == (2, 1)
    assert worker.total_working_time > 0
    message = Message.fetch(str(well.id), broker, JSONSerializer)
    assert message.latest_result().return_value == "succeeded"
    assert (message.worker_name, message.started_at is not None) == (worker.name, True)
    assert 0 < broker.ttl(message.key) <= delivery.RESULT_SECONDS


@pytest.mark.slow
def test_a_message_whose_child_died_is_shown_again_when_its_row_comes_back(workers: Workers, broker: Redis) -> None:
    job = submit(naps=1, seconds=2)
    until(lambda: lists()["started"] == [str(job.id)])
    kill(*workers.horses)
    assert ended(job).state == "succeeded"
    until(lambda: status(job) == "finished")
    assert lists()["started"] == []


@pytest.mark.slow
def test_redis_emptied_while_a_job_runs_has_its_end_all_the_same(broker: Redis) -> None:
    job = submit(naps=1, seconds=2)
    until(lambda: lists()["started"] == [str(job.id)])
    broker.flushall()
    assert ended(job).state == "succeeded"
    until(lambda: lists()["finished"] == [str(job.id)])
    assert Message.fetch(str(job.id), broker, JSONSerializer).description.startswith("nap: ")

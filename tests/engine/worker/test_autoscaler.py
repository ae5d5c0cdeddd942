"""Workers that come when they are needed and leave when they are not, without anything that runs being touched."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import pytest

from jobs.engine.db import postgres
from jobs.engine.db.models import Job
from jobs.engine.queue import commands, queries, worker_registry
from jobs.engine.worker.autoscaler import Scale
from tests.conftest import House
from tests.engine.workers import Workers, begun, ended, running, until


class TestScale:
    def test_more_come_at_once_and_never_too_many(self) -> None:
        scale = Scale(1, 8, 15)
        assert [scale.wanted(needed, 1, 0.0) for needed in (0, 1, 5, 400)] == [1, 1, 5, 8]

    def test_fewer_only_after_fewer_were_enough_for_a_while(self) -> None:
        scale = Scale(1, 8, 15)
        asked = [(8, 0.0), (0, 1.0), (3, 5.0), (0, 14.0), (0, 16.0), (0, 19.0), (0, 29.0)]
        assert [scale.wanted(needed, 8, now) for needed, now in asked] == [8, 8, 8, 8, 3, 3, 1]

    def test_a_new_need_ends_the_while(self) -> None:
        scale = Scale(1, 8, 15)
        asked = [(0, 0.0), (8, 10.0), (0, 16.0), (0, 24.9), (0, 31.0)]
        assert [scale.wanted(needed, 8, now) for needed, now in asked] == [8, 8, 8, 8, 1]

    def test_what_was_asked_before_the_while_is_forgotten(self) -> None:
        scale = Scale(1, 8, 15)
        for second in range(100):
            scale.wanted(0, 1, float(second))
        assert len(scale._asked) <= 17

    def test_who_was_sent_away_is_not_replaced(self) -> None:
        scale = Scale(2, 2)
        assert not scale.elastic
        scale.dismiss()
        assert (scale.least, scale.most) == (1, 1)


def nap(**params: object) -> Job:
    return commands.submit("nap", params, owner="local")


def hows(job: Job) -> list[str | None]:
    return [attempt.how for attempt in queries.attempts(job)]


def ask(name: str, what: str) -> None:
    with postgres.session() as session:
        assert worker_registry.ask(session, name, what)


@pytest.fixture(scope="module")
def elastic(house: House) -> Iterator[Workers]:
    options = ("--min", "1", "--max", "3", "--calm", "1", "--target-wait", "1", "--queues", "cpu")
    with house(EXTRA_KINDS="tests.sample_kinds"), running(*options) as started:
        until(queries.served_queues)
        yield started


@pytest.mark.slow
def test_workers_come_with_the_jobs_and_go_with_them(elastic: Workers) -> None:
    assert len(elastic.workers) == 1
    jobs = [nap(naps=1, seconds=0.4) for _ in range(15)]
    until(lambda: len(elastic.workers) == 3)
    jobs = [ended(job) for job in jobs]
    assert {job.state for job in jobs} == {"succeeded"}
    assert {how for job in jobs for how in hows(job)} == {"succeeded"}
    assert len({job.worker for job in jobs}) == 3
    until(lambda: len(elastic.workers) == 1)
    until(lambda: len(queries.workers()) == 1)


@pytest.mark.slow
def test_a_worker_at_work_is_not_sent_away(elastic: Workers) -> None:
    long = nap(naps=60, seconds=0.1)
    begun(long)
    jobs = [nap(naps=1, seconds=0.2) for _ in range(10)]
    until(lambda: len(elastic.workers) == 3)
    assert {ended(job).state for job in jobs} == {"succeeded"}
    until(lambda: len(elastic.workers) == 1)
    assert ended(long).state == "succeeded"
    assert hows(long) == ["succeeded"]


@pytest.fixture
def workers(environment: Callable[..., None]) -> Iterator[Workers]:
    environment(EXTRA_KINDS="tests.sample_kinds")
    with running("--processes", "2", "--queues", "cpu") as started:
        until(lambda: len(queries.workers()) == 2)
        yield started


@pytest.mark.slow
def test_an_operator_sends_workers_away_or_starts_one_more(workers: Workers) -> None:
    jobs = [nap(naps=20, seconds=0.1) for _ in range(2)]
    for job in jobs:
        begun(job)
    finishing, stopping = (queries.job(job.id, "local") for job in jobs)
    ask(str(finishing.worker), "finish")
    until(lambda: {worker.asked for worker in queries.workers()} == {None, "finish"})
    assert ended(finishing).state == "succeeded"
    assert hows(finishing) == ["succeeded"]
    until(lambda: len(queries.workers()) == 1)
    ask(str(stopping.worker), "another")
    until(lambda: len(queries.workers()) == 2)
    ask(str(stopping.worker), "stop")
    until(lambda: len(queries.workers()) == 1)
    ask(queries.workers()[0].name, "finish")
    until(lambda: queries.workers() == [])
    assert workers.workers == []
    assert workers.program.poll() is None
    assert hows(stopping) in (["succeeded"], ["shutdown"])


@pytest.mark.slow
def test_the_whole_program_ends_after_its_last_job(workers: Workers) -> None:
    job = nap(naps=20, seconds=0.1)
    begun(job)
    workers.program.send_signal(signal.SIGUSR1)
    until(lambda: len(workers.workers) <= 1)
    waiting = nap()
    workers.program.wait(60)
    assert workers.program.returncode == 0
    assert (queries.job(job.id, "local").state, hows(job)) == ("succeeded", ["succeeded"])
    assert queries.job(waiting.id, "local").state == "queued"
    assert queries.workers() == []

"""A paused queue starts nothing, loses nothing, and says why its jobs wait; other queues go on."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest
from sqlalchemy import select

from jobs.engine.db import postgres, redis
from jobs.engine.db.models import AuditEntry, Job
from jobs.engine.errors import NotFound
from jobs.engine.queue import commands, delivery, ledger, pauses, queries
from jobs.engine.queue import waiting as engine_waiting
from jobs.engine.worker import clock
from tests.conftest import House
from tests.engine.workers import Workers, begun, ended, running, until


def nap(**params: object) -> Job:
    return commands.submit("nap", params, owner="local")


def state(job: Job) -> str:
    return queries.job(job.id, "local").state


def claimed(job_id: UUID) -> bool:
    with postgres.session() as session:
        return ledger.claim(session.connection(), job_id, "a worker") is not None


@pytest.fixture
def specimens(environment: object) -> None:
    environment(EXTRA_KINDS="tests.sample_kinds")  # type: ignore[operator]


@pytest.mark.usefixtures("specimens")
class TestWithoutWorkers:
    def test_a_paused_queue_refuses_claims_and_has_no_messages(self) -> None:
        job = nap()
        assert delivery.waiting_count("cpu") == 1
        pauses.pause("cpu", owner="local")
        pauses.pause("cpu", owner="local")
        assert delivery.waiting_count("cpu") == 0
        assert not claimed(job.id)
        clock.deliver_due()
        assert delivery.waiting_count("cpu") == 0

    def test_its_jobs_say_why_they_wait(self) -> None:
        job = nap()
        pauses.pause("cpu", owner="local")
        waits = engine_waiting.why_waiting(job)
        assert waits is not None
        assert (waits.code, waits.sentence) == (
            "paused",
            "Queue cpu is paused. It starts when an operator resumes the queue.",
        )

    def test_a_resumed_queue_delivers_what_waited_the_oldest_first(self) -> None:
        before = nap()
        pauses.pause("cpu", owner="local")
        during = nap()  # is delivered all the same, as the web does not ask: the claim is refused
        pauses.resume("cpu", owner="local")
        redis.broker().flushall()
        clock.deliver_due()
        entries = [bytes(entry).decode() for entry in redis.broker().lrange(delivery.queue("cpu").key, 0, -1)]
        assert entries == [str(before.id), str(during.id)]
        assert claimed(before.id)

    def test_who_paused_is_written_down_once(self) -> None:
        for act in (pauses.pause, pauses.pause, pauses.resume, pauses.resume):
            act("mail", owner="local", address="127.0.0.1")
        with postgres.session() as session:
            done = session.execute(select(AuditEntry.action, AuditEntry.target).order_by(AuditEntry.id)).all()
        assert [tuple(row) for row in done] == [("queue_pause", "mail"), ("queue_resume", "mail")]

    def test_there_must_be_such_a_queue(self) -> None:
        with pytest.raises(NotFound, match="There is no queue called 'attic'"):
            pauses.pause("attic", owner="local")


@pytest.fixture(scope="module")
def workers(house: House) -> Iterator[Workers]:
    with house(EXTRA_KINDS="tests.sample_kinds"), running("--processes", "2", "--queues", "cpu") as started:
        until(queries.served_queues)
        yield started


@pytest.mark.slow
@pytest.mark.usefixtures("workers")
def test_workers_finish_what_they_run_and_take_nothing_until_the_queue_is_resumed() -> None:
    running_job = nap(naps=15, seconds=0.1)
    begun(running_job)
    pauses.pause("cpu", owner="local")
    waiting = [nap(naps=1) for _ in range(5)]
    assert ended(running_job).state == "succeeded"
    until(lambda: delivery.waiting_count("cpu") == 0)  # the workers took what came meanwhile, and left the rows alone
    assert {state(job) for job in waiting} == {"queued"}
    pauses.resume("cpu", owner="local")
    jobs = [ended(job) for job in waiting]
    assert {job.state for job in jobs} == {"succeeded"}
    assert {attempt.how for job in jobs for attempt in queries.attempts(job)} == {"succeeded"}

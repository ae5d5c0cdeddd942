"""A worker takes its next message while its child settles the row of the last: no message is lost by it, and none comes early."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from rq.job import Job as Message

from jobs.engine.db import postgres, redis
from jobs.engine.db.models import Job
from jobs.engine.queue import commands, delivery, ledger, queries
from jobs.engine.worker.clock import Clock
from jobs.engine.worker.rq_worker import LegworkWorker
from tests.engine.workers import CODE, running, until

FOLLOW = """
from jobs.engine.worker import child
from jobs.engine.worker.rq_worker import LegworkWorker

def serve(pipe):
    while pipe.recv():
        for word in (child.TAKEN, child.ENDING, child.STAYS):
            pipe.send(word)

looked = []
worker = LegworkWorker(["cpu"], "ahead")
worker.look_ahead = lambda: looked.append(len(looked))
process = child.Child(serve)
for _ in range(3):
    process.give("a task")
    print(worker._follow(process, None, None), looked, process.alive)
process.signal(9)
print(worker._follow(process, None, None), process.alive)
process.close()
"""


@pytest.fixture(autouse=True)
def specimens(environment: Callable[..., None]) -> None:
    environment(EXTRA_KINDS="tests.sample_kinds")


@pytest.fixture
def worker() -> LegworkWorker:
    return LegworkWorker(["cpu", "io"], "ahead")


def submit() -> Job:
    return commands.submit("nap", {}, owner="local")


def of_queue(queue: str) -> Job:
    with postgres.session() as session:
        job = Job(kind="nap", params={}, owner="local", queue=queue, time_limit=60)
        return ledger.create(session.connection(), job)


def waiting(queue: str = "cpu") -> list[str]:
    return [bytes(entry).decode() for entry in redis.broker().lrange(delivery.queue(queue).key, 0, -1)]


def taken(worker: LegworkWorker) -> str:
    """The id of the next message, which is there."""
    message, _ = worker.dequeue_job_and_maintain_ttl(1)
    return str(message.id)


@pytest.fixture(autouse=True)
def childless(monkeypatch: pytest.MonkeyPatch) -> None:
    """These workers only take messages; no process is forked off the tests'."""
    monkeypatch.setattr(LegworkWorker, "be_ready", lambda _: None)


def test_the_message_that_was_taken_ahead_comes_next(worker: LegworkWorker) -> None:
    first, second = submit(), submit()
    worker.run_maintenance_tasks()
    worker.look_ahead()
    worker.look_ahead()  # one is enough
    assert waiting() == [str(second.id)]
    assert [taken(worker), taken(worker)] == [str(first.id), str(second.id)]


def test_a_worker_that_leaves_gives_it_back_to_the_front(worker: LegworkWorker) -> None:
    ids = [str(submit().id) for _ in range(3)]
    worker.run_maintenance_tasks()
    worker.look_ahead()
    assert waiting() == ids[1:]
    worker.teardown()
    assert waiting() == ids


def test_a_worker_that_is_told_to_leave_takes_none(worker: LegworkWorker) -> None:
    ids = [str(submit().id)]
    worker.run_maintenance_tasks()
    worker._stop_requested = True
    worker.look_ahead()
    assert waiting() == ids


def test_what_cannot_be_read_or_has_no_hash_is_passed_over(worker: LegworkWorker) -> None:
    broken, gone, strange, well = (submit() for _ in range(4))
    broker = redis.broker()
    broker.hset(Message.key_for(str(broken.id)), "created_at", "yesterday")
    broker.delete(Message.key_for(str(gone.id)))
    broker.delete(Message.key_for(str(strange.id)))
    broker.set(Message.key_for(str(strange.id)), "not a hash")
    worker.run_maintenance_tasks()
    worker.look_ahead()
    assert not broker.exists(Message.key_for(str(broken.id)))
    assert taken(worker) == str(well.id)
    assert waiting() == []


def test_the_queues_come_in_their_order(worker: LegworkWorker) -> None:
    later, sooner = (of_queue(queue) for queue in ("io", "cpu"))
    delivery.deliver([later, sooner])
    assert [taken(worker), taken(worker)] == [str(sooner.id), str(later.id)]


@pytest.mark.slow
def test_a_message_that_a_killed_worker_had_taken_ahead_is_delivered_again() -> None:
    job = submit()
    lost = LegworkWorker(["cpu"], "lost")
    lost.run_maintenance_tasks()
    lost.look_ahead()
    assert waiting() == []
    with running("--processes", "1"):
        until(lambda: queries.job(job.id, "local").state == "succeeded")


@pytest.mark.slow
def test_looking_ahead_does_not_end_the_wait_for_the_child() -> None:
    said = subprocess.check_output([sys.executable, "-c", FOLLOW], cwd=CODE, text=True)
    assert said.splitlines() == ["stays [0] True", "stays [0, 1] True", "stays [0, 1, 2] True", "died False"]


def test_the_command_of_rq_is_told_which_one_starts_these_workers() -> None:
    with pytest.raises(SystemExit, match="python -m jobs worker"):
        LegworkWorker(["cpu"], name="stock", connection=None, serializer=None)


@pytest.mark.slow
def test_rqs_own_worker_runs_nothing_and_the_rows_are_delivered_again(redis_url: str) -> None:
    """It says so in one sentence; where it expects pickles, RQ's default, it can read no message and names the mistake."""
    jobs, sentence = (
        {"cpu": submit(), "io": of_queue("io")},
        "Only Legwork's workers can run these jobs. Start them with",
    )
    delivery.deliver([jobs["io"]])
    clock, command = Clock(), [sys.executable, "-m", "rq.cli", "worker", "--burst", "-u", redis_url]
    serializers = {"cpu": (["-S", "rq.serializers.JSONSerializer"], sentence), "io": ([], "DeserializationError")}
    ran = {
        queue: subprocess.Popen([*command, *more, queue], cwd=CODE, text=True, stderr=subprocess.PIPE)
        for queue, (more, _) in serializers.items()
    }
    for queue, (_, said) in serializers.items():
        assert said in ran[queue].communicate(timeout=60)[1]
        row = queries.job(jobs[queue].id, "local")
        assert (row.state, row.attempt, waiting(queue)) == ("queued", 0, [])
    until(lambda: clock.tick() or all(waiting(queue) == [str(job.id)] for queue, job in jobs.items()))

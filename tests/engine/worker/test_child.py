"""One process for many jobs: no job meets what another left, and what is meant for one never hits the next."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from jobs.engine.db.models import Job
from jobs.engine.errors import Conflict
from jobs.engine.queue import commands, queries
from tests.conftest import House
from tests.engine.workers import CODE, children, ended, kill, name_of, until

MOST_JOBS = 6
WORK = f"""
from jobs.engine.worker import child, leak_check, rq_worker, supervisor
child.MOST_JOBS, leak_check.MOST_GROWTH = {MOST_JOBS}, 30_000_000
supervisor.preload(["cpu"])
rq_worker.work(["cpu"], "kept")
"""

WAIT = """
import time
from jobs.engine.worker.child import Child

def serve(pipe):
    pipe.recv()
    time.sleep(1)
    pipe.send("done")

child = Child(serve)
child.give("a task")
print(child.wait(0.05), child.wait(60), child.receive())
child.close()
"""

BREAK = """
import os, signal
from jobs.engine.worker.child import Child

def serve(pipe):
    pipe.recv()
    os.kill(os.getppid(), signal.SIGALRM)
    pipe.send("done")

def handler(*_):
    raise RuntimeError

signal.signal(signal.SIGALRM, handler)
child = Child(serve)
try:
    child.give("a task")
    while True:
        child.wait(60)
except RuntimeError:
    print("broken", child.receive() if child.wait(60) else None, child.receive(), child.alive)
child.close()
"""


@pytest.fixture(scope="module")
def worker(house: House) -> Iterator[int]:
    """One worker whose child leaves after a few jobs, or when it has grown by 30 MB."""
    with house(EXTRA_KINDS="tests.sample_kinds,tests.leaky_kinds"):
        program = subprocess.Popen([sys.executable, "-c", WORK], cwd=CODE, env=os.environ)
        try:
            yield program.pid
        finally:
            program.terminate()
            program.wait(60)


def submit(kind: str = "litter", **params: Any) -> Job:
    return commands.submit(kind, params, owner="local")


def result(kind: str = "litter", **params: Any) -> Any:
    job = ended(submit(kind, **params))
    assert job.state == "succeeded", (job.message, job.detail)
    return job.result


def is_dead(pid: int) -> bool:
    """Whether a process has ended, and waits for its parent to look."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def hows(job: Job) -> list[str | None]:
    return [attempt.how for attempt in queries.attempts(job)]


@pytest.mark.usefixtures("worker")
class TestLeftovers:
    @pytest.mark.slow
    def test_a_process_does_some_jobs_and_leaves(self) -> None:
        ended(submit(what="raise"))  # so that a new one begins
        jobs = [submit() for _ in range(2 * MOST_JOBS)]
        processes = [ended(job).result["process"] for job in jobs]
        assert [processes.count(one) for one in dict.fromkeys(processes)] == [MOST_JOBS, MOST_JOBS]

    @pytest.mark.parametrize(
        "what", ["environment", "folder", "thread", "child", "signal", "mask", "limit", "path", "memory"]
    )
    def test_what_is_left_is_not_met(self, what: str, tmp_path: Path) -> None:
        left = result(what=what, folder=str(tmp_path))
        found = result()
        assert found["process"] != left["process"]
        assert found["met"] == {"environment": None, "folder": str(CODE), "thread": [], "kept": 0}

    def test_a_job_that_failed_is_the_last_of_its_process(self) -> None:
        before = result()
        failed = ended(submit(what="raise"))
        assert (failed.state, failed.reason) == ("failed", "unexpected")
        assert result()["process"] != before["process"]

    def test_a_kind_that_does_not_ask_for_it_has_processes_of_its_own(self) -> None:
        found = [result(kind) for kind in ("litter", "loner", "loner", "litter")]
        assert all(one["process"] != other["process"] for one, other in pairwise(found))
        assert [one["met"] for one in found[1:3]] == [[], []]


class TestSignals:
    def test_a_stop_for_one_job_never_ends_the_next(self, worker: int) -> None:
        for _ in range(6):
            stopped, after = submit(seconds=0.2), submit()
            until(lambda job=stopped: queries.job(job.id, "local").state != "queued")
            with suppress(Conflict):  # it has just ended
                commands.cancel(stopped.id, owner="local")
            assert ended(stopped).state in ("cancelled", "succeeded")
            assert (ended(after).state, hows(after)) == ("succeeded", ["succeeded"])

    @pytest.mark.slow
    def test_a_process_that_was_killed_for_one_job_does_not_take_the_next(self, worker: int) -> None:
        stopped, after = submit("stubborn", seconds=60), submit()
        until(lambda: queries.job(stopped.id, "local").state == "running")
        commands.cancel(stopped.id, owner="local")
        assert (ended(stopped).state, hows(stopped)) == ("cancelled", ["stopped"])
        assert (ended(after).state, hows(after)) == ("succeeded", ["succeeded"])

    def test_a_child_that_dies_between_jobs_is_not_a_lost_worker(self, worker: int) -> None:
        for _ in range(3):
            until(lambda: [name_of(child) for child in children(worker)] == ["legwork-idle"])
            (child,) = children(worker)
            kill(child)
            until(lambda child=child: is_dead(child))
            job = ended(submit())
            assert (job.state, hows(job)) == ("succeeded", ["succeeded"])

    def test_a_job_given_to_a_child_that_never_took_it_goes_to_another_in_the_same_attempt(self, worker: int) -> None:
        until(lambda: [name_of(child) for child in children(worker)] == ["legwork-idle"])
        (child,) = children(worker)
        os.kill(child, signal.SIGSTOP)
        job = submit()
        until(lambda: queries.job(job.id, "local").state == "running")
        kill(child)
        assert (ended(job).state, hows(job)) == ("succeeded", ["succeeded"])

    def test_a_child_that_dies_at_a_job_is(self, worker: int) -> None:
        job = submit(seconds=1.5)
        until(lambda: queries.job(job.id, "local").note == "at it")
        kill(*children(worker))
        assert (ended(job).state, hows(job)) == ("succeeded", ["lost", "succeeded"])


@pytest.mark.slow
def test_an_exception_out_of_a_signal_handler_loses_nothing_the_child_sent() -> None:
    said = subprocess.check_output([sys.executable, "-c", BREAK], cwd=CODE, text=True).split()
    assert said == ["broken", "done", "died", "False"]


@pytest.mark.slow
def test_no_wait_for_a_child_is_without_end() -> None:
    """A worker that waits on has missed a signal if that came an instant before it began to."""
    assert subprocess.check_output([sys.executable, "-c", WAIT], cwd=CODE, text=True).split() == [
        "False",
        "True",
        "done",
    ]

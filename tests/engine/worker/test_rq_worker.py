"""Jobs on real workers: how they end, what survives a kill, and that a stop stops."""

from __future__ import annotations

import json
import os
import pickle
import signal
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from rq import Queue

from jobs.engine.db import redis
from jobs.engine.db.models import Job
from jobs.engine.errors import Conflict
from jobs.engine.queue import commands, delivery, queries
from tests.conftest import House
from tests.engine.workers import Witness, Workers, adds_up, begun, ended, kill, running, until


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: str):
        self._path = path

    def __reduce__(self) -> Any:
        return open, (self._path, "w")


@pytest.fixture
def witness() -> Iterator[Witness]:
    server = Witness()
    yield server
    server.close()


@pytest.fixture(scope="module")
def standing_workers(house: House) -> Iterator[Workers]:
    """Two workers on a database of their own, for all tests that leave them whole."""
    with house(EXTRA_KINDS="tests.sample_kinds"), running("--processes", "2", "--queues", "cpu") as started:
        until(queries.served_queues)
        yield started


@pytest.fixture
def workers(environment: Callable[..., None]) -> Iterator[Workers]:
    """Two workers of this test's own, to be broken."""
    environment(EXTRA_KINDS="tests.sample_kinds")
    with running("--processes", "2", "--queues", "cpu") as started:
        until(queries.served_queues)
        yield started


def nap(**params: object) -> Job:
    return commands.submit("nap", params, owner="local")


def stubborn() -> list[Job]:
    """One job for each way of not listening, all at once: each takes its worker some seconds to end."""
    ways = ("sleep", "loop", "swallow", "c_call")
    return [commands.submit("stubborn", {"how": how, "seconds": 120}, owner="local") for how in ways]


def hows(job: Job) -> list[str | None]:
    return [attempt.how for attempt in queries.attempts(job)]


@pytest.mark.usefixtures("standing_workers")
class TestEnds:
    def test_all_done_is_succeeded(self) -> None:
        job = ended(nap(naps=5))
        assert (job.state, job.done, job.total, job.result) == ("succeeded", 5, 5, {"naps": 5})

    def test_nothing_to_do_is_succeeded(self) -> None:
        job = ended(nap(naps=0))
        assert (job.state, job.total) == ("succeeded", 0)

    def test_some_failed_is_partial_and_says_why(self) -> None:
        job = ended(nap(naps=5, fail=[2, 4], skip=[3], concurrency=4))
        assert (job.state, job.done, job.failed, job.skipped, job.reason) == ("partial", 2, 2, 1, "nightmare")
        failed = queries.items(job, state="failed").rows
        assert [item.error for item in failed] == ["Nap 2 was a nightmare.", "Nap 4 was a nightmare."]

    def test_all_failed_is_failed_with_the_commonest_reason(self) -> None:
        job = ended(nap(naps=2, fail=[1, 2]))
        assert (job.state, job.reason) == ("failed", "nightmare")
        assert "nightmare" in (job.message or "")

    def test_an_error_that_cannot_pass_is_not_retried(self) -> None:
        job = ended(nap(job="bad"))
        assert (job.state, job.attempt) == ("failed", 1)
        assert job.message == "This job cannot go on. Change it and try again."

    def test_a_mistake_in_the_kind_keeps_its_trace_apart(self) -> None:
        job = ended(nap(job="raise"))
        assert (job.state, job.reason, job.attempt) == ("failed", "unexpected", 1)
        assert "Traceback" in (job.detail or "")
        assert "Traceback" not in (job.message or "")

    def test_an_error_that_may_pass_is_retried_until_the_attempts_are_used_up(self) -> None:
        job = ended(nap(job="transient"))
        assert (job.state, job.reason, job.attempt) == ("failed", "transient", 3)
        assert hows(job) == ["retry", "retry", "failed"]

    def test_a_job_that_kills_its_worker_three_times_fails_and_others_go_on(self) -> None:
        poison, well = nap(job="crash"), nap(naps=1)
        assert ended(well).state == "succeeded"
        job = ended(poison)
        assert (job.state, job.reason) == ("failed", "worker_lost")
        assert hows(job) == ["lost", "lost", "lost"]

    def test_a_stray_sigterm_is_not_a_shutdown(self, standing_workers: Workers) -> None:
        job = nap(naps=200, seconds=0.02)
        begun(job)
        for horse in standing_workers.horses:
            os.kill(horse, signal.SIGTERM)
        assert hows(ended(job)) == ["lost", "succeeded"]

    def test_a_sample_is_the_first_items_only(self) -> None:
        job = ended(commands.submit("nap", {"naps": 50}, owner="local", sample=3))
        assert (job.state, job.done, job.total) == ("succeeded", 3, 3)


@pytest.mark.usefixtures("standing_workers")
class TestStops:
    @pytest.mark.parametrize("concurrency", [1, 4])
    def test_a_stop_keeps_what_is_done(self, concurrency: int) -> None:
        job = nap(naps=1_000, seconds=0.05, concurrency=concurrency)
        begun(job, 3)
        asked = commands.cancel(job.id, owner="local")
        assert asked.state == "stopping"
        job = ended(job)
        assert (job.state, job.reason) == ("cancelled", "stopped")
        assert 3 <= job.done < 1_000
        assert adds_up(job)
        assert len(queries.items(job, limit=1_000).rows) == job.done
        assert job.finished_at is not None
        assert job.cancel_requested_at is not None
        assert job.finished_at >= job.cancel_requested_at

    @pytest.mark.slow
    def test_runs_that_do_not_listen_are_killed(self) -> None:
        jobs = stubborn()
        for job in jobs:
            until(lambda job=job: queries.job(job.id, "local").state == "running")
            commands.cancel(job.id, owner="local")
        assert [ended(job).state for job in jobs] == ["cancelled"] * len(jobs)

    @pytest.mark.slow
    def test_runs_over_their_time_limit_are_killed(self) -> None:
        ends = [ended(job) for job in stubborn()]
        assert {(job.state, job.reason) for job in ends} == {("failed", "time_limit")}

    def test_what_has_ended_cannot_be_stopped(self) -> None:
        job = ended(nap(naps=1))
        with pytest.raises(Conflict, match="ended already"):
            commands.cancel(job.id, owner="local")


class TestKills:
    @pytest.mark.slow
    def test_a_killed_child_goes_on_after_its_last_finished_item(self, workers: Workers, witness: Witness) -> None:
        job = nap(naps=40, seconds=0.03, witness=witness.url)
        begun(job, 10)
        kill(*workers.horses)
        job = ended(job)
        assert (job.state, job.done) == ("succeeded", 40)
        assert hows(job) == ["lost", "succeeded"]
        assert len(witness.calls) == 40
        assert sum(witness.calls.values()) <= 42  # only what was in flight, or being written, is done again

    @pytest.mark.slow
    def test_a_killed_worker_goes_on_elsewhere(self, workers: Workers, witness: Witness) -> None:
        job = nap(naps=40, seconds=0.03, witness=witness.url)
        begun(job, 10)
        horses = workers.horses
        kill(*workers.workers)
        job = ended(job)
        assert (job.state, job.done) == ("succeeded", 40)
        assert hows(job) == ["lost", "succeeded"]
        assert sum(witness.calls.values()) <= 42
        assert not set(horses) & set(workers.horses)  # a child dies with its worker

    @pytest.mark.slow
    def test_a_killed_clock_is_replaced(self, workers: Workers) -> None:
        old = workers.clock
        job = nap(naps=20, seconds=0.05)
        begun(job)
        kill(old)
        assert ended(job).state == "succeeded"
        redis.broker().flushall()
        late = nap(naps=1)
        redis.broker().flushall()
        assert ended(late).state == "succeeded"
        assert workers.clock != old

    @pytest.mark.slow
    def test_a_side_effect_is_never_repeated(self, workers: Workers, witness: Witness) -> None:
        job = nap(naps=30, seconds=0.05, witness=witness.url, once=True)
        begun(job, 5)
        kill(*workers.horses)
        begun(job, 15)
        kill(*workers.workers)
        job = ended(job)
        assert job.done + job.unknown == 30
        assert 1 <= job.unknown <= 2
        assert job.state == "partial"
        assert max(witness.calls.values()) == 1

    @pytest.mark.slow
    def test_a_shutdown_gives_the_job_back_without_counting(self, workers: Workers, witness: Witness) -> None:
        job = nap(naps=60, seconds=0.05, witness=witness.url)
        begun(job, 5)
        workers.stop()
        left = queries.job(job.id, "local")
        assert (left.state, left.attempt, left.reason) == ("queued", 0, "shutdown")
        assert not queries.served_queues()
        with running("--processes", "1", "--queues", "cpu"):
            job = ended(job)
        assert (job.state, job.done, job.attempt) == ("succeeded", 60, 1)
        assert hows(job) == ["shutdown", "succeeded"]
        assert sum(witness.calls.values()) <= 62


class TestBroker:
    @pytest.mark.slow
    @pytest.mark.usefixtures("standing_workers")
    def test_an_emptied_broker_loses_nothing(self) -> None:
        jobs = [nap(naps=1, seconds=0.02) for _ in range(40)]
        redis.broker().flushall()
        assert {ended(job).state for job in jobs} == {"succeeded"}

    @pytest.mark.usefixtures("standing_workers")
    def test_two_messages_for_one_job_run_it_once(self, witness: Witness) -> None:
        job = nap(naps=3, witness=witness.url)
        for _ in range(3):
            delivery.deliver([job])
        assert ended(job).state == "succeeded"
        ended(nap(naps=1))
        assert sorted(witness.calls.values()) == [1, 1, 1]
        assert hows(job) == ["succeeded"]

    def test_a_message_naming_another_function_runs_nothing(self, standing_workers: Workers, tmp_path: Path) -> None:
        target = tmp_path / "owned"
        before = standing_workers.workers
        delivery.queue("cpu").enqueue_call("os.system", args=[f"touch {target}"], job_id="evil")
        delivery.queue("cpu").enqueue_call(delivery.FUNCTION, kwargs={"job": "evil", "kind": "nap"}, job_id="no-uuid")
        assert ended(nap(naps=1)).state == "succeeded"
        assert not target.exists()
        assert standing_workers.workers == before

    @pytest.mark.usefixtures("standing_workers")
    def test_a_message_of_an_older_version_is_dropped_and_its_row_delivered_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as older:
            older.setattr(delivery, "FUNCTION", "jobs.engine.worker.run_job")
            job = nap(naps=2)
        assert ended(job).state == "succeeded"

    def test_broken_messages_do_not_end_a_worker(self, standing_workers: Workers) -> None:
        before = standing_workers.workers
        broker = redis.broker()
        for number, broken in enumerate([{}, {"data": "no zlib"}, {"created_at": "never", "data": b"\x80\x04."}]):
            if broken:
                broker.hset(f"rq:job:broken{number}", mapping=broken)
            broker.rpush("rq:queue:cpu", f"broken{number}")
        assert ended(nap(naps=1)).state == "succeeded"
        assert standing_workers.workers == before

    def test_a_message_without_a_row_is_dropped(self, standing_workers: Workers) -> None:
        before = standing_workers.workers
        for number in range(3):
            id = str(uuid4())
            told = {"job": id, "kind": "nap", "attempt": 1, "params": {}} if number else {}
            delivery.queue("cpu").enqueue_call(delivery.FUNCTION, kwargs=told, job_id=id)
        assert ended(nap(naps=1)).state == "succeeded"
        assert delivery.waiting_count("cpu") == 0
        assert standing_workers.workers == before

    def test_a_pickle_is_not_opened(self, standing_workers: Workers, tmp_path: Path) -> None:
        """Messages as RQ writes them by default, and each field of one as it would read it."""
        before, broker = standing_workers.workers, redis.broker()
        trap = pickle.dumps(Trap(str(tmp_path / "sprung")))
        Queue("cpu", connection=broker).enqueue_call("os.system", args=[Trap(str(tmp_path / "sprung"))])
        good = {"created_at": "2026-01-01T00:00:00.000000Z", "origin": "cpu", "data": zlib.compress(b"[]")}
        for name in ("data", "meta", "result", "exc_info", "description"):
            for value in (trap, zlib.compress(trap)):
                id = str(uuid4())
                broker.hset(f"rq:job:{id}", mapping={**good, name: value})
                broker.rpush("rq:queue:cpu", id)
        assert ended(nap(naps=1)).state == "succeeded"
        assert not (tmp_path / "sprung").exists()
        assert standing_workers.workers == before
        pickle.loads(trap).close()  # noqa: S301
        assert (tmp_path / "sprung").exists()  # it would have been

    @pytest.mark.usefixtures("standing_workers")
    def test_a_message_is_json_that_a_person_can_read(self) -> None:
        job = nap(naps=1, seconds=0.5)
        data = json.loads(zlib.decompress(redis.broker().hget(f"rq:job:{job.id}", "data")))
        assert data[0] == "jobs.engine.worker.rq_worker.run_job"
        assert data[3] | {"params": None} == {"job": str(job.id), "kind": "nap", "attempt": 1, "params": None}
        assert data[3]["params"]["naps"] == 1
        ended(job)


@pytest.mark.usefixtures("standing_workers")
def test_retrying_failed_items_does_only_those(witness: Witness, tmp_path: Path) -> None:
    healed = tmp_path / "healed"
    job = ended(nap(naps=10, fail=[3, 7], witness=witness.url, fail_until=str(healed)))
    assert (job.state, job.done, job.failed) == ("partial", 8, 2)
    healed.touch()
    commands.retry(job.id, owner="local", items="failed")
    job = ended(job)
    assert (job.state, job.done, job.failed, job.total) == ("succeeded", 10, 0, 10)
    twice = {path.rsplit("/", 1)[1] for path, times in witness.calls.items() if times == 2}
    assert twice == {"3", "7"}
    with pytest.raises(Conflict, match="No item"):
        commands.retry(job.id, owner="local", items="failed")


@pytest.mark.slow
@pytest.mark.usefixtures("standing_workers")
def test_workers_share_the_work() -> None:
    jobs = [nap(naps=1, seconds=0.05) for _ in range(40)]
    workers = [ended(job).worker for job in jobs]
    shares = [workers.count(worker) for worker in set(workers)]
    assert len(shares) == 2
    assert min(shares) >= 10

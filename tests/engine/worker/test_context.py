"""What a run is handed: the loops, once, files, budget; in this process, on a real database."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from jobs.engine.db import postgres
from jobs.engine.db.models import Job
from jobs.engine.errors import BadInput, BudgetSpent, JobFailed, LeaseLost, Skip, StopRequested, TimeLimitReached
from jobs.engine.files.storage import blob_storage
from jobs.engine.queue import job_log, ledger, queries
from jobs.engine.worker.context import Context, Output
from jobs.engine.worker.outcome_writer import OutcomeWriter


class Bench:
    """A claimed job and contexts for its attempts."""

    def __init__(self, **fields: Any) -> None:
        fields = {"kind": "nap", "params": {}, "owner": "local", "queue": "cpu", "time_limit": 60} | fields
        with postgres.session() as session:
            self.job = ledger.create(session.connection(), Job(**fields))
        self.contexts: list[Context] = []

    def attempt(self) -> Context:
        """A new attempt: the one before it, if there was one, is taken for lost."""
        with postgres.session() as session:
            if self.contexts:
                ledger.give_up(session.connection(), self.job.id, self.contexts[-1].job.lease)
            claim = ledger.claim(session.connection(), self.job.id, "bench")
        assert claim is not None
        writer = OutcomeWriter(claim)
        writer.start()
        self.contexts.append(Context(claim, writer))
        return self.contexts[-1]

    @property
    def row(self) -> Job:
        return queries.job(self.job.id, "local")

    @property
    def outputs(self) -> list[Any]:
        return [item.output for item in queries.items(self.job, limit=10_000).rows]


@pytest.fixture
def bench(environment: object) -> Iterator[Bench]:
    made = Bench()
    yield made
    for context in made.contexts:
        context.loop.close()
        try:
            context._writer.close()
        except LeaseLost:
            continue


async def double_slowly(number: int) -> dict[str, int]:
    await asyncio.sleep(0.001)
    return {"n": number * 2}


def double(number: int) -> dict[str, int]:
    return {"n": number * 2}


@pytest.mark.parametrize(("function", "concurrency"), [(double, 1), (double, 8), (double_slowly, 8)])
def test_every_shape_of_the_loop_records_every_item(bench: Bench, function: Any, concurrency: int) -> None:
    counts = bench.attempt().map(function, range(300), concurrency=concurrency)
    assert (counts.done, counts.total) == (300, 300)
    assert bench.outputs == [{"n": number * 2} for number in range(300)]


def test_items_end_each_by_itself(bench: Bench) -> None:
    def work(number: int) -> dict[str, int]:
        if number == 1:
            raise Skip("Nothing to do.")
        if number == 2:
            raise BadInput("It is broken.", reason="broken")
        if number == 3:
            return {"x": 1 // 0}
        return {}

    counts = bench.attempt().map(work, range(5), row=lambda number: {"number": number})
    assert (counts.done, counts.failed, counts.skipped) == (2, 2, 1)
    items = {item.key: item for item in queries.items(bench.job).rows}
    assert (items["2"].state, items["2"].error) == ("skipped", "Nothing to do.")
    assert (items["3"].reason, items["3"].input) == ("broken", {"number": 2})
    assert items["4"].reason == "unexpected"
    assert "ZeroDivisionError" in (items["4"].error or "")
    assert any("Traceback" in line.text for line in job_log.read_log(bench.job).rows)


def test_a_later_attempt_does_only_what_is_left(bench: Bench) -> None:
    seen: list[int] = []

    def work(number: int) -> dict[str, int]:
        if number == 6 and len(bench.contexts) == 1:
            raise JobFailed("The first attempt ends here.")
        seen.append(number)
        return {}

    first = bench.attempt()
    with pytest.raises(JobFailed):
        first.map(work, range(10))
    first._writer.close()
    counts = bench.attempt().map(work, range(10))
    assert seen == list(range(10))
    assert counts.done == 10


def test_keys_make_an_item_the_same_one_in_another_order(bench: Bench) -> None:
    first = bench.attempt()
    first.map(lambda _: {}, ["a", "b"], key=str)
    first._writer.close()
    again: list[str] = []
    bench.attempt().map(lambda word: again.append(word) or {}, ["c", "b", "a"], key=str)
    assert again == ["c"]


def test_a_million_items_are_never_held(bench: Bench) -> None:
    """The loop takes from the iterator no faster than outcomes are written."""
    context = bench.attempt()
    most = 0

    def work(_: int) -> dict[str, int]:
        nonlocal most
        most = max(most, len(context._writer._batch.outcomes))
        return {}

    context.map(work, iter(range(20_000)))
    assert most <= 4_000
    assert bench.row.done == 20_000


def test_a_stop_ends_every_loop(bench: Bench) -> None:
    context = bench.attempt()
    threading.Timer(0.2, lambda: _ask_stop(bench)).start()
    with pytest.raises(StopRequested):
        context.map(double_forever, range(1_000_000), concurrency=4)
    context._writer.close()
    assert 0 < bench.row.done < 1_000_000
    assert bench.row.done == len(queries.items(bench.job, limit=100_000).rows)


async def double_forever(number: int) -> dict[str, int]:
    await asyncio.sleep(0.01)
    return {"n": number}


def _ask_stop(bench: Bench) -> None:
    with postgres.session() as session:
        ledger.ask_stop(session.connection(), bench.job.id)


def test_a_run_whose_lease_is_lost_writes_nothing_more(bench: Bench) -> None:
    context = bench.attempt()
    context.map(double, range(3))
    with postgres.session() as session:
        ledger.give_up(session.connection(), bench.job.id, context.job.lease)
    with pytest.raises(LeaseLost):
        context.map(lambda number: time.sleep(0.01) or {}, range(1_000), key=lambda number: f"late {number}")
    assert bench.row.done == 3


def test_a_slow_item_waits_for_the_disk_so_that_a_kill_undoes_one(bench: Bench) -> None:
    begun: list[int] = []

    def slow(number: int) -> dict[str, int]:
        begun.append(number)
        time.sleep(0.02)
        return {"number": number}

    context = bench.attempt()
    with postgres.session() as session:
        ledger.lock(session.connection(), bench.job.id, context.job.lease)  # the disk takes its time
        work = threading.Thread(target=context.map, args=(slow, range(5)))
        work.start()
        work.join(timeout=1.0)
        assert work.is_alive() and begun == [0, 1]
    work.join(timeout=30.0)
    assert begun == [0, 1, 2, 3, 4]
    context._writer.flush()
    assert bench.row.done == 5


def test_tokens_add_up_over_attempts(bench: Bench) -> None:
    first = bench.attempt()
    first.map(lambda _: Output({}, prompt_tokens=3, completion_tokens=2), range(4))
    assert first.used == (12, 8)
    first._writer.close()
    second = bench.attempt()
    second.map(lambda _: Output({}, prompt_tokens=1), range(5), key=lambda number: f"more {number}")
    assert second.used == (17, 8)


def test_what_is_shared_is_opened_once_and_closed(bench: Bench) -> None:
    happened: list[str] = []

    @asynccontextmanager
    async def client() -> AsyncIterator[str]:
        happened.append("open")
        yield "it"
        happened.append("close")

    async def work(number: int, shared: str) -> dict[str, str]:
        return {"shared": shared}

    bench.attempt().map(work, range(10), concurrency=3, using=client())
    assert happened == ["open", "close"]
    assert bench.outputs == [{"shared": "it"}] * 10


@pytest.mark.parametrize("error", [JobFailed("no"), BudgetSpent("spent")])
def test_what_ends_the_job_ends_the_loop(bench: Bench, error: Exception) -> None:
    async def work(number: int) -> dict[str, int]:
        if number == 5:
            raise error
        await asyncio.sleep(0)
        return {}

    context = bench.attempt()
    with pytest.raises(type(error)):
        context.map(work, range(1_000), concurrency=4)
    context._writer.close()
    assert bench.row.done < 1_000
    assert bench.row.failed == 0


def test_one_at_a_time_records_how_each_block_ended(bench: Bench) -> None:
    for handle in bench.attempt().items(["a", "b", "c"], key=str):
        with handle as word:
            if word == "b":
                raise BadInput("No b.")
            handle.output = {"word": word}
    assert [item.state for item in queries.items(bench.job).rows] == ["done", "failed", "done"]


def test_a_step_is_done_once_over_attempts(bench: Bench) -> None:
    calls: list[int] = []

    def step() -> dict[str, int]:
        calls.append(1)
        return {"n": len(calls)}

    assert bench.attempt().once("s", step) == {"n": 1}
    assert bench.attempt().once("s", step) == {"n": 1}
    assert len(calls) == 1


def test_a_step_that_may_have_happened_is_not_repeated(bench: Bench) -> None:
    def die() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.attempt().once("mail", die, at_most_once=True)
    with pytest.raises(JobFailed, match="never ended"):
        bench.attempt().once("mail", lambda: None, at_most_once=True)


def test_an_output_shows_when_its_attempt_settles(bench: Bench) -> None:
    lost = bench.attempt()
    lost.save("old.txt", "old")
    context = bench.attempt()
    context.save("new.txt", "né", "text/plain")
    assert queries.output_files(bench.job) == []
    context._writer.close()
    with postgres.session() as session:
        ledger.settle(session.connection(), bench.job.id, context.job.lease, "succeeded")
    (file,) = queries.output_files(bench.job)
    assert (file.name, file.bytes, file.media_type) == ("new.txt", 3, "text/plain")
    with blob_storage().open(file.blob) as stream:
        assert stream.read() == "né".encode()
    with postgres.session() as session:
        (blob,) = ledger.forget_hidden_files(session.connection())
    blob_storage().delete(blob)


def test_a_log_has_an_end(bench: Bench) -> None:
    context = bench.attempt()
    for number in range(10_100):
        context.log(f"line {number}")
    context._writer.flush()
    (first,), (last,) = (job_log.read_log(bench.job, limit=1, latest=latest).rows for latest in (False, True))
    assert last.id - first.id == 10_000
    assert "log ends here" in last.text


def test_the_time_limit_ends_a_run(environment: Callable[..., None]) -> None:
    bench = Bench(time_limit=1)
    context = bench.attempt()
    with pytest.raises(TimeLimitReached):
        context.map(lambda _: time.sleep(0.02) or {}, range(10_000))
    context._writer.close()


def test_an_attempt_that_finds_nothing_left_to_do_ends_well(bench: Bench) -> None:
    first = bench.attempt()
    assert first.map(lambda one: {"twice": one * 2}, iter([1, 2])).done == 2
    again = bench.attempt()
    assert again.map(lambda one: {"twice": one * 2}, iter([1, 2])).done == 2
    assert bench.row.done == 2
    empty = bench.attempt()
    empty._writer.flush()
    assert empty._writer.counts is not None  # also where nothing was put

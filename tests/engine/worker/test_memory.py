"""A job that takes more memory than JOB_MEMORY_MB ends with a sentence; its worker and its neighbours go on."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from jobs.engine import machine_memory, settings
from jobs.engine.queue import commands, queries
from jobs.engine.worker import memory
from tests.engine.workers import ended, running, until

MB = 300
GREEDY = ("slowly", "at_once", "item", "in_a_child")


def test_a_job_that_takes_too_much_fails_alone(environment: Callable[..., None]) -> None:
    environment(EXTRA_KINDS="tests.sample_kinds,tests.leaky_kinds", JOB_MEMORY_MB=str(MB))
    with running("--processes", "2", "--queues", "cpu") as started:
        until(queries.served_queues)
        workers = started.workers
        greedy = [commands.submit("greedy", {"how": how}, owner="local") for how in GREEDY]
        others = [commands.submit("nap", {"naps": 5}, owner="local") for _ in range(4)]
        assert {ended(job).state for job in others} == {"succeeded"}
        for job in map(ended, greedy):
            assert (job.state, job.reason, job.attempt) == ("failed", "memory_limit", 1), job.message
            assert f"more than {MB} MB of memory, the limit of JOB_MEMORY_MB" in str(job.message)
        assert started.workers == workers


def test_the_limit_is_half_of_the_machine_where_none_is_set(environment: Callable[..., None]) -> None:
    environment()
    assert (
        machine_memory.LEAST_LIMIT
        <= machine_memory.job_limit()
        <= max(machine_memory.LEAST_LIMIT, min(machine_memory.sizes()) // 2)
    )
    environment(JOB_MEMORY_MB="500")
    assert machine_memory.job_limit() == settings.current().job_memory_bytes == 500_000_000


def test_what_a_process_takes_is_known() -> None:
    before = memory.used_by_tree(os.getpid())
    kept = bytearray(60_000_000)
    assert memory.used_by_tree(os.getpid()) - before >= 50_000_000, len(kept)
    assert memory.memory_of_tree(os.getpid())
    assert memory.used_by_tree(2**30) == 0 and memory.memory_of_tree(2**30) is None


@pytest.mark.parametrize(("limit", "usage"), [("max\n", None), ("123456789\n", 123456789)])
def test_the_limit_of_a_container_counts(
    limit: str, usage: int | None, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path_factory.mktemp("cgroup")
    (place / "memory.max").write_text(limit)
    monkeypatch.setattr(machine_memory, "_CGROUPS", place)
    assert (usage in list(machine_memory.sizes())) == (usage is not None)


@pytest.mark.parametrize(("limit", "processes", "room"), [(512 << 20, 1, 464 << 20), (1 << 30, 2, 976 << 20)])
def test_in_a_small_container_a_job_takes_what_is_left(
    environment: Callable[..., None], monkeypatch: pytest.MonkeyPatch, limit: int, processes: int, room: int
) -> None:
    environment()
    monkeypatch.setattr(machine_memory, "of_container", lambda: limit)
    assert machine_memory.default_processes(2) == processes
    assert machine_memory.job_limit() == room

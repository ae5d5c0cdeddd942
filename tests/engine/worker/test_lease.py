"""What ends a child whose worker hangs, and leaves one alone whose worker is only slow."""

from __future__ import annotations

import threading
import time

from jobs.engine.worker.lease import Watchdog
from jobs.engine.worker.supervisor import worker_name
from tests.engine.workers import until

RISK = 0.3


class Kills:
    def __init__(self) -> None:
        self.at: list[float] = []

    def __call__(self) -> None:
        self.at.append(time.monotonic())


def test_a_worker_that_hangs_has_its_child_killed_once() -> None:
    kills = Kills()
    watch = Watchdog(RISK, kills)
    began = time.monotonic()
    watch.beaten(began)
    with watch.kept(), watch.asking():
        until(lambda: kills.at)
        time.sleep(2 * RISK)
    assert len(kills.at) == 1
    assert kills.at[0] - began > RISK  # not before the lease is in danger


def test_one_that_beats_or_asks_nothing_is_left_alone() -> None:
    kills = Kills()
    watch = Watchdog(RISK, kills)
    watch.beaten(time.monotonic())
    with watch.kept():
        with watch.asking():
            for _ in range(6):
                time.sleep(RISK / 3)
                watch.beaten(time.monotonic())
        time.sleep(2 * RISK)  # starved, not hanging: its next beat tells whether it still has the job
        assert watch.overdue
    assert kills.at == []


def test_no_thread_is_left_for_the_next_fork() -> None:
    watch = Watchdog(RISK, Kills())
    before = threading.active_count()
    with watch.kept():
        for _ in range(3):
            with watch.asking():
                assert threading.active_count() == before + 1
    assert threading.active_count() == before


def test_hosts_of_one_name_have_workers_of_different_names() -> None:
    assert worker_name(7, "1f2e3d4c") != worker_name(7, "9a8b7c6d")

"""Threads that stay: one after another on the same, at the same time on several, and none of them in a child."""

from __future__ import annotations

import os
import threading
from functools import partial

from jobs.engine.worker import threads


def wait(until: threading.Event) -> None:
    until.wait(60)


def test_the_next_work_is_done_by_the_same_thread() -> None:
    found: list[int] = []
    for _ in range(3):
        threads.submit(lambda: found.append(threading.get_ident())).acquire()
    assert len(set(found)) == 1 and found[0] != threading.get_ident()


def test_work_that_lasts_does_not_hold_up_another() -> None:
    go_on = threading.Event()
    lasting = threads.submit(partial(wait, go_on))
    threads.ready()
    assert lasting.locked()
    go_on.set()
    assert lasting.acquire(timeout=60)


def test_a_child_has_threads_of_its_own() -> None:
    threads.ready()
    child = os.fork()
    if child == 0:
        try:
            done = threads.submit(lambda: None).acquire(timeout=60)
        finally:
            os._exit(not done)
    assert os.waitpid(child, 0)[1] == 0

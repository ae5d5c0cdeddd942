"""A parent's connection to Postgres is its own: its children forget it, and it outlives them."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable

import pytest

from jobs.engine.db import postgres

SESSION = "select pg_backend_pid()"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_neither_uses_nor_ends_its_parents_session(environment: Callable[..., None]) -> None:
    environment()
    ours = postgres.fetch_all(SESSION)
    for _ in range(3):
        child = os.fork()
        if child == 0:
            try:
                gc.collect()
                other = postgres.fetch_all(SESSION) != ours
                gc.collect()
            finally:
                os._exit(not other)
        assert os.waitpid(child, 0)[1] == 0
        assert postgres.fetch_all(SESSION) == ours

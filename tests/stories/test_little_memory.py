"""A worker in a container of 512 MB: the examples of all kinds run there, one at a time, which is the default there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import jobs
from jobs.engine.kinds import catalogue
from jobs.engine.queue import commands, queries
from tests.conftest import House
from tests.engine.workers import Workers, ended, running, until
from tests.fake_provider import FakeProvider
from tests.test_every_kind import OWNER, names_in

pytestmark = pytest.mark.long

MEMORY = 512 << 20
_GROUPS = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")


@contextmanager
def limited(workers: Workers) -> Iterator[Path]:
    """A control group for the worker program, which has just begun, and all that it starts."""
    parent = next((one for one in _GROUPS if (one / "cgroup.procs").exists() and os.access(one, os.W_OK)), None)
    if parent is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("No control group can be made here.")
    group = parent / f"legwork-test-{os.getpid()}"
    group.mkdir()
    try:
        (group / ("memory.max" if (group / "memory.max").exists() else "memory.limit_in_bytes")).write_text(str(MEMORY))
        (group / "cgroup.procs").write_text(str(workers.program.pid))
        yield group
    finally:
        workers.stop()
        group.rmdir()


def test_all_examples_run(house: House) -> None:
    with FakeProvider() as provider:
        model = {"OPENAI_BASE_URL": provider.base_url, "OPENAI_API_KEY": "key", "OPENAI_MODEL": "fake-small"}
        with house(**model), running() as workers, limited(workers):
            until(lambda: queries.served_queues() >= set(catalogue.queues()))
            assert len(workers.workers) == 1
            kinds = [kind for name in names_in(jobs) if not (kind := catalogue.kind(name)).hidden]
            ran = [commands.submit(kind.name, kind.example, owner=OWNER) for kind in kinds]
            how = {job.kind: (ended(job, 300).state, queries.job(job.id, OWNER).attempt) for job in ran}
    assert set(how.values()) == {("succeeded", 1)}, how

"""Kinds that spread: a job that a second worker helps with comes out as it does in one worker."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from jobs.engine.db import postgres
from jobs.engine.db.models import Job, JobHelper
from jobs.engine.kinds import catalogue
from jobs.engine.queue import commands, ledger, queries
from jobs.engine.worker import wide
from jobs.engine.worker.run import Run
from tests.conftest import House
from tests.fake_provider import FakeProvider
from tests.kinds import job_runs
from tests.kinds.job_runs import OWNER, items

SPREAD = [kind.name for kind in catalogue.kinds(hidden=True) if kind.spread]
VOLATILE = ("seconds", "bytes", "examples", "not_embedded_again")  # of a result: what differs from run to run
CHANGED: dict[str, dict[str, Any]] = {
    "import_data": {"key": ""},  # with a key its rows are not independent
    "index_documents": {"rebuild": True},
    "process_files": {"duplicates": "keep"},
}
pytestmark = pytest.mark.slow
PATIENCE = 30.0  # seconds


@pytest.fixture(scope="module", autouse=True)
def site(house: House) -> Iterator[None]:
    with FakeProvider() as provider:
        model = {"OPENAI_BASE_URL": provider.base_url, "OPENAI_API_KEY": "key", "OPENAI_MODEL": "fake-small"}
        with house(**model):
            job_runs.done("process_files", **catalogue.kind("process_files").example)  # for those that need documents
            yield


class Slow(wide.LeaderFeed):
    """A leader that takes its first part when a helper has finished one."""

    def _take(self) -> Any:
        deadline = time.monotonic() + PATIENCE
        while not finished_by_helpers(self._held[0]) and time.monotonic() < deadline:
            time.sleep(0.01)
        return super()._take()


def finished_by_helpers(job_id: Any) -> int:
    with postgres.session() as session:
        return sum(one.finished for one in session.query(JobHelper).filter_by(job_id=job_id))


def help_with(over: threading.Event) -> None:
    kinds = [kind.name for kind in catalogue.kinds(hidden=True) if kind.spread]
    while not over.wait(0.01):
        with postgres.autocommit() as connection:
            claim = ledger.help_out(connection, kinds, catalogue.QUEUES, "helper")
        if claim is not None:
            run = Run(claim)
            run.work()
            run.settle()


def outcome(job: Job) -> tuple[Any, ...]:
    volatile = (*VOLATILE, "tokens") if job.kind == "embed_texts" else VOLATILE  # what is known costs none
    result = {name: value for name, value in (job.result or {}).items() if name not in volatile}
    return job.state, result, [(one.position, one.key, one.state, one.reason) for one in items(job)]


@pytest.mark.parametrize("name", SPREAD)
def test_it_comes_out_as_in_one_worker(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    params = catalogue.kind(name).example | CHANGED.get(name, {})
    alone = job_runs.done(name, **params)
    monkeypatch.setattr(wide, "ALONE_SECONDS", 0.0)
    monkeypatch.setattr(wide, "PART_SECONDS", 0.0)  # so each part is one item
    monkeypatch.setattr("jobs.engine.worker.context.LeaderFeed", Slow)
    if name == "send_emails":  # the outbox has kept the first ones
        params |= {"subject": "Again"}
    over = threading.Event()
    helper = threading.Thread(target=help_with, args=[over])
    helper.start()
    try:
        shared = job_runs.run(commands.submit(name, params, owner=OWNER))
    finally:
        over.set()
        helper.join()
    assert finished_by_helpers(shared.id) > 0
    with postgres.autocommit() as connection:
        assert not ledger.living_helpers(connection, shared.id)
    assert outcome(shared) == outcome(queries.job(alone.id, OWNER))

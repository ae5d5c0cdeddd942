"""Workers under what happens to machines and to code: clocks that jump, many at once, another version, kinds that go."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jobs.engine.db import postgres
from jobs.engine.db.models import Job
from jobs.engine.queue import commands, queries, waiting, worker_registry
from tests.engine.workers import CODE, begun, ended, running, until

OWNER = "local"


def hows(job: Job) -> list[str | None]:
    return [attempt.how for attempt in queries.attempts(job)]


@pytest.fixture
def specimens(environment: Callable[..., None]) -> None:
    environment(EXTRA_KINDS="tests.sample_kinds")


class Hands:
    """The hands of the clock that a program sees; the database's own is not touched."""

    def __init__(self, path: Path):
        self._path = path
        self.put("+0")
        library = importlib.util.find_spec("libfaketime")
        assert library and library.origin
        shared = next(Path(library.origin).parent.rglob("libfaketime.so.1"))
        told = {"FAKETIME_TIMESTAMP_FILE": str(path), "FAKETIME_CACHE_DURATION": "1"}
        self.environ = told | {"LD_PRELOAD": str(shared), "FAKETIME_DONT_FAKE_MONOTONIC": "1"}

    def put(self, offset: str) -> None:
        self._path.write_text(f"{offset}\n")


@pytest.mark.slow
@pytest.mark.usefixtures("specimens")
def test_a_clock_that_jumps_changes_nothing(tmp_path: Path) -> None:
    hands = Hands(tmp_path / "hands")
    with running("--processes", "2", "--queues", "cpu", **hands.environ):
        job = commands.submit("nap", {"naps": 40, "seconds": 0.1}, owner=OWNER)
        begun(job, 5)
        hands.put("+2h")
        due = datetime.now(UTC) + timedelta(seconds=3)
        later = ended(commands.submit("stamp", {}, owner=OWNER, run_at=due))
        hands.put("-2h")
        job = ended(job)
        until(lambda: ended(commands.submit("stamp", {}, owner=OWNER)).result["began"] < time.time())
    assert (job.state, hows(job)) == ("succeeded", ["succeeded"])
    assert later.started_at is not None
    assert later.started_at >= due
    assert later.result["began"] > time.time() + 3_600  # the worker did see the jump


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.usefixtures("specimens")
def test_fifty_workers_started_at_once() -> None:
    jobs = [commands.submit("nap", {"naps": 2, "seconds": 0.02}, owner=OWNER) for _ in range(100)]
    with running("--processes", "50", "--queues", "cpu") as program:
        until(lambda: len(_alive()) == 50)
        done = [ended(job) for job in jobs]
        assert len(program.workers) == 50
    assert {(job.state, job.done) for job in done} == {("succeeded", 2)}
    assert {tuple(hows(job)) for job in done} == {("succeeded",)}
    assert _alive() == []


def _alive() -> list[str]:
    with postgres.session() as session:
        return [worker.name for worker in worker_registry.alive(session)]


NEXT_VERSION = """
revision = "9999"
down_revision = "{newest}"


def upgrade():
    from alembic import op

    op.execute("alter table jobs add column weight integer not null default 1")
    op.execute("create index jobs_weight on jobs (weight)")
"""


@pytest.mark.usefixtures("specimens")
def test_the_next_version_migrates_while_jobs_run(tmp_path: Path) -> None:
    for package in ("jobs", "tests/sample_kinds"):
        shutil.copytree(CODE / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "tests/__init__.py").touch()
    versions = tmp_path / "jobs/engine/db/migrations/versions"
    newest = max(path.name.split("_")[0] for path in versions.glob("[0-9]*.py"))
    (versions / "9999_weight.py").write_text(NEXT_VERSION.format(newest=newest))

    with running("--processes", "2", "--queues", "cpu") as old:
        first = commands.submit("nap", {"naps": 40, "seconds": 0.1}, owner=OWNER)
        begun(first, 3)
        subprocess.run([sys.executable, "-m", "jobs", "migrate"], cwd=tmp_path, check=True, timeout=60)
        second = commands.submit("nap", {"naps": 80, "seconds": 0.1}, owner=OWNER)
        first = ended(first)
        begun(second, 3)
        old.stop()
    with running("--processes", "1", "--queues", "cpu", code=tmp_path):
        second = ended(second)
    assert (first.state, hows(first)) == ("succeeded", ["succeeded"])
    assert (second.state, second.done, hows(second)) == ("succeeded", 80, ["shutdown", "succeeded"])


KIND = '''"""Do nothing."""

from jobs.engine.kinds.params import KindParams, param

TITLE = "Nothing"
GROUP = "Data and numbers"
QUEUE = "cpu"
EXAMPLE = {example}


class Params(KindParams):
    {param}


def run(params, context):
    return {{"ran": True}}
'''


@pytest.fixture
def passing(environment: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of kinds that changes under the jobs: one goes, of one the params change."""
    package = tmp_path / "passing"
    package.mkdir()
    (package / "__init__.py").touch()
    for name in ("going", "changing"):
        (package / f"{name}.py").write_text(KIND.format(example={}, param='size: int = param("Size", default=1)'))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{CODE}")
    monkeypatch.syspath_prepend(str(tmp_path))
    environment(EXTRA_KINDS="passing,tests.sample_kinds")
    yield package
    for name in [name for name in sys.modules if name.split(".")[0] == "passing"]:
        del sys.modules[name]


@pytest.mark.slow
def test_a_kind_that_goes_and_one_whose_params_change(passing: Path) -> None:
    going = commands.submit("going", {}, owner=OWNER)
    changing = commands.submit("changing", {"size": 3}, owner=OWNER)
    kept = (passing / "going.py").read_text()
    (passing / "going.py").unlink()
    (passing / "changing.py").write_text(
        KIND.format(example={"length": 1}, param='length: int = param("Length", ge=1)')
    )

    with running("--processes", "1", "--queues", "cpu"):
        failed = ended(changing)
        ended(commands.submit("nap", {"naps": 1}, owner=OWNER))
        left = queries.job(going.id, OWNER)
        waits = waiting.why_waiting(left)
        assert (left.state, left.attempt, left.reason) == ("queued", 0, "no_kind")
        assert waits and "No worker here knows" in waits.sentence
    assert (failed.state, failed.reason) == ("failed", "invalid_params")
    assert "length" in (failed.message or "").lower()

    (passing / "going.py").write_text(kept)
    with running("--processes", "1", "--queues", "cpu"):
        assert (ended(going).state, hows(going)) == ("succeeded", ["succeeded"])


@pytest.mark.slow
@pytest.mark.usefixtures("specimens")
def test_a_worker_that_is_told_to_leave_while_it_takes_jobs_leaves() -> None:
    jobs = [commands.submit("nap", {"naps": 0}, owner=OWNER) for _ in range(120)]
    with running("--processes", "4", "--queues", "cpu") as program:
        until(lambda: queries.job(jobs[5].id, OWNER).ended)
        program.stop()
    assert not {queries.job(job.id, OWNER).state for job in jobs} & {"running", "stopping"}
    assert not {how for job in jobs for how in hows(job)} & {"lost", None}

"""A Legwork to measure: its own Postgres and Redis in a folder that is thrown away, and worker programs."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jobs.engine import commands, database, migrations, queries, settings
from jobs.engine.embedded.postgres import Postgres
from jobs.engine.embedded.redis import Redis
from jobs.engine.models import Job
from tests.engine.workers import Workers, running

OWNER = "local"
PATIENCE = 3_600.0


@contextmanager
def house() -> Iterator[str]:
    """This process's engine uses fresh services while it is open. Gives the address of the Redis."""
    folder = Path(tempfile.mkdtemp(prefix="legwork-bench-"))
    folder.chmod(0o755)  # root's Postgres runs as another user
    services = Postgres(folder / "postgres"), Redis(folder / "redis")
    try:
        for service in services:
            service.launch()
        for service in services:
            service.wait_ready()
        os.environ |= {"DATABASE_URL": services[0].url, "REDIS_URL": services[1].url, "DATA_DIR": str(folder / "data")}
        os.environ |= {"EXTRA_KINDS": "tests.specimens", "SECRET_KEY": "only to measure", "OPENAI_API_KEY": "none"}
        migrations.upgrade()
        yield services[1].url
    finally:
        database.engine().dispose()
        for service in services:
            service.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def worker(**environ: str) -> Iterator[Workers]:
    """One worker program that does one job at a time, warm: it has done one."""
    with running("--processes", "1", "--queues", "cpu,io", **environ) as program:
        run("stamp")
        yield program


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """This process's settings, too, have these variables while it is open."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ |= variables
    settings.current.cache_clear()
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)
        settings.current.cache_clear()


def submit(kind: str, **params: Any) -> Job:
    return commands.submit(kind, params, owner=OWNER)


def run(kind: str, meanwhile: Callable[[], object] = lambda: None, **params: Any) -> Job:
    """A job from its submission to its end, which must be a good one."""
    job = ended(submit(kind, **params), meanwhile)
    if job.state != "succeeded":
        raise RuntimeError(f"{kind} ended {job.state}: {job.message} {job.detail or ''}")
    return job


def ended(job: Job, meanwhile: Callable[[], object] = lambda: None) -> Job:
    deadline = time.monotonic() + PATIENCE
    while not job.ended:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{job.kind} has not ended")
        meanwhile()
        time.sleep(0.02)
        job = queries.job(job.id, OWNER)
    return job


def seconds(job: Job) -> float:
    """From the claim to the settled row."""
    return (job.finished_at - job.started_at).total_seconds()


def settle_down() -> None:
    """A moment for what ran to leave, before the next is measured."""
    time.sleep(0.3)

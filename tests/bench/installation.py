"""A Legwork to measure: its own Postgres and Redis in a folder that is thrown away, and worker programs."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jobs.engine import settings
from jobs.engine.db import migrations, postgres
from jobs.engine.db.models import Job
from jobs.engine.embedded.postgres import Postgres
from jobs.engine.embedded.redis import Redis
from jobs.engine.queue import commands, queries
from tests.engine.workers import Workers, running

OWNER = "local"
PATIENCE = 3_600.0
_log = Path(os.devnull)  # takes what is not for the terminal: house() says where it is


@contextmanager
def house(log: Path) -> Iterator[str]:
    """This process's engine uses fresh services while it is open. Gives the address of the Redis.

    Its lines, and those of the worker programs, go to a file.
    """
    global _log
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    _log = log.resolve()
    logging.basicConfig(filename=_log, force=True)
    folder = Path(tempfile.mkdtemp(prefix="legwork-bench-"))
    folder.chmod(0o755)  # root's Postgres runs as another user
    services = Postgres(folder / "postgres"), Redis(folder / "redis")
    try:
        for service in services:
            service.launch()
        for service in services:
            service.wait_ready()
        os.environ |= {"DATABASE_URL": services[0].url, "REDIS_URL": services[1].url, "DATA_DIR": str(folder / "data")}
        os.environ |= {"EXTRA_KINDS": "tests.sample_kinds", "SECRET_KEY": "only to measure", "OPENAI_API_KEY": "none"}
        migrations.upgrade()
        yield services[1].url
    finally:
        postgres.engine().dispose()
        for service in services:
            service.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def worker(**environ: str) -> Iterator[Workers]:
    """One worker program that does one job at a time, warm: it has done one."""
    with workers("--processes", "1", "--queues", "cpu,io", **environ) as program:
        run("stamp")
        yield program


@contextmanager
def workers(*options: str, **environ: str) -> Iterator[Workers]:
    """A worker program whose lines go to the file, beside those of others."""
    with _log.open("a") as output, running(*options, output=output, **environ) as program:
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
    while not postgres.fetch_all("select finished_at from jobs where id = %(id)s", {"id": job.id})[0][0]:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{job.kind} has not ended")
        meanwhile()
        time.sleep(0.02)
    return queries.job(job.id, OWNER)


def seconds(job: Job) -> float:
    """From the claim to the settled row."""
    return (job.finished_at - job.started_at).total_seconds()


def settle_down() -> None:
    """A moment for what ran to leave, before the next is measured."""
    time.sleep(0.3)

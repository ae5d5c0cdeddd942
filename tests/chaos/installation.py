"""A Legwork to torment: the app by its one command, its Postgres and Redis in the hands of whoever opened it."""

from __future__ import annotations

import http.client
import json
import shutil
import signal
import time
import urllib.error
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis

from jobs.engine.embedded.postgres import Postgres
from jobs.engine.embedded.redis import Redis
from tests import prepared_postgres
from tests.conftest import _open_folder
from tests.stories.app_process import NO_MODEL, App, end, start, write_procfile
from tests.stories.site_client import Answer, Site

PATIENCE_SECONDS = 90.0
AWAY = (urllib.error.URLError, ConnectionError, TimeoutError, http.client.HTTPException)
SPECIMENS = {"EXTRA_KINDS": "tests.sample_kinds"}


class PatientSite(Site):
    """A client that asks again while the web is away, as a program would: only what may be asked twice."""

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        deadline = time.monotonic() + PATIENCE_SECONDS
        again = method == "GET" or "Idempotency_Key" in headers
        while True:
            try:
                answer = super().send(method, path, body, **headers)
                if answer.status != 503 or not again or time.monotonic() > deadline:
                    return answer
            except AWAY:
                if not again or time.monotonic() > deadline:
                    raise
            time.sleep(0.1)

    def submit_keyed(self, key: str, kind: str, query: str = "", **params: Any) -> str:
        """Start a job, whatever happens to the web meanwhile: one key, one job."""
        answer = self.try_submit(kind, params, query, Idempotency_Key=key)
        assert answer.status == 202, answer.text
        return str(answer.json["id"])

    def submit_all(self, key: str, each: list[dict[str, Any]], kind: str) -> list[str]:
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(lambda one: self.submit_keyed(f"{key}-{one[0]}", kind, **one[1]), enumerate(each)))


@dataclass
class House:
    folder: Path
    postgres: Postgres
    redis: Redis
    environ: dict[str, str]
    procfile: Path
    apps: list[App] = field(default_factory=list)

    @property
    def app(self) -> App:
        return self.apps[-1]

    @property
    def site(self) -> PatientSite:
        return PatientSite(self.app.url)

    def begin(self, **extra: str) -> App:
        """Start the app on this house's data; the one before must have ended."""
        arguments = ("--procfile", str(self.procfile))
        self.apps.append(start(self.folder / "data", self.folder, arguments, self.environ | extra))
        return self.app.wait_ready()

    def set_worker(self, line: str) -> None:
        """The command of the Procfile's worker, for the next start; empty for none."""
        write_procfile(self.procfile, "web", worker=line)

    def stop_postgres(self) -> None:
        """The immediate way: like a crash, it has to recover."""
        process = self.postgres.process
        assert process is not None
        process.send_signal(signal.SIGQUIT)
        process.wait(30)

    def start_postgres(self) -> float:
        """Back again; the moment from which it took connections."""
        self.postgres.forget()
        self.postgres.launch()
        self.postgres.wait_ready()
        return time.monotonic()

    def kill_redis(self, *, wipe: bool) -> None:
        process = self.redis.process
        assert process is not None
        process.kill()
        process.wait(30)
        if wipe:
            for name in ("redis", "valkey"):
                shutil.rmtree(self.redis.data_dir / name, ignore_errors=True)

    def start_redis(self) -> float:
        self.redis.forget()
        self.redis.launch()
        self.redis.wait_ready()
        return time.monotonic()

    @contextmanager
    def broker(self) -> Iterator[redis.Redis]:
        with redis.Redis.from_url(self.redis.url) as client:
            yield client


@contextmanager
def open_house(
    processes: int = 2, *, started: bool = True, folder: Path | None = None, **environ: str
) -> Iterator[House]:
    """The app with so many workers, until the end of the block. Services are launched by the calling thread alone."""
    with nullcontext(folder) if folder else _open_folder() as folder:
        services = prepared_postgres.copy_to(folder / "postgres"), Redis(folder / "redis")
        house = House(folder, *services, {}, folder / "Procfile")
        try:
            for service in services:
                service.launch()
            for service in services:
                service.wait_ready()
            given = {"DATABASE_URL": services[0].url, "REDIS_URL": services[1].url}
            house.environ = given | SPECIMENS | NO_MODEL | environ
            house.set_worker(f"python -m jobs worker --processes {processes}")
            if started:
                house.begin()
            yield house
        finally:
            _close(house, services)


def _close(house: House, services: tuple[Postgres, Redis]) -> None:
    try:
        for app in house.apps:
            end(app)
    finally:
        for service in services:
            with suppress(OSError):
                service.stop()


def measured(answer: Callable[[], Answer]) -> tuple[Answer, float]:
    """An answer, and the seconds that it took."""
    began = time.monotonic()
    return answer(), time.monotonic() - began


def body(**params: Any) -> bytes:
    return json.dumps(params).encode()

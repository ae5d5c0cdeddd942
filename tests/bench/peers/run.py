"""Start a peer, give it jobs, and count its results in Redis. Each peer has a database of the same server to itself."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from redis import Redis

FOLDER = Path(__file__).parent
BIN = FOLDER.parents[2] / ".venv-bench" / "bin"
HEAD = 0.1  # of the jobs: done before the clock starts, so that starting up is not counted
WARM = 20  # jobs before a measure
TRIES = 3


@dataclass(frozen=True)
class Peer:
    """`left`: of so many jobs, how many have no result yet. `share`: of the usual number of jobs, for slow ones."""

    name: str
    database: int
    module: str
    worker: tuple[str, ...]
    left: Callable[[Redis, int], int]
    environ: dict[str, str] = field(default_factory=dict)
    share: float = 1.0

    def url(self, redis_url: str) -> str:
        return f"{redis_url}?db={self.database}"

    def enqueue(self, redis_url: str, count: int, task: str = "noop") -> float:
        """Returns when it began, in seconds since 1970."""
        command = [BIN / "python", "enqueue.py", self.module, str(count), task]
        done = subprocess.run(command, env=self._environ(redis_url), cwd=FOLDER, check=True, stdout=subprocess.PIPE)
        return float(done.stdout.split()[-1])

    @contextmanager
    def working(self, redis_url: str) -> Iterator[None]:
        program, *arguments = self.worker
        process = subprocess.Popen(
            [BIN / program, *arguments],
            env=self._environ(redis_url),
            cwd=FOLDER,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _environ(self, redis_url: str) -> dict[str, str]:
        return os.environ | {"REDIS_URL": self.url(redis_url), "PYTHONPATH": str(FOLDER)} | self.environ


def rate(peer: Peer, redis_url: str, count: int) -> float:
    """Jobs a second while a worker empties a queue that was filled before, without the worker's start."""
    count = int(count * peer.share)
    with Redis.from_url(peer.url(redis_url)) as redis:
        redis.flushdb()
        peer.enqueue(redis_url, count)
        with peer.working(redis_url):
            _until(lambda: peer.left(redis, count) < count * (1 - HEAD))
            began, at_first = time.monotonic(), peer.left(redis, count)
            _until(lambda: peer.left(redis, count) == 0)
            return at_first / (time.monotonic() - began)


def wait_seconds(peer: Peer, redis_url: str, count: int) -> float:
    """From the first enqueue of jobs that wait 50 ms to the last result, by a worker that is warm.

    Tried again where the peer leaves a job lying, as SAQ does now and then when it finishes one while it is enqueued.
    """
    for _ in range(TRIES - 1):
        try:
            return _wait_seconds(peer, redis_url, count)
        except TimeoutError:
            continue
    return _wait_seconds(peer, redis_url, count)


def _wait_seconds(peer: Peer, redis_url: str, count: int) -> float:
    with Redis.from_url(peer.url(redis_url)) as redis:
        redis.flushdb()
        with peer.working(redis_url):
            peer.enqueue(redis_url, WARM)
            _until(lambda: peer.left(redis, WARM) == 0, patience=10)
            began = peer.enqueue(redis_url, count, "wait")
            _until(lambda: peer.left(redis, WARM + count) == 0, 0.002, patience=10)
            return time.time() - began


def _until(condition: Callable[[], bool], every: float = 0.02, patience: float = 120) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("a peer did not get on")
        time.sleep(every)


RQ = Peer(
    "RQ",
    1,
    "rq_tasks",
    ("rq", "worker", "bench"),
    lambda redis, count: count - redis.zcard("rq:finished:bench"),
    share=0.03,
)
RQ_SIMPLE = replace(RQ, name="RQ without a fork", worker=("rq", "worker", "-w", "rq.SimpleWorker", "bench"), share=0.1)
HUEY = Peer(
    *("Huey, a thread", 2, "huey_tasks", ("huey_consumer", "huey_tasks.huey", "-w", "1", "-k", "thread")),
    lambda redis, count: count - redis.hlen("huey.results.bench"),
)
HUEY_PROCESS = replace(HUEY, name="Huey, a process", worker=(*HUEY.worker[:-1], "process"))
SAQ = Peer(
    *("SAQ at 10", 3, "saq_tasks", ("saq", "saq_tasks.settings")),
    lambda redis, _: redis.zcard("saq:bench:incomplete"),
)
SAQ_MORE = replace(SAQ, name="SAQ at 100", environ={"CONCURRENCY": "100"})
TASKIQ = Peer(
    *("taskiq", 4, "taskiq_tasks", ("taskiq", "worker", "taskiq_tasks:broker", "--workers", "1")),
    lambda redis, count: count - redis.dbsize() + redis.exists("bench"),
)

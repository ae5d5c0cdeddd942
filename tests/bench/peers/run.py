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
    """`left`: of so many jobs, how many have no result yet. `share`: of the usual number of jobs, for slow ones.

    The database after its own is free as well: for the results alone, where they are hard to tell from the rest.
    """

    name: str
    database: int
    module: str
    worker: tuple[str, ...]
    left: Callable[[Redis, int], int]
    environ: dict[str, str] = field(default_factory=dict)
    share: float = 1.0

    def url(self, redis_url: str, next_: int = 0) -> str:
        return f"{redis_url}?db={self.database + next_}"

    @contextmanager
    def emptied(self, redis_url: str) -> Iterator[Redis]:
        """Its Redis, with nothing in it."""
        with Redis.from_url(self.url(redis_url, 1)) as results:
            results.flushdb()
        with Redis.from_url(self.url(redis_url)) as redis:
            redis.flushdb()
            yield redis

    def enqueue(self, redis_url: str, count: int, task: str = "noop") -> float:
        """Returns when it began, in seconds since 1970."""
        command = [BIN / "python", "enqueue.py", self.module, str(count), task]
        done = subprocess.run(command, env=self._environ(redis_url), cwd=FOLDER, check=True, stdout=subprocess.PIPE)
        return float(done.stdout.split()[-1])

    @contextmanager
    def starting(self, redis_url: str) -> Iterator[Callable[[], float]]:
        """What gives the milliseconds from just before a job is enqueued to its start, over a connection that is kept."""
        command = [BIN / "python", "starts.py", self.module]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, env=self._environ(redis_url), cwd=FOLDER, **pipes) as process:

            def start() -> float:
                print(file=process.stdin, flush=True)
                return float(process.stdout.readline())

            yield start

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
        urls = {"REDIS_URL": self.url(redis_url), "RESULTS_URL": self.url(redis_url, 1)}
        return os.environ | urls | {"PYTHONPATH": str(FOLDER)} | self.environ


def rate(peer: Peer, redis_url: str, count: int) -> float:
    """Jobs a second while a worker empties a queue that was filled before, without the worker's start."""
    count = int(count * peer.share)
    with peer.emptied(redis_url) as redis:
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
    with peer.emptied(redis_url) as redis, peer.working(redis_url):
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


def script_seconds(*arguments: str) -> float:
    """What a peer's script says that it took."""
    return float(subprocess.check_output([BIN / "python", *arguments], cwd=FOLDER))


def _of_results(redis: Redis, count: int) -> int:
    """For a peer whose results have a database of their own, which is the next."""
    number = redis.get_connection_kwargs()["db"] + 1
    return count - int(redis.info("keyspace").get(f"db{number}", {}).get("keys", 0))


RQ = Peer(
    "RQ",
    1,
    "rq_tasks",
    ("rq", "worker", "bench"),
    lambda redis, count: count - redis.zcard("rq:finished:bench"),
    share=0.03,
)
RQ_PROMPTS = Peer(
    *("RQ, a job a prompt, 8 workers", 1, "rq_prompts", ("python", "rq_pool.py", "8")),
    lambda redis, count: count - redis.zcard("rq:finished:prompts"),
    share=0.1,
)
RQ_SIMPLE = replace(RQ, name="RQ without a fork", worker=("rq", "worker", "-w", "rq.SimpleWorker", "bench"), share=0.1)
HUEY = Peer(
    *("Huey, a thread", 3, "huey_tasks", ("huey_consumer", "huey_tasks.huey", "-w", "1", "-k", "thread")),
    lambda redis, count: count - redis.hlen("huey.results.bench"),
)
HUEY_PROCESS = replace(HUEY, name="Huey, a process", worker=(*HUEY.worker[:-1], "process"))
SAQ = Peer(
    *("SAQ at 10", 5, "saq_tasks", ("saq", "saq_tasks.settings")),
    lambda redis, _: redis.zcard("saq:bench:incomplete"),
    share=0.3,
)
SAQ_MORE = replace(SAQ, name="SAQ at 100", environ={"CONCURRENCY": "100"})
TASKIQ = Peer(
    *("taskiq", 7, "taskiq_tasks", ("taskiq", "worker", "taskiq_tasks:broker", "--workers", "1")),
    lambda redis, count: count - redis.dbsize() + redis.exists("bench"),
    share=0.3,
)

CELERY_WORKER = ("celery", "-A", "celery_tasks", "worker", "-l", "WARNING")
CELERY_WORKER += ("--without-gossip", "--without-mingle", "--without-heartbeat")
CELERY = Peer(
    *("Celery, solo", 9, "celery_tasks", (*CELERY_WORKER, "-P", "solo")),
    _of_results,
    share=0.2,
)
CELERY_PROCESS = replace(CELERY, name="Celery, a process", worker=(*CELERY_WORKER, "-P", "prefork", "-c", "1"))
CELERY_THREADS = replace(CELERY, name="Celery, threads", worker=(*CELERY_WORKER, "-P", "threads", "-c", "4"))
CELERY_MORE = replace(CELERY, name="Celery, 64 threads", worker=(*CELERY_WORKER, "-P", "threads", "-c", "64"))
DRAMATIQ_WORKER = ("dramatiq", "dramatiq_tasks", "--processes", "1", "--threads")
DRAMATIQ = Peer(
    *("dramatiq, 8 threads", 11, "dramatiq_tasks", (*DRAMATIQ_WORKER, "8"), _of_results),
    {"dramatiq_queue_prefetch": "256"},
    share=0.5,
)
DRAMATIQ_MORE = replace(DRAMATIQ, name="dramatiq, 64 threads", worker=(*DRAMATIQ_WORKER, "64"))

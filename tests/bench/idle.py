"""How soon an idle worker begins: a job from its submission, beside a bare RQ job from its enqueue."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from redis import Redis
from rq import Queue

from jobs.engine import queries
from tests.bench import house
from tests.bench.figures import Figure, Target
from tests.bench.peers import run as peers

TWICE = Target("ratio", "<=", 2)
IDLE_SECONDS = 0.05  # between jobs, for the worker to be back at its queue
LOOK_SECONDS = 0.005  # between looks at either: a busy look would take the worker's core
PATIENCE = 30.0


@dataclass(frozen=True)
class Start:
    """Milliseconds from just before submit(): to the claim in the row, to run(), to seeing the row say `running`;
    and those between the row's own two times."""

    claimed: float
    began: float
    seen: float
    by_row: float


def figures(redis_url: str, repetitions: int) -> list[Figure]:
    ours: list[Start] = []
    rq: list[float] = []
    with house.worker(), peers.RQ.working(redis_url), Redis.from_url(peers.RQ.url(redis_url)) as redis:
        queue = Queue("bench", connection=redis)
        _of_rq(queue)
        for _ in range(repetitions):
            ours.append(_of_ours())
            time.sleep(IDLE_SECONDS)
            rq.append(_of_rq(queue))
            time.sleep(IDLE_SECONDS)
    named = {
        "idle submit → run() begins": [start.began for start in ours],
        "idle submit → the row is running": [start.claimed for start in ours],
        "idle submit → running, created_at → started_at": [start.by_row for start in ours],
        "idle submit → somebody who asks sees running": [start.seen for start in ours],
    }
    return [
        Figure(f"{what}, {which}", "ms", [_point(values, share)], {"RQ": [_point(rq, share)]}, target, "lowest")
        for (what, values), target in zip(named.items(), (TWICE, TWICE, None, None), strict=True)
        for which, share in (("p50", 0.5), ("p95", 0.95))
    ]


def _of_ours() -> Start:
    began = time.time()
    job = house.submit("stamp")
    while job.started_at is None:
        time.sleep(LOOK_SECONDS)
        job = queries.job(job.id, house.OWNER)
    seen = time.time()
    job = house.ended(job)
    assert job.started_at
    claimed = job.started_at.timestamp()
    times = claimed - began, job.result["began"] - began, seen - began, claimed - job.created_at.timestamp()
    return Start(*(1000 * seconds for seconds in times))


def _of_rq(queue: Queue) -> float:
    began = time.time()
    job = queue.enqueue("rq_tasks.stamp")
    while (value := job.return_value(refresh=True)) is None:
        if time.time() - began > PATIENCE:
            raise TimeoutError("RQ did not run its job")
        time.sleep(LOOK_SECONDS)
    return 1000 * (value - began)


def _point(values: Sequence[float], share: float) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[round(share * 100) - 1]

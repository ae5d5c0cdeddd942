"""How soon an idle worker begins: a job from its submission, in this process or over HTTP, beside a bare RQ job."""

from __future__ import annotations

import http.client
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
from tests.bench.site import kept, posted, served

TWICE = Target("ratio", "<=", 2)
IDLE_SECONDS = 0.05  # between jobs, for the worker to be back at its queue
LOOK_SECONDS = 0.005  # between looks at either: a busy look would take the worker's core
PATIENCE = 30.0
POINTS = (("p50", 0.5), ("p95", 0.95))


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
    asked: list[float] = []
    rq: list[float] = []
    site = served("webapp.wsgi:app", {"EXTRA_KINDS": "tests.specimens"})
    with (
        house.worker(),
        site as web,
        kept(web.port) as http_,
        peers.RQ.working(redis_url),
        Redis.from_url(peers.RQ.url(redis_url)) as redis,
    ):
        _over_http(http_)
        queue = Queue("bench", connection=redis)
        _of_rq(queue)
        for _ in range(repetitions):
            ours.append(_of_ours())
            time.sleep(IDLE_SECONDS)
            asked.append(_over_http(http_))
            time.sleep(IDLE_SECONDS)
            rq.append(_of_rq(queue))
            time.sleep(IDLE_SECONDS)
    named = {
        "idle submit → run() begins": [start.began for start in ours],
        "idle submit → the row is running": [start.claimed for start in ours],
        "idle submit → running, created_at → started_at": [start.by_row for start in ours],
        "idle submit → somebody who asks sees running": [start.seen for start in ours],
    }
    found = [
        Figure(f"{what}, {which}", "ms", [_point(values, share)], {"RQ": [_point(rq, share)]}, target, "lowest")
        for (what, values), target in zip(named.items(), (TWICE, TWICE, None, None), strict=True)
        for which, share in POINTS
    ]
    over_http = "idle POST over HTTP → run() begins"
    return found + [
        Figure(f"{over_http}, {which}", "ms", [_point(asked, share)], target=Target("ours", "<=", most), best="lowest")
        for (which, share), most in zip(POINTS, (25, 50), strict=True)
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


def _over_http(connection: http.client.HTTPConnection) -> float:
    began = time.time()
    made = posted(connection, "/api/v1/kinds/stamp/jobs", {})
    return 1000 * (house.ended(queries.job(made["id"], house.OWNER)).result["began"] - began)


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

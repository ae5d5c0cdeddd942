"""How soon an idle worker begins: a job from its submission, in this process or over HTTP, beside bare jobs of others."""

from __future__ import annotations

import http.client
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from jobs.engine.queue import queries
from tests.bench import installation
from tests.bench.figures import Figure, Target
from tests.bench.peers import run as peers
from tests.bench.site import kept, posted, served

TWICE = Target("ratio", "<=", 2)
PEERS = (peers.RQ, peers.HUEY, peers.CELERY)
IDLE_SECONDS = 0.05  # between jobs, for the worker to be back at its queue
LOOK_SECONDS = 0.005  # between looks at either: a busy look would take the worker's core
BEGINS = "idle submit → run() begins"
WARM = 3  # starts that do not count
POINTS = (("p50", 0.5), ("p95", 0.95))
WANTED = ((10, 12.2), (25, 17.6))  # over HTTP, ms, at these points; and what RQ took where that was set


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
    theirs: dict[str, list[float]] = {peer.name: [] for peer in PEERS}
    site = served("webapp.wsgi:app", {"EXTRA_KINDS": "tests.sample_kinds"})
    with installation.worker(), site as web, kept(web.port) as http_, _started(redis_url) as starts:
        _over_http(http_)
        for start in [*starts.values()] * WARM:
            start()
        for _ in range(repetitions):
            ours.append(_of_ours())
            time.sleep(IDLE_SECONDS)
            asked.append(_over_http(http_))
            time.sleep(IDLE_SECONDS)
            for name, start in starts.items():
                theirs[name].append(start())
                time.sleep(IDLE_SECONDS)
    named = {
        BEGINS: [start.began for start in ours],
        "idle submit → the row is running": [start.claimed for start in ours],
        "idle submit → running, created_at → started_at": [start.by_row for start in ours],
        "idle submit → somebody who asks sees running": [start.seen for start in ours],
    }
    rq = {peers.RQ.name: theirs.pop(peers.RQ.name)}
    found = [
        Figure(f"{what}, {which}", "ms", [_point(values, share)], _points(rq, share), target, "lowest")
        for (what, values), target in zip(named.items(), (TWICE, TWICE, None, None), strict=True)
        for which, share in POINTS
    ]
    began = named[BEGINS]
    found += [
        Figure(
            f"{BEGINS}, beside Huey and Celery, {which}",
            "ms",
            [_point(began, share)],
            _points(theirs, share),
            best="lowest",
        )
        for which, share in POINTS
    ]
    return found + [
        Figure(
            f"idle POST over HTTP → run() begins, {which}",
            "ms",
            [_point(asked, share)],
            _points(rq, share),
            target=Target("ours", "<=", wanted),
            also=Target("ratio", "<=", wanted / theirs_then),
            best="lowest",
        )
        for (which, share), (wanted, theirs_then) in zip(POINTS, WANTED, strict=True)
    ]


@contextmanager
def _started(redis_url: str) -> Iterator[dict[str, Callable[[], float]]]:
    """Every peer with its idle worker, by name: what starts one job and gives its milliseconds."""
    with ExitStack() as open_:
        for peer in PEERS:
            open_.enter_context(peer.emptied(redis_url))
            open_.enter_context(peer.working(redis_url))
        yield {peer.name: open_.enter_context(peer.starting(redis_url)) for peer in PEERS}


def _of_ours() -> Start:
    began = time.time()
    job = installation.submit("stamp")
    while job.started_at is None:
        time.sleep(LOOK_SECONDS)
        job = queries.job(job.id, installation.OWNER)
    seen = time.time()
    job = installation.ended(job)
    assert job.started_at
    claimed = job.started_at.timestamp()
    times = claimed - began, job.result["began"] - began, seen - began, claimed - job.created_at.timestamp()
    return Start(*(1000 * seconds for seconds in times))


def _over_http(connection: http.client.HTTPConnection) -> float:
    began = time.time()
    made = posted(connection, "/api/v1/kinds/stamp/jobs", {})
    return 1000 * (installation.ended(queries.job(made["id"], installation.OWNER)).result["began"] - began)


def _points(runs: dict[str, list[float]], share: float) -> dict[str, list[float]]:
    return {name: [_point(values, share)] for name, values in runs.items()}


def _point(values: Sequence[float], share: float) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[round(share * 100) - 1]

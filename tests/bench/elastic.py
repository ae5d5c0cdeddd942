"""How soon workers come when jobs come, how evenly they share them, what they cost together, and when they are gone."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import text

from jobs.engine.db import postgres
from jobs.engine.db.models import Job
from jobs.engine.queue import queries
from jobs.engine.worker import memory as worker_memory
from tests.bench import installation
from tests.bench.figures import Figure, Target
from tests.engine.workers import Workers, until

MOST = 8
JOB_SECONDS = 0.5

_UNFINISHED = text("select count(*) from jobs where finished_at is null")
_HELD_AT_ONCE = text("""
    select min(began) from (
        select one.started_at as began, (
            select count(distinct other.worker) from attempts as other
            where other.started_at <= one.started_at and other.ended_at > one.started_at
        ) as workers from attempts as one where one.started_at >= :since
    ) as starts where workers >= :most
""")
# While more jobs wait than there are workers, the time between the end of one job of a worker and the start of its next.
_PAUSES = text("""
    select extract(epoch from next - ended_at)::float8 from (
        select ended_at, lead(started_at) over (partition by worker order by started_at) as next
        from attempts where started_at >= :since
    ) as runs where next is not null
""")


def figures(count: int) -> list[Figure]:
    """`count` jobs of half a second at once, for a program that keeps from 1 to 8 workers."""
    options = ("--min", "1", "--max", str(MOST), "--queues", "io,cpu")
    with installation.workers(*options) as program:
        installation.run("nap", naps=1, seconds=JOB_SECONDS)
        until(lambda: len(program.workers) == 1)
        began = time.time()
        with ThreadPoolExecutor(4) as hands:
            jobs = list(hands.map(lambda _: installation.submit("nap", naps=1, seconds=JOB_SECONDS), range(count)))
        memory = _most_memory(program)
        over = time.time()
        until(lambda: len(program.workers) == 1, 120)
        fallen = time.time() - over
        return _figures(began, [queries.job(job.id, installation.OWNER) for job in jobs], memory, fallen)


def _most_memory(program: Workers) -> float:
    """Until all jobs have ended: the most memory that its workers and their children had together, in bytes."""
    most = 0.0
    while _one(_UNFINISHED):
        most = max(most, sum(worker_memory.memory_of_tree(worker) or 0 for worker in program.workers))
        time.sleep(0.5)
    return most


def _figures(began: float, jobs: Sequence[Job], memory: float, fallen: float) -> list[Figure]:
    full = _one(_HELD_AT_ONCE, since=jobs[0].created_at, most=MOST)
    shares = Counter(job.worker for job in jobs).values()
    with postgres.session() as session:
        pauses = list(session.scalars(_PAUSES, {"since": jobs[0].created_at}))
    ended = max(job.finished_at.timestamp() for job in jobs if job.finished_at)
    ideal = len(jobs) * JOB_SECONDS / MOST
    what = f"{len(jobs)} jobs of {JOB_SECONDS} s at once"
    return [
        Figure(
            f"{what}: until {MOST} workers are at work", "s", [full.timestamp() - began], {}, Target("ours", "<=", 5)
        ),
        Figure(f"{what}: until all are done; {ideal:.0f} is the ideal of {MOST}", "s", [ended - began], best="lowest"),
        Figure(f"{what}: between two jobs of a worker, p50", "s", [statistics.median(pauses)], best="lowest"),
        Figure(f"{what}: between two jobs of a worker, the longest", "s", [max(pauses)], best="lowest"),
        Figure(
            f"{what}: the busiest worker's jobs beside the least busy one's, of the mean",
            "%",
            [100 * (max(shares) - min(shares)) / statistics.mean(shares)],
            {},
            Target("ours", "<=", 20),
        ),
        Figure(
            f"{what}: the memory of all workers and their children", "MB", [memory / 1e6], {}, Target("ours", "<=", 500)
        ),
        Figure(f"{what}: from the last one's end to one worker", "s", [fallen], {}, Target("ours", "<=", 60)),
    ]


def _one(statement: object, **values: object) -> object:
    with postgres.session() as session:
        return session.scalar(statement, values)

"""How work that only waits grows with the number of workers, each doing one job at a time."""

from __future__ import annotations

from jobs.engine.db.models import Job
from jobs.engine.queue import queries
from tests.bench import installation
from tests.bench.figures import Figure
from tests.engine.workers import until

NUMBERS = (1, 2, 4, 8, 16)
EACH = 8  # jobs for a worker
JOB_SECONDS = 0.5
KINDS = {"stamp": "whose process stays", "nap": "each in a process of its own"}


def figures() -> list[Figure]:
    """Jobs a second of so many workers, beside as many as there could be if a job cost nothing but its wait."""
    return [_of(number, kind) for kind in KINDS for number in NUMBERS]


def _of(number: int, kind: str) -> Figure:
    with installation.workers("--processes", str(number), "--queues", "io,cpu") as program:
        until(lambda: len(program.workers) == number, 120)
        _done(kind, number)
        jobs = _done(kind, number * EACH)
    seconds = max(job.finished_at for job in jobs) - min(job.created_at for job in jobs)
    ideal = number / JOB_SECONDS
    workers = f"{number} {'worker' if number == 1 else 'workers'}, {KINDS[kind]}"
    what = f"{number * EACH} jobs that wait {JOB_SECONDS} s, {workers}"
    return Figure(what, "jobs/s", [len(jobs) / seconds.total_seconds()], {"nothing but waiting": [ideal]})


def _done(kind: str, count: int) -> list[Job]:
    jobs = [
        installation.submit(kind, seconds=JOB_SECONDS, **({"naps": 1} if kind == "nap" else {})) for _ in range(count)
    ]
    return [queries.job(installation.ended(job).id, installation.OWNER) for job in jobs]

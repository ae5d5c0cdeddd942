"""How work that only waits grows with the number of workers, each doing one job at a time."""

from __future__ import annotations

from jobs.engine import queries
from tests.bench import house
from tests.bench.figures import Figure
from tests.engine.workers import until

NUMBERS = (1, 2, 4, 8, 16)
EACH = 8  # jobs for a worker
JOB_SECONDS = 0.5


def figures() -> list[Figure]:
    """Jobs a second of so many workers, beside as many as there could be if a job cost nothing but its wait."""
    return [_of(number) for number in NUMBERS]


def _of(number: int) -> Figure:
    with house.workers("--processes", str(number), "--queues", "io,cpu") as program:
        until(lambda: len(program.workers) == number, 120)
        warm = [house.submit("nap", naps=1, seconds=JOB_SECONDS) for _ in range(number)]
        for job in warm:
            house.ended(job)
        jobs = [house.submit("nap", naps=1, seconds=JOB_SECONDS) for _ in range(number * EACH)]
        ended = [queries.job(house.ended(job).id, house.OWNER) for job in jobs]
    seconds = max(job.finished_at for job in ended) - min(job.created_at for job in ended)
    ideal = number / JOB_SECONDS
    what = f"{number * EACH} jobs that wait {JOB_SECONDS} s, {number} {'worker' if number == 1 else 'workers'}"
    return Figure(what, "jobs/s", [len(jobs) / seconds.total_seconds()], {"nothing but waiting": [ideal]})

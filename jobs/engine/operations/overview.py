"""The data of the operators' page, with problems and what to do about them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache

from jobs.engine import settings
from jobs.engine.db import postgres
from jobs.engine.errors import DatabaseUnavailable
from jobs.engine.operations.health import Component, components
from jobs.engine.operations.job_counts import JobCounts, count_jobs
from jobs.engine.operations.queue_figures import QueueFigures, queues
from jobs.engine.operations.shared_jobs import SharedJob, shared_jobs
from jobs.engine.operations.worker_figures import WorkerFigures, workers

PARTS_SECONDS = 5  # for which health checks are cached, since each open page needs them
BEHIND = 6  # times the target wait from which a queue counts as behind


@dataclass(frozen=True)
class Problem:
    """A problem and what to do. `command`: the command that solves it, if there is one."""

    title: str
    text: str
    command: str = ""


@dataclass(frozen=True)
class Overview:
    """The state of the whole system. `queues` and `workers` are empty while the database does not answer."""

    parts: list[Component]
    queues: list[QueueFigures] = field(default_factory=list)
    workers: list[WorkerFigures] = field(default_factory=list)
    shared: list[SharedJob] = field(default_factory=list)
    stock: JobCounts = field(default_factory=lambda: JobCounts({}))
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def waiting(self) -> int:
        return sum(queue.waiting for queue in self.queues)

    @property
    def running(self) -> int:
        return sum(queue.running for queue in self.queues)

    @property
    def problems(self) -> list[Problem]:
        """The problems that need a person."""
        problems = [
            Problem(f"{part.name}: {part.words.lower()}", part.advice) for part in self.parts if part.state == "wrong"
        ]
        return problems + [problem for queue in self.queues if (problem := _problem(queue))]


def current_overview() -> Overview:
    """The present state; the components as of a few seconds ago."""
    parts = _parts(int(time.monotonic() / PARTS_SECONDS), settings.current().database_url)
    try:
        with postgres.session() as session:
            return Overview(parts, queues(session), workers(session), shared_jobs(session), count_jobs(session))
    except DatabaseUnavailable:
        return Overview(parts)


def _problem(queue: QueueFigures) -> Problem | None:
    if queue.paused_at or not queue.waiting:
        return None
    jobs = f"{queue.waiting:,} {'job is' if queue.waiting == 1 else 'jobs are'} waiting"
    if not queue.workers:
        return Problem(
            f"No worker serves queue {queue.name}",
            f"{jobs}. Start a worker:",
            f"python -m jobs worker --queues {queue.name}",
        )
    late = (queue.oldest_seconds or 0) > BEHIND * settings.current().target_wait_seconds
    if late and queue.needed > queue.workers:
        more = f"{jobs}; it needs {queue.needed:,} workers and has {queue.workers:,}. Start more:"
        return Problem(
            f"Queue {queue.name} is behind", more, f"python -m jobs worker --queues {queue.name} --min 1 --max 8"
        )
    return None


@lru_cache(maxsize=1)
def _parts(period: int, url: str) -> list[Component]:
    return components()

"""Everything that the page of operators shows, with what is wrong and what to do about it."""

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
from jobs.engine.operations.worker_figures import WorkerFigures, workers

PARTS_SECONDS = 5  # for which the parts' answers are kept: each page that is open asks
BEHIND = 6  # times the target wait, after which a queue is behind


@dataclass(frozen=True)
class Problem:
    """What is wrong, and what to do. `command`: to type, where that is it."""

    title: str
    text: str
    command: str = ""


@dataclass(frozen=True)
class Overview:
    """The house as a whole. `queues` and `workers` are empty while the database does not answer."""

    parts: list[Component]
    queues: list[QueueFigures] = field(default_factory=list)
    workers: list[WorkerFigures] = field(default_factory=list)
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
        """What a person should do something about; nothing in good times."""
        found = [
            Problem(f"{part.name}: {part.words.lower()}", part.advice) for part in self.parts if part.state == "wrong"
        ]
        return found + [problem for queue in self.queues if (problem := _problem(queue))]


def current_overview() -> Overview:
    """All of it as it is now; the parts as of a few seconds ago."""
    found = _parts(int(time.monotonic() / PARTS_SECONDS), settings.current().database_url)
    try:
        with postgres.session() as session:
            return Overview(found, queues(session), workers(session), count_jobs(session))
    except DatabaseUnavailable:
        return Overview(found)


def _problem(queue: QueueFigures) -> Problem | None:
    if queue.paused_at or not queue.waiting:
        return None
    jobs = f"{queue.waiting:,} {'job waits' if queue.waiting == 1 else 'jobs wait'} there"
    if not queue.workers:
        return Problem(
            f"No worker serves queue {queue.name}",
            f"{jobs}. Start a worker:",
            f"python -m jobs worker --queues {queue.name}",
        )
    late = (queue.oldest_seconds or 0) > BEHIND * settings.current().target_wait_seconds
    if late and queue.needed > queue.workers:
        more = f"{jobs}; {queue.needed:,} workers would be needed and {queue.workers:,} serve it. Start more:"
        return Problem(
            f"Queue {queue.name} is behind", more, f"python -m jobs worker --queues {queue.name} --min 1 --max 8"
        )
    return None


@lru_cache(maxsize=1)
def _parts(period: int, url: str) -> list[Component]:
    return components()

"""Capacity: how many workers are needed now, and why, from what waits, how long such jobs took, and how long one may wait.

`loads` reads that in one statement: waiting and running jobs, and the last few ended ones. `needed` calculates: with W seconds of
work waiting and T seconds until the oldest job has waited as long as it may, W / T workers are needed beside the busy ones, at most
one for each waiting job.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from jobs.engine.queue import fair_share

TARGET_SECONDS = 10.0  # how long a job may wait, where nothing else is set
ASSUMED_SECONDS = 5.0  # how long a job takes, where none of its queue has ended yet
LEAST_SECONDS_LEFT = 1.0  # jobs that have waited too long already are to start within this
PART_SECONDS = 1.5  # how long a part of a job takes that several workers share
RECENT = 100  # ended jobs of a queue that say how long its kinds take


@dataclass(frozen=True)
class Load:
    """The jobs of one kind in one queue. `seconds`: the median duration of the last ones; None if unknown."""

    queue: str
    kind: str
    waiting: int  # due, and not in a paused queue
    running: int
    oldest_seconds: float  # since the one that waits longest was due
    seconds: float | None


@dataclass(frozen=True)
class Need:
    """How many workers it takes, and why."""

    workers: int
    reason: str

    def share(self, programs: int) -> int:
        """What each of several programs that serve the same queues should keep."""
        return math.ceil(self.workers / max(programs, 1))


_LOADS = text(f"""
    with asked as (
        select queue from unnest(cast(:queues as text[])) as queue
    ), waiting as (
        select queue, kind, count(*) as jobs, min(coalesce(run_at, created_at)) as since from jobs
        where state = 'queued' and queue = any(:queues) and (run_at is null or run_at <= now())
            and queue not in (select queue from paused_queues) and {fair_share.MAY_WORK}
        group by queue, kind
    ), running as (
        select queue, kind, count(*) as jobs from jobs
        where state in ('running', 'stopping') and queue = any(:queues) group by queue, kind
    ), ended as (
        select asked.queue, one.kind, one.seconds from asked, lateral (
            select kind, extract(epoch from finished_at - started_at)::float8 as seconds from jobs
            where queue = asked.queue and state = 'succeeded' and finished_at is not null
            order by finished_at desc limit {RECENT}
        ) as one
    ), of_queue as (
        select queue, percentile_cont(0.5) within group (order by seconds) as seconds from ended group by queue
    ), of_kind as (
        select queue, kind, percentile_cont(0.5) within group (order by seconds) as seconds from ended group by queue, kind
    )
    select queue, kind, coalesce(waiting.jobs, 0) as waiting, coalesce(running.jobs, 0) as running,
        coalesce(extract(epoch from now() - waiting.since), 0)::float8 as oldest_seconds,
        coalesce(of_kind.seconds, of_queue.seconds) as seconds
    from waiting full join running using (queue, kind)
        left join of_kind using (queue, kind) left join of_queue using (queue)
    order by queue, kind
""")  # noqa: S608


# Parts of running jobs that any idle worker may take, and the workers that have taken some.
_PARTS = text(f"""
    with wide as (
        select jobs.queue, jobs.kind,
            (select count(*) from parts where job_id = jobs.id and leader = jobs.lease and parts.state = 'free') as free,
            (select count(*) from helpers where job_id = jobs.id and ended_at is null) as helpers
        from jobs where jobs.state = 'running' and queue = any(:queues)
            and queue not in (select queue from paused_queues) and {fair_share.MAY_WORK}
    )
    select queue, kind, sum(free)::int as waiting, sum(helpers)::int as running, 0.0::float8 as oldest_seconds,
        {PART_SECONDS}::float8 as seconds
    from wide where free + helpers > 0 group by queue, kind order by queue, kind
""")  # noqa: S608


def loads(session: Session, queues: Sequence[str]) -> list[Load]:
    """The load of each kind that has waiting or running jobs in these queues, and that of the parts of running jobs."""
    asked = {"queues": list(queues)}
    return [Load(**row) for statement in (_LOADS, _PARTS) for row in session.execute(statement, asked).mappings()]


def needed(asked: Iterable[Load], target_seconds: float = TARGET_SECONDS) -> Need:
    """The workers that let each waiting job start before it has waited for `target_seconds`."""
    found = list(asked)
    running = sum(load.running for load in found)
    waiting = sum(load.waiting for load in found)
    if not waiting:
        return Need(running, f"Nothing waits; {_jobs(running)} {'runs' if running == 1 else 'run'}.")
    work = sum(load.waiting * (ASSUMED_SECONDS if load.seconds is None else load.seconds) for load in found)
    oldest = max(load.oldest_seconds for load in found)
    left = max(target_seconds - oldest, LEAST_SECONDS_LEFT)
    more = max(1, min(waiting, math.ceil(work / left)))
    guess = any(load.seconds is None and load.waiting for load in found)
    return Need(
        running + more,
        f"{_jobs(waiting)} {'waits' if waiting == 1 else 'wait'}, about {_seconds(work)} of work"
        f"{f' if one takes {_seconds(ASSUMED_SECONDS)}, for none has ended yet' if guess else ''}; "
        f"the oldest has waited for {_seconds(oldest)} and may for {_seconds(target_seconds)}: that takes "
        f"{more:,}{f' beside the {running:,} at work' if running else ''}.",
    )


def _jobs(count: int) -> str:
    return f"{count:,} {'job' if count == 1 else 'jobs'}"


def _seconds(value: float) -> str:
    return f"{value:,.1f} s" if value < 10 and value != round(value) else f"{value:,.0f} s"

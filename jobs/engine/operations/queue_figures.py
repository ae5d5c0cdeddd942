"""Figures on the queues. Every statement reads unfinished jobs only, or a bounded number of ended ones by an index."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from jobs.engine import settings
from jobs.engine.db.models import ENDED_STATES
from jobs.engine.kinds import catalogue
from jobs.engine.queue import capacity, fair_share, pauses, worker_registry

MINUTES = 30  # of the chart
RECENT = 100  # ended jobs of each state from which waiting times are computed
MOST_FAILED = 10_000  # limit of the count of a day


@dataclass
class QueueFigures:
    """The present figures of one queue. Seconds are None if there are no jobs to compute them from."""

    name: str
    waiting: int = 0  # due
    running: int = 0
    oldest_seconds: float | None = None  # since the oldest waiting job was due
    next_seconds: float | None = None  # until the next scheduled job is due
    wait_p50: float | None = None  # of recently ended jobs
    wait_p95: float | None = None
    failed_day: int = 0  # at most MOST_FAILED
    ended: list[int] = field(default_factory=lambda: [0] * MINUTES)  # in each minute, the current one last
    failed: list[int] = field(default_factory=lambda: [0] * MINUTES)  # of those
    workers: int = 0
    needed: int = 0
    reason: str = ""  # for `needed`
    paused_by: str | None = None
    paused_at: datetime | None = None


_WAITING = text(f"""
    select queue, count(*) filter (where run_at is null or run_at <= now()) as waiting,
        extract(epoch from now() - min(coalesce(run_at, created_at)) filter (where run_at is null or run_at <= now()))::float8
            as oldest_seconds,
        extract(epoch from min(run_at) filter (where run_at > now()) - now())::float8 as next_seconds
    from jobs where state = 'queued' and queue = any(:queues) and {fair_share.MAY_WORK} group by queue
""")  # noqa: S608
_RUNNING = text("""
    select queue, count(*) as running from jobs
    where state in ('running', 'stopping') and queue = any(:queues) group by queue
""")
# Only jobs that were claimed once, since a retry starts long after the job was made.
_WAITS = text(f"""
    select queue, percentile_cont(0.5) within group (order by one.seconds) as wait_p50,
        percentile_cont(0.95) within group (order by one.seconds) as wait_p95
    from unnest(cast(:queues as text[])) as queue, unnest(array['succeeded', 'partial', 'failed']) as ended, lateral (
        select lease, extract(
            epoch from started_at - case when run_at <= started_at then run_at else created_at end
        )::float8 as seconds
        from jobs where jobs.queue = queue.queue and state = ended and finished_at is not null
        order by finished_at desc limit {RECENT}
    ) as one where lease = 1 group by queue
""")  # noqa: S608
_ENDED = text(f"""
    select queue, floor(extract(epoch from now() - finished_at) / 60)::int as ago, count(*) as ended,
        count(*) filter (where state = 'failed') as failed
    from jobs where queue = any(:queues) and state = any(:states) and finished_at > now() - interval '{MINUTES} min'
    group by queue, ago
""")  # noqa: S608
_FAILED = text(f"""
    select queue, count(*) as failed_day from unnest(cast(:queues as text[])) as queue, lateral (
        select 1 from jobs where jobs.queue = queue.queue and state = 'failed' and finished_at > now() - interval '1 day'
        limit {MOST_FAILED}
    ) as one group by queue
""")  # noqa: S608


def queues(session: Session) -> list[QueueFigures]:
    """All queues, in the workers' default order."""
    found = {name: QueueFigures(name) for name in catalogue.queues()}
    wanted = {"queues": list(found)}
    for statement in (_WAITING, _RUNNING, _WAITS, _FAILED):
        for row in session.execute(statement, wanted).mappings():
            _fill(found[row["queue"]], {name: value for name, value in row.items() if name != "queue"})
    for row in session.execute(_ENDED, wanted | {"states": list(ENDED_STATES)}).mappings():
        if 0 <= row["ago"] < MINUTES:
            found[row["queue"]].ended[-1 - row["ago"]] = row["ended"]
            found[row["queue"]].failed[-1 - row["ago"]] = row["failed"]
    for worker in worker_registry.alive(session):
        for name in set(worker.queues) & found.keys():
            found[name].workers += 1
    _add_need(session, found)
    for name, pause in pauses.paused(session).items():
        found[name].paused_by, found[name].paused_at = pause.paused_by, pause.paused_at
    return list(found.values())


def _fill(figures: QueueFigures, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(figures, name, value)


def _add_need(session: Session, found: dict[str, QueueFigures]) -> None:
    loads = capacity.loads(session, list(found))
    for name, figures in found.items():
        need = capacity.needed([load for load in loads if load.queue == name], settings.current().target_wait_seconds)
        figures.needed, figures.reason = need.workers, need.reason

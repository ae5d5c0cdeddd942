"""The number of jobs in each state: unfinished ones counted, ended ones estimated if there are many.

An exact count takes time in proportion to the rows, and each scrape and each open page needs these numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from jobs.engine.db.models import ENDED_STATES, JOB_STATES

LEAST_EXACT = 10_000  # jobs; beyond this the planner's estimate is used


@dataclass(frozen=True)
class JobCounts:
    """Jobs by state. `exact`: whether the ended ones were counted too."""

    states: dict[str, int]
    exact: bool = True

    @property
    def total(self) -> int:
        return sum(self.states.values())


def count_jobs(session: Session) -> JobCounts:
    """Count the jobs in each state, including states with none."""
    exact = session.execute(_ROWS).scalar_one() < LEAST_EXACT
    found = dict.fromkeys(JOB_STATES, 0)
    for statement in (_QUEUED, _HELD, _COUNTED if exact else _ESTIMATED):
        found |= {row.state: row.count for row in session.execute(statement) if row.state in found}
    return JobCounts(found, exact)


_ROWS = text("select reltuples::bigint from pg_class where oid = 'jobs'::regclass")
# Each of these two uses a small partial index, for which it must compare `state` with `=`.
_QUEUED = text("select 'queued' as state, count(*) as count from jobs where state = 'queued'")
_HELD = text("select state, count(*) as count from jobs where state in ('running', 'stopping') group by state")
# Bounded, in case the table has grown since the last ANALYZE.
_COUNTED = text(f"""
    select state, count(*) as count from (
        select state from jobs where finished_at is not null limit {10 * LEAST_EXACT}
    ) as ended group by state
""")  # noqa: S608
_ESTIMATED = text(f"""
    select state, (share * reltuples)::bigint as count
    from pg_stats, unnest(most_common_vals::text::text[], most_common_freqs) as common (state, share), pg_class
    where tablename = 'jobs' and attname = 'state' and schemaname = relnamespace::regnamespace::text
        and pg_class.oid = 'jobs'::regclass and state in ({", ".join(f"'{state}'" for state in ENDED_STATES)})
""")  # noqa: S608

"""How many jobs there are in each state: those that live counted, those that ended estimated once there are many.

Counting rows costs as much as there are rows, and this is asked by each scrape and each open page.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from jobs.engine.db.models import ENDED_STATES, JOB_STATES

LEAST_EXACT = 10_000  # jobs; beyond this Postgres' own estimate is told


@dataclass(frozen=True)
class JobCounts:
    """Jobs by state. `exact`: whether those that ended were counted too."""

    states: dict[str, int]
    exact: bool = True

    @property
    def total(self) -> int:
        return sum(self.states.values())


def count_jobs(session: Session) -> JobCounts:
    """All states, the empty ones too."""
    exact = session.execute(_ROWS).scalar_one() < LEAST_EXACT
    found = dict.fromkeys(JOB_STATES, 0)
    for statement in (_QUEUED, _HELD, _COUNTED if exact else _ESTIMATED):
        found |= {row.state: row.count for row in session.execute(statement) if row.state in found}
    return JobCounts(found, exact)


_ROWS = text("select reltuples::bigint from pg_class where oid = 'jobs'::regclass")
# Each of these two reads one small index of live jobs, and says `state =` so that it can.
_QUEUED = text("select 'queued' as state, count(*) as count from jobs where state = 'queued'")
_HELD = text("select state, count(*) as count from jobs where state in ('running', 'stopping') group by state")
# Bounded, for a table that grew since Postgres last looked.
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

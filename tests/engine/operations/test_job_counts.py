"""How many jobs there are: a figure that may not cost more with more of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from sqlalchemy import text

from jobs.engine.db import postgres
from jobs.engine.db.models import JOB_STATES
from jobs.engine.operations import job_counts
from jobs.engine.queue import commands

MANY = 12_000  # past what is counted, and still all of it in the sample that Postgres looks at
ENDED = {"succeeded": MANY - 1_200, "partial": 700, "failed": 400, "cancelled": 100}
_ADD = text("""
    insert into jobs (id, kind, params, owner, queue, state, max_attempts, time_limit, finished_at)
    select gen_random_uuid(), 'nap', '{}', 'local', 'cpu', :state, 3, 60, now() from generate_series(1, :count)
""")


def test_few_are_counted_and_many_estimated(environment: Callable[..., None]) -> None:
    environment(EXTRA_KINDS="tests.sample_kinds")
    for _ in range(3):
        commands.submit("nap", {}, owner="local")
    with postgres.session() as session:
        session.execute(_ADD, {"state": "failed", "count": 2})
        few = job_counts.count_jobs(session)
        assert few.exact
        assert Counter(few.states) == Counter(dict.fromkeys(JOB_STATES, 0) | {"queued": 3, "failed": 2})
        for state, count in ENDED.items():
            session.execute(_ADD, {"state": state, "count": count - 2 * (state == "failed")})
        session.execute(text("analyze jobs"))
        many = job_counts.count_jobs(session)
    assert not many.exact
    assert (many.states["queued"], many.states["running"]) == (3, 0)
    assert {state: round(many.states[state], -1) for state in ENDED} == ENDED

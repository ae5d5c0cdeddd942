"""What ended in each hour in each queue, counted once: the charts of operators read this and not a week of jobs."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, text

from jobs.engine.db.models import ENDED_STATES

DAYS_KEPT = 14
MOST_HOURS = 24  # at a time: a first run has two weeks of jobs before it
LATE_MINUTES = 2  # after an hour's end until it is counted: what ended in it may not be committed yet


def count_hours(connection: Connection, queues: Sequence[str]) -> int:
    """Write the hours that are over and not counted yet, one row a queue, and forget old ones. Returns how many rows."""
    kept = {"days": DAYS_KEPT}
    connection.execute(_FORGET, kept)
    values = kept | {"queues": list(queues), "states": list(ENDED_STATES), "late": LATE_MINUTES, "most": MOST_HOURS}
    return connection.execute(_COUNT, values).rowcount


_FORGET = text("delete from queue_hours where hour < now() - make_interval(days => :days)")
_COUNT = text("""
    with missing as (
        select hour from generate_series(
            coalesce(
                (select max(hour) + interval '1 hour' from queue_hours),
                date_bin('1 hour', now() - make_interval(days => :days), 'epoch') + interval '1 hour'),
            date_bin('1 hour', now() - make_interval(mins => :late), 'epoch') - interval '1 hour',
            '1 hour') as hour
        order by hour limit :most
    ), counted as (
        select date_bin('1 hour', finished_at, 'epoch') as hour, queue, count(*) as ended,
            count(*) filter (where state = 'failed') as failed, sum(prompt_tokens + completion_tokens) as tokens
        from jobs
        where queue = any(:queues) and state = any(:states) and finished_at >= (select min(hour) from missing)
            and finished_at < (select max(hour) + interval '1 hour' from missing)
        group by 1, 2
    )
    insert into queue_hours (hour, queue, ended, failed, tokens)
    select hour, queue, coalesce(ended, 0), coalesce(failed, 0), coalesce(tokens, 0)
    from missing cross join unnest(cast(:queues as text[])) as queue left join counted using (hour, queue)
    on conflict do nothing
""")

"""What ended in the last day and week: jobs, failures and tokens.

Hours that are over are in a table of their own (`ledger/hours.py`); only what ended since then is read from the jobs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import text

from jobs.engine.db import postgres
from jobs.engine.db.models import ENDED_STATES
from jobs.engine.kinds import catalogue

Span = Literal["day", "week"]
HOURS: dict[Span, tuple[int, int]] = {"day": (24, 1), "week": (168, 6)}  # in all, and of one part


@dataclass(frozen=True)
class HistoryPart:
    """Some hours: when they begin, and what ended in them. now: they are not over."""

    begins: datetime
    ended: int
    failed: int
    tokens: int
    now: bool


_ENDED = text("""
    with since as (
        select greatest(
            (select max(hour) + interval '1 hour' from queue_hours), now() - make_interval(hours => :hours)) as moment
    ), found as (
        select hour as moment, ended, failed, tokens from queue_hours
        where hour > now() - make_interval(hours => :hours)
        union all
        select finished_at, 1, (state = 'failed')::int, prompt_tokens + completion_tokens from jobs
        where queue = any(:queues) and state = any(:states) and finished_at >= (select moment from since)
    )
    select floor(extract(epoch from moment) / :step)::bigint as part, sum(ended)::bigint as ended,
        sum(failed)::bigint as failed, sum(tokens)::bigint as tokens
    from found group by part
""")
_NOW = text("select floor(extract(epoch from now()) / :step)::bigint, now()")


def what_ended(span: Span) -> list[HistoryPart]:
    """The parts of that time, the oldest first."""
    hours, each = HOURS[span]
    step = each * 3_600
    with postgres.reading() as session:
        last, now = session.execute(_NOW, {"step": step}).one()
        wanted = {"step": step, "hours": hours, "queues": list(catalogue.queues()), "states": list(ENDED_STATES)}
        found = {row.part: row for row in session.execute(_ENDED, wanted)}
    parts = []
    for part in range(last - hours // each + 1, last + 1):
        row = found.get(part)
        begins = now + timedelta(seconds=part * step - now.timestamp())
        ended, failed, tokens = (row.ended, row.failed, row.tokens) if row else (0, 0, 0)
        parts.append(HistoryPart(begins, ended, failed, tokens, part == last))
    return parts

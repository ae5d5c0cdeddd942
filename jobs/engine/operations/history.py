"""What ended in the last day and week, hour by hour: jobs, failures and tokens. Read from the jobs that are still kept."""

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
    select floor(extract(epoch from finished_at) / :step)::bigint as part, count(*) as ended,
        count(*) filter (where state = 'failed') as failed, sum(prompt_tokens + completion_tokens)::bigint as tokens
    from jobs where queue = any(:queues) and state = any(:states) and finished_at > now() - make_interval(hours => :hours)
    group by part
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

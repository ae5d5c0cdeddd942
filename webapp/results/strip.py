"""The last 24 hours of jobs as dots: when each ended or began, how long it took, how it ended."""

from __future__ import annotations

import math
from collections import Counter
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from jobs.engine import queue
from webapp.ui import words

HOURS = 24
MOST = 400  # dots
TALL, FOOT = 116, 134  # px of the drawing, and of the words below
TIMES = ((1, "1 s"), (10, "10 s"), (60, "1 min"), (600, "10 min"), (3_600, "1 h"), (36_000, "10 h"))
TONES = {"succeeded": "well", "partial": "wait", "failed": "hot", "cancelled": "dim"}


class JobDot(NamedTuple):
    """A job in the strip: x in percent, y in px; failed is a square where done is a disc."""

    x: float
    y: float
    tone: str
    text: str


class StripTick(NamedTuple):
    """An hour at the axis."""

    x: float
    text: str
    wide: bool


def of_owner(owner: str, titles: dict[str, str]) -> dict[str, Any] | None:
    """The variables of the strip; None if no job was submitted in these hours."""
    now = words.now()
    start = now - timedelta(hours=HOURS)
    page = queue.list_jobs(owner, since=start, limit=MOST)
    if len(page.rows) < 2:
        return None
    longest = max(math.log10(max(_seconds(job), 1) + 1) for job in page.rows)
    highest = max(longest, math.log10(11))
    dots = [_dot(job, start, highest, titles) for job in page.rows]
    counts = Counter(words.state_of(job).text.lower() for job in page.rows)
    said = ", ".join(f"{count:,} {text}" for text, count in counts.most_common(6))
    took = max(map(_seconds, page.rows))
    which = f"The newest {MOST:,} jobs" if page.next else f"{len(dots):,} jobs"
    return {
        "dots": dots,
        "levels": [(round(_height(each, highest), 1), text) for each, text in TIMES if math.log10(each + 1) <= highest],
        "ticks": _ticks(start),
        "tones": [(TONES[state], words.word(state).text.lower(), count) for state, count in _ended(page.rows)],
        "sentence": f"{which} of the last {HOURS} hours: {said}. The longest took {words.duration(took)}.",
        "tall": TALL,
        "foot": FOOT,
    }


def _ended(rows: list[queue.JobView]) -> list[tuple[str, int]]:
    counts = Counter(job.state for job in rows)
    return [(state, counts[state]) for state in TONES if counts[state]]


def _dot(job: queue.JobView, start: datetime, highest: float, titles: dict[str, str]) -> JobDot:
    at = job.finished_at or job.started_at or job.created_at
    x = min(max((at - start).total_seconds() / (HOURS * 36), 0), 100)
    title = titles.get(job.kind, job.kind)
    text = f"{title}, {words.state_of(job).text.lower()}, {words.duration(_seconds(job))}"
    return JobDot(round(x, 2), round(_height(_seconds(job), highest), 1), TONES.get(job.state, "f1"), text)


def _height(seconds: float, highest: float) -> float:
    return TALL - 8 - (TALL - 20) * math.log10(seconds + 1) / highest


def _seconds(job: queue.JobView) -> float:
    return max(words.took(job) or 0.0, 0.0)


def _ticks(start: datetime) -> list[StripTick]:
    """Each third hour of the viewer's day; each second of them is left out on a phone."""
    first = start.astimezone(words.zone()).replace(minute=0, second=0, microsecond=0)
    found = []
    for hours in range(1, HOURS + 1):
        at = first + timedelta(hours=hours)
        if at.hour % 3 == 0:
            x = (at - start).total_seconds() / (HOURS * 36)
            found.append(StripTick(round(x, 2), f"{at:%H:%M}", at.hour % 6 != 0))
    return [tick for tick in found if tick.x < 94]

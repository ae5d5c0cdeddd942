"""When a schedule runs, for people: in its own zone and the viewer's, and what the next change of clocks does to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from jobs.engine import queue
from webapp.ui import words

AHEAD = 400  # days in which a change of clocks is looked for
_CLOCK = "%H:%M"


class RunTime(NamedTuple):
    """A moment; `there`: on the clocks of the schedule's zone, `here`: on the viewer's, empty where they read the same."""

    moment: datetime
    there: str
    here: str


def run_times(runs: list[datetime], zone: str) -> list[RunTime]:
    return [run_time(run, zone) for run in runs]


def clock_change(cron: str, zone: str, moment: datetime | None = None) -> str:
    """The next change of clocks in that zone and when the schedule runs on that day, as a sentence; empty if there is none."""
    there = ZoneInfo(zone)
    change = _next_change(there, moment or words.now())
    if change is None:
        return ""
    before, after = (change - timedelta(seconds=1)).astimezone(there), change.astimezone(there)
    was = (before + timedelta(seconds=1)).replace(tzinfo=None)
    morning = after.replace(hour=0, minute=0) - timedelta(seconds=1)
    runs = [run.astimezone(there) for run in queue.upcoming_runs(cron, zone, 3, morning.astimezone(UTC))]
    today = [f"{run:{_CLOCK}}" for run in runs if run.date() == after.date()]
    at = "several times" if len(today) > 2 else f"at {' and '.join(today)}" if today else ""
    changed = f"{_day(after)}: clocks go from {was:{_CLOCK}} to {after:{_CLOCK}}"
    return f"{changed}; it runs {at}." if at else f"{changed}; it does not run that day."


@cache
def zones() -> tuple[str, ...]:
    """The names of time zones that one may choose from."""
    return ("UTC", *sorted(name for name in available_timezones() if "/" in name and name.split("/")[0] not in _OLD))


_OLD = ("Etc", "SystemV", "US", "Canada", "Brazil", "Chile", "Mexico", "posix", "right")


def run_time(run: datetime, zone: str) -> RunTime:
    there, here = run.astimezone(ZoneInfo(zone)), run.astimezone(words.zone())
    same = there.utcoffset() == here.utcoffset()
    other = f"{here:{_CLOCK}}" if there.date() == here.date() else f"{_day(here)}, {here:{_CLOCK}}"
    return RunTime(run, f"{_day(there)}, {there:{_CLOCK}}", "" if same else f"{other} {words.zone_name()}")


def _day(moment: datetime) -> str:
    return f"{moment:%a} {moment.day} {moment:%b %Y}"


def _next_change(zone: ZoneInfo, moment: datetime) -> datetime | None:
    """The first moment, in UTC, at which clocks of that zone are changed."""
    start = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    days = (start + timedelta(days=day) for day in range(AHEAD))
    offset = start.astimezone(zone).utcoffset()
    late = next((day for day in days if day.astimezone(zone).utcoffset() != offset), None)
    if late is None:
        return None
    early = late - timedelta(days=1)
    while late - early > timedelta(minutes=1):
        middle = early + (late - early) // 2
        early, late = (middle, late) if middle.astimezone(zone).utcoffset() == offset else (early, middle)
    return late.replace(second=0, microsecond=0)

"""When a schedule is due: five fields of cron, read in a time zone.

Times are the wall clock's. A time that the clock jumps over in spring is due right after the jump. A time that comes twice in
autumn is due once where the hour is named, and at both where the schedule runs through the hours.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from jobs.engine.errors import FieldError, InvalidParams

_FIELDS = re.compile(r"[0-9A-Za-z*,/#-]{1,100}( [0-9A-Za-z*,/#-]{1,100}){4}", re.ASCII)
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*", re.ASCII)
_CHANCE = re.compile(r"\b[hr]\b|[hr]\(", re.IGNORECASE)  # croniter's own "some time", another one at each look


def checked_cron(cron: str, zone: str) -> tuple[str, str]:
    """The two as they are kept. Raises InvalidParams for what is no cron, never comes, or is no zone."""
    cron = " ".join(cron.split())
    try:
        known = bool(_ZONE.fullmatch(zone)) and bool(ZoneInfo(zone))
    except (KeyError, ValueError, OSError):
        known = False
    if not known:
        raise InvalidParams([FieldError("zone", f"There is no time zone “{zone[:60]}”; one is Europe/Berlin.")])
    if not _FIELDS.fullmatch(cron) or _CHANCE.search(cron):
        raise InvalidParams([FieldError("cron", _FIVE)])
    try:
        next_run(cron, zone, datetime.now(UTC))
    except ValueError as error:  # croniter's own errors are
        raise InvalidParams([FieldError("cron", f"“{cron[:60]}” names no time that comes: {error}.")]) from None
    return cron, zone


def next_run(cron: str, zone: str, moment: datetime) -> datetime:
    """The first time it is due after `moment`, in UTC."""
    from croniter import croniter  # its import starts a program, to ask how wide this machine is

    times = croniter(cron, moment.astimezone(ZoneInfo(zone)))
    named_hours = "*" not in cron.split()[1]
    found: datetime = times.get_next(datetime)
    while named_hours and found.utcoffset() != found.replace(fold=0).utcoffset():
        found = times.get_next(datetime)
    return found.astimezone(UTC)


def upcoming_runs(cron: str, zone: str, count: int, moment: datetime | None = None) -> list[datetime]:
    """The next times it is due."""
    found: list[datetime] = []
    for _ in range(count):
        found.append(next_run(cron, zone, found[-1] if found else moment or datetime.now(UTC)))
    return found


_FIVE = "Write five fields: minute, hour, day of the month, month, day of the week; such as 0 6 * * 1-5."

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
    cron = _NAMES.get(cron.lower(), cron)
    try:
        known = bool(_ZONE.fullmatch(zone)) and bool(ZoneInfo(zone))
    except (KeyError, ValueError, OSError):
        known = False
    if not known:
        raise InvalidParams([FieldError("zone", f"There is no time zone “{zone[:60]}”; one is Europe/Berlin.")])
    if not _FIELDS.fullmatch(cron) or _CHANCE.search(cron):
        raise InvalidParams([FieldError("cron", _SIX if len(cron.split()) == 6 else _FIVE)])
    if wrong := _long_step(cron):
        raise InvalidParams([FieldError("cron", wrong)])
    try:
        next_run(cron, zone, datetime.now(UTC))
    except ValueError as error:  # croniter's own errors are
        never = type(error).__name__ == "CroniterBadDateError"
        why = "names no day that ever comes" if never else "has a value that its field does not take"
        raise InvalidParams([FieldError("cron", f"“{cron[:60]}” {why}. {_FIVE}")]) from None
    return cron, zone


def _long_step(cron: str) -> str | None:
    """The sentence for a step that is longer than its field, such as */90: it would begin anew each hour."""
    for (name, first, last), field in zip(_RANGES, cron.split(), strict=True):
        for part in field.split(","):
            found = _STEP.fullmatch(part)
            if found is None:
                continue
            low, high = int(found["low"] or first), int(found["high"] or last)
            if not 0 < int(found["step"]) <= high - low:
                return f"“{part}” steps out of the {name}, which are {first} to {last}: it would only be due at {low}. {_FIVE}"
    return None


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


_NAMES = {
    **dict.fromkeys(("@daily", "@midnight"), "0 0 * * *"),
    **dict.fromkeys(("@yearly", "@annually"), "0 0 1 1 *"),
    **{"@hourly": "0 * * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *"},
}
_RANGES = (
    ("minutes", 0, 59),
    ("hours", 0, 23),
    ("days of the month", 1, 31),
    ("months", 1, 12),
    ("days of the week", 0, 6),
)
_STEP = re.compile(r"(?:\*|(?P<low>\d+)(?:-(?P<high>\d+))?)/(?P<step>\d+)", re.ASCII)
_SIX = (
    "These are six fields. Leave out the seconds, or the year: minute, hour, day of the month, month, day of the week."
)
_FIVE = "Write five fields: minute, hour, day of the month, month, day of the week; such as 0 6 * * 1-5, or @daily."

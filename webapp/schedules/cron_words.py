"""Converts between the choices of the schedule form, cron expressions, and sentences."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from typing import Any

from jobs.engine.errors import FieldError, InvalidParams
from webapp.schedules import run_times
from webapp.ui import words

DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
MONTH_DAYS = (*map(str, range(1, 29)), "L")
BLANK = {
    "every": "day",
    "minute": "0",
    "day_at": "06:00",
    "weekday_at": "06:00",
    "week_on": "1",
    "week_at": "06:00",
    "month_on": "1",
    "month_at": "06:00",
    "cron": "",
}

_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(:\d\d)?", re.ASCII)
_PLAIN = re.compile(r"(\d{1,2}) (\d{1,2}|\*) (\d{1,2}|L|\*) \* (\d|1-5|\*)", re.ASCII)


def posted(form: Mapping[str, str]) -> dict[str, str]:
    """The form's values, as they were typed."""
    return {name: form.get(name, default)[:600] for name, default in BLANK.items()}


def cron_of(chosen: Mapping[str, str]) -> str:
    """The cron expression for these choices. Raises InvalidParams."""
    every = chosen["every"]
    if every == "cron":
        return chosen["cron"]
    if every == "hour":
        return f"{_minute(chosen['minute'])} * * * *"
    if every == "day":
        return f"{_clock(chosen, 'day_at')} * * *"
    if every == "weekday":
        return f"{_clock(chosen, 'weekday_at')} * * 1-5"
    if every == "week":
        return f"{_clock(chosen, 'week_at')} * * {_one_of(chosen, 'week_on', '0123456')}"
    if every == "month":
        return f"{_clock(chosen, 'month_at')} {_one_of(chosen, 'month_on', MONTH_DAYS)} * *"
    raise InvalidParams([FieldError("every", "Choose how often it runs.")])


def chosen_of(cron: str) -> dict[str, str]:
    """The form's choices for a cron expression."""
    every, minute, hour, day, weekday = _read(cron)
    chosen = BLANK | {"every": every, "cron": cron}
    if every == "hour":
        return chosen | {"minute": minute}
    if every == "cron":
        return chosen
    chosen[f"{every}_at"] = f"{hour:0>2}:{minute:0>2}"
    if every == "week":
        chosen["week_on"] = str(int(weekday) % 7)
    if every == "month":
        chosen["month_on"] = day
    return chosen


def in_words(cron: str) -> str:
    """A cron expression as a sentence, such as “Every Monday at 06:00”; other expressions are quoted."""
    every, minute, hour, day, weekday = _read(cron)
    at = f"at {hour:0>2}:{minute:0>2}"
    if every == "hour":
        return f"Every hour at minute {int(minute)}" if int(minute) else "Every hour, on the hour"
    if every == "day":
        return f"Every day {at}"
    if every == "weekday":
        return f"Every weekday {at}"
    if every == "week":
        return f"Every {DAYS[int(weekday) % 7]} {at}"
    if every == "month":
        return f"Every month on {'its last day' if day == 'L' else f'day {day}'} {at}"
    return f"By the cron expression {cron}"


def zone_of(form: Mapping[str, str]) -> str:
    return form.get("zone", "").strip()[:64] or words.zone_name()


def view(chosen: Mapping[str, str], zone: str) -> dict[str, Any]:
    """Variables for the template of the choices."""
    return {"chosen": chosen, "zone": zone, "days": DAYS, "month_days": MONTH_DAYS, "zones": run_times.zones()}


def _read(cron: str) -> tuple[str, str, str, str, str]:
    """The choice that fits the expression, and its minute, hour, day and weekday."""
    plain = _PLAIN.fullmatch(cron)
    if not plain:
        return "cron", "", "", "", ""
    minute, hour, day, weekday = plain.groups()
    shape = (hour == "*", day == "*", weekday if weekday in ("*", "1-5") else "one")
    names = {
        (True, True, "*"): "hour",
        (False, True, "*"): "day",
        (False, True, "1-5"): "weekday",
        (False, True, "one"): "week",
        (False, False, "*"): "month",
    }
    every = names.get(shape, "cron")
    if every == "month" and day not in MONTH_DAYS:
        every = "cron"
    return every, minute, hour, day, weekday


def _minute(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,2}", text.strip()) or int(text) > 59:
        raise InvalidParams([FieldError("minute", "Write the minute as a number from 0 to 59.")])
    return int(text)


def _clock(chosen: Mapping[str, str], name: str) -> str:
    """Minute and hour of a time, in cron's order."""
    match = _CLOCK.fullmatch(chosen[name].strip())
    if not match:
        raise InvalidParams([FieldError(name, "Write the time as hours and minutes, such as 06:00.")])
    return f"{int(match[2])} {int(match[1])}"


def _one_of(chosen: Mapping[str, str], name: str, known: Container[str]) -> str:
    if not chosen[name] or chosen[name] not in known:
        raise InvalidParams([FieldError(name, "Choose a day.")])
    return chosen[name]

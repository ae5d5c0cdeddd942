"""Formats states, numbers and times for pages.

`install(app)` registers them as template filters and globals. Times are in the time zone of the cookie `zone`, which a script
sets, or else in UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from flask import Flask, has_request_context, request
from markupsafe import Markup

from jobs.engine import llm
from jobs.engine.db import records
from jobs.engine.queue import JobView
from webapp.ui.safe_text import cell, coded, figure, harmless, is_figure, verbatim, written

MOVING = ("running", "stopping")


class Word(NamedTuple):
    """The text for a state, and the name of its CSS class and icon."""

    text: str
    name: str


_JOB_WORDS = {
    "running": Word("Running", "running"),
    "stopping": Word("Stopping", "stopping"),
    "succeeded": Word("Succeeded", "succeeded"),
    "partial": Word("Partly done", "partial"),
    "cancelled": Word("Stopped", "stopped"),
    "scheduled": Word("Scheduled", "scheduled"),
    "waiting": Word("Waiting", "waiting"),
    "queued": Word("Waiting", "waiting"),
    "retrying": Word("Retrying", "retrying"),
    "lost": Word("Worker lost", "lost"),
    "asking": Word("Waiting for you", "asking"),
    "failed": Word("Failed", "failed"),
    "timed-out": Word("Timed out", "timed-out"),
}
_ITEM_WORDS = {
    "to-go": Word("To go", "to-go"),
    "started": Word("In progress", "running"),
    "done": Word("Done", "done"),
    "skipped": Word("Skipped", "skipped"),
    "failed": Word("Failed", "failed"),
    "unknown": Word("Unknown", "unknown"),
}
_ENDINGS = {
    "succeeded": "succeeded",
    "partial": "partly done",
    "failed": "failed",
    "stopped": "stopped",
    "time_limit": "reached its time limit",
    "retry": "failed, will be retried",
    "approval": "waits for your answer",
    "provider": "waits for its provider",
    "lost": "the worker was lost",
    "shutdown": "released: the worker was shut down",
}


def install(app: Flask) -> None:
    """Register the template filters and globals."""
    app.jinja_env.finalize = harmless
    app.jinja_env.filters.update(
        number=number,
        capped=capped,
        dollars=dollars,
        size=size,
        written=written,
        duration=duration,
        seconds=seconds,
        when=when,
        ago=ago,
        cell=cell,
        figure=figure,
        verbatim=verbatim,
        coded=coded,
    )
    app.jinja_env.globals.update(
        state_of=state_of, item_word=item_word, word=word, percent=percent, counted=counted, bar=bar,
        noun=noun, zone_line=zone_line, zone_name=zone_name, ending=ending, took=took, now=now, ends=ends, is_figure=is_figure,
        model_names=llm.models, browser_name=browser_name,
    )  # fmt: skip


_BROWSERS = ("Edg", "OPR", "Firefox", "Chrome", "Safari", "curl")
_SYSTEMS = ("iPhone", "iPad", "Android", "Windows", "Mac OS", "CrOS", "Linux")
_NAMES = {"Edg": "Edge", "OPR": "Opera", "Mac OS": "macOS", "CrOS": "ChromeOS"}


def browser_name(agent: str) -> str:
    """A browser and its system as people call them: “Firefox on Linux”; what is none of the known as it calls itself."""
    browser, system = (next((one for one in some if one in agent), "") for some in (_BROWSERS, _SYSTEMS))
    if not browser:
        return cell(agent, 40) or "unknown"
    return f"{_NAMES.get(browser, browser)}{f' on {_NAMES.get(system, system)}' if system else ''}"


# States


def word(state: str) -> Word:
    return _JOB_WORDS.get(state) or Word(state.capitalize(), "waiting")


def state_of(job: JobView) -> Word:
    """The word for the current state of a job."""
    if job.state == "queued":
        return word(_queued(job))
    if job.state == "failed" and job.reason == "time_limit":
        return word("timed-out")
    return word(job.state)


def item_word(state: str) -> Word:
    return _ITEM_WORDS.get(state) or Word(state.capitalize(), "to-go")


def ending(how: str | None) -> str:
    """How an attempt ended."""
    return _ENDINGS.get(how or "", how or "")


def _queued(job: JobView) -> str:
    if job.run_at and job.run_at > now():
        if job.reason == "approval":
            return "asking"
        return "retrying" if job.lease else "scheduled"
    return "lost" if job.reason == "worker_lost" else "waiting"


# Numbers


def number(value: float | None, digits: int | None = None) -> str:
    """1204 -> 1,204; 3.271 -> 3.3; None -> an empty text."""
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.{_digits(value) if digits is None else digits}f}"


def dollars(amount: Decimal | None) -> str:
    """$1.20; $0.00042 where cents would not show it; None, which is no price, as an empty text."""
    if amount is None:
        return ""
    if amount == 0 or amount >= 1:
        return f"${amount:,.2f}"
    digits = max(2, 1 - amount.adjusted())  # two that are not zero
    return f"${amount:.{min(digits, 8)}f}"


def capped(count: int) -> str:
    """A count that is limited to records.COUNT_CAP: 412; 1,000+."""
    return f"{count:,}+" if count >= records.COUNT_CAP else f"{count:,}"


def size(count: int | None) -> str:
    """Bytes, in powers of 1000: 412 KB."""
    if count is None:
        return ""
    if count < 1000:
        return f"{count} bytes" if count != 1 else "1 byte"
    amount, units = count / 1000, ["TB", "GB", "MB", "KB"]
    unit = units.pop()
    while amount >= 999.5 and units:
        amount, unit = amount / 1000, units.pop()
    return f"{amount:,.0f} {unit}" if amount >= 9.95 else f"{amount:.1f} {unit}"


def percent(job: JobView) -> int | None:
    """The share of a job that is done, rounded down; 100 only once it has ended; None while the total is unknown."""
    if not job.total:
        return 100 if job.state == "succeeded" else None
    return int(min(job.done * 100 // job.total, 100 if job.ended else 99))


def noun(nouns: tuple[str, str], count: int | None) -> str:
    return nouns[0] if count == 1 else nouns[1]


def counted(job: JobView, nouns: tuple[str, str]) -> str:
    """756 of 1,204 rows. While the total is unknown: 756 rows so far."""
    if job.total is None:
        return f"{number(job.finished)} {noun(nouns, job.finished)} so far" if job.finished else ""
    return f"{number(job.finished)} of {number(job.total)} {noun(nouns, job.total)}"


def bar(job: JobView, thin: bool = False) -> list[dict[str, str]]:
    """The SVG rects of a progress bar. Non-empty parts have a minimum width, so that few failures are visible."""
    least = 1.5 if thin else 0.7
    parts = [("done", job.done, 0.0), ("failed", job.failed, least), ("skipped", job.skipped + job.unknown, 1.0)]
    at, rects = 0.0, []
    for name, count, smallest in parts:
        wide = min(max(100 * count / job.total, smallest), 100 - at) if count and job.total else 0.0
        if wide:
            rects.append({"name": name, "x": f"{at:.1f}%", "width": f"{wide:.1f}%"})
        at += wide
    return rects


def _digits(value: float) -> int:
    if value == int(value) or abs(value) >= 100:
        return 0
    return 1 if abs(value) >= 0.1 else 3


# Times


def now() -> datetime:
    return datetime.now(UTC)


def duration(value: float | timedelta | None) -> str:
    """A duration in at most two units: 4.1 s; 41 s; 3 min 49 s; 1 h 12 min; 2 d 3 h."""
    if value is None:
        return ""
    span = value.total_seconds() if isinstance(value, timedelta) else float(value)
    span = max(span, 0.0)
    if span < 9.95:
        return f"{span:.1f} s" if span >= 0.05 else "under 0.1 s"
    whole = int(span + 0.5)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def took(job: JobView) -> float | None:
    """Seconds from the first start to the end, or until now."""
    if not job.started_at:
        return None
    return float(((job.finished_at or now()) - job.started_at).total_seconds())


def ends(left: float) -> datetime:
    """The time that many seconds from now."""
    return now() + timedelta(seconds=left)


def when(moment: datetime | None, exact: bool = False) -> Markup:
    """A <time>: 14:02 today (with seconds if exact), Tue 06:00 within a week, else 19 Nov; in full in the title."""
    if moment is None:
        return Markup("")
    here = zone()
    return _time(moment, here, now().astimezone(here).date(), exact)


@lru_cache(maxsize=4096)
def _time(moment: datetime, here: tzinfo, today: date, exact: bool) -> Markup:
    """Cached, because polled fragments show the same few times."""
    local = moment.astimezone(here)
    full = f"{local:%a} {local.day} {local:%b %Y, %H:%M:%S} {local.tzname()}"
    stamp = local.isoformat(timespec="seconds")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(stamp, full, _clock(local, today, exact))


def seconds(moment: datetime | None) -> Markup:
    """`when` with seconds."""
    return when(moment, exact=True)


def ago(moment: datetime | None) -> str:
    """Relative time in one unit: `4 min ago`, `in 4 min`."""
    if moment is None:
        return ""
    span = (now() - moment).total_seconds()
    if span < -1:
        return f"in {_one_unit(-span)}"
    return f"{_one_unit(span)} ago" if span >= 1 else "just now"


def zone_name() -> str:
    name = request.cookies.get("zone", "") if has_request_context() else ""
    return name if _zone(name[:64]) else "UTC"


def zone() -> tzinfo:
    return _zone(zone_name()) or UTC


def named_zone(name: str) -> tzinfo | None:
    """The time zone of that name; None if there is none."""
    return _zone(name[:64])


def zone_line() -> str:
    """The line “Times in Europe/Berlin (CET, UTC+1)”."""
    local = now().astimezone(zone())
    offset = local.utcoffset() or timedelta()
    hours, minutes = divmod(abs(int(offset.total_seconds())) // 60, 60)
    sign = "-" if offset < timedelta() else "+"
    shift = f"UTC{sign}{hours}{f':{minutes:02d}' if minutes else ''}" if offset else "UTC"
    short = local.tzname() or ""
    if zone_name() == "UTC":
        return "Times in UTC"
    return f"Times in {zone_name()} ({short + ', ' if short[:1].isalpha() else ''}{shift})"


@lru_cache(maxsize=512)
def _zone(name: str) -> tzinfo | None:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_+\-/]*", name):
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def _clock(local: datetime, today: date, exact: bool) -> str:
    apart = abs((today - local.date()).days)
    clock = f"{local:%H:%M:%S}" if exact else f"{local:%H:%M}"
    if apart == 0:
        return clock
    if apart < 7:
        return f"{local:%a} {clock}"
    year = "" if local.year == today.year else f" {local.year}"
    return f"{local.day} {local:%b}{year}{', ' + clock if exact else ''}"


def _one_unit(span: float) -> str:
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if span >= length:
            return f"{int(span // length)} {unit}"
    return f"{int(span)} s"

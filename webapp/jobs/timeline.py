"""A job's timeline: what happened and when, and the same as bars: who worked, and whom it waited for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from jobs.engine import queue
from jobs.engine.db import models
from jobs.engine.kinds import label_of
from webapp.ui import safe_text, words

MOST_LANES = 12
LOST = ("lost", "failed", "time_limit")


class TimelineStep(NamedTuple):
    """One row of the timeline."""

    at: datetime | None
    what: str
    detail: str
    seconds: float | None


class TimeSpan(NamedTuple):
    """A time that something took. lane: who worked, or that it waited. tone: the colour, as a class."""

    lane: str
    what: str
    start: datetime
    end: datetime
    tone: str


class TimeBar(NamedTuple):
    """A span in its lane, in percent of the whole time."""

    text: str
    x: float
    width: float
    tone: str


def view(job: queue.JobView, mine: bool) -> dict[str, Any]:
    """The variables of the timeline's template. mine: the viewer's own job, so that addresses are shown."""
    attempts, asked = queue.attempts(job), queue.approvals_of(job)
    helped = queue.helpers(job)
    found = spans(job, attempts, asked, helped)
    known = [*steps(job, found), *(_attempt(one) for one in attempts), *(_help(one) for one in helped)]
    known += [step for one in queue.notifications_of(job) for step in _notification_steps(one, mine)]
    known += [step for one in asked for step in _approval_steps(one)]
    return {"steps": sorted(known, key=lambda step: step.at or words.now()), **_drawing(job, found)}


def spans(
    job: queue.JobView,
    attempts: Sequence[models.Attempt],
    asked: Sequence[models.Approval],
    helped: Sequence[models.JobHelper] = (),
) -> list[TimeSpan]:
    """What the job's time went to: waiting, and for whom, each attempt, and the workers that helped."""
    found: list[TimeSpan] = []
    free, how = job.created_at, ""
    for attempt in attempts:
        found += _waits(job, free, attempt.started_at, how, asked)
        ended = attempt.ended_at or words.now()
        tone = "hot" if attempt.how in LOST else "f1"
        found.append(TimeSpan(f"Worker {attempt.worker}", f"Run {attempt.lease}", attempt.started_at, ended, tone))
        free, how = ended, attempt.how or ""
    if job.state == "queued":
        found += _waits(job, free, words.now(), how, asked)
    return found + [
        TimeSpan(f"Worker {one.worker}", "Helped", one.started_at, one.ended_at or words.now(), "f2") for one in helped
    ]


def _waits(
    job: queue.JobView, start: datetime, end: datetime, how: str, asked: Sequence[models.Approval]
) -> list[TimeSpan]:
    """A wait between two attempts, in parts: for an answer, for its time, then for a worker."""
    until, reason = start, ""
    if how == "approval":
        answered = [one.decided_at or min(one.expires_at, end) for one in asked if start <= (one.decided_at or end)]
        until, reason = (max(answered) if answered else end), "for your answer"
    elif how == "provider":
        until, reason = end, "for its provider"
    elif how == "retry":
        until, reason = min(job.run_at or start, end), "to try again"
    elif not how and job.run_at and job.run_at > job.created_at:
        until, reason = min(job.run_at, end), "for its time"
    until = min(max(until, start), end)
    first = [TimeSpan("Waiting", f"Waited {reason}", start, until, "wait")] if reason and until > start else []
    return [*first, TimeSpan("Waiting", f"Waited for a worker on queue {job.queue}", until, end, "dim")]


def _drawing(job: queue.JobView, found: Sequence[TimeSpan]) -> dict[str, Any]:
    """The bars by lane, the times at the axis, and a sentence."""
    start, end = job.created_at, (job.finished_at if job.ended else None) or words.now()
    whole = max((end - start).total_seconds(), 0.001)
    lanes: dict[str, list[TimeBar]] = {}
    sums: dict[str, float] = {}
    for one in found:
        lasted = _apart(one.start, one.end) or 0.0
        place = min(max((one.start - start).total_seconds() / whole * 100, 0), 99.7)
        wide = min(max(lasted / whole * 100, 0.3), 100 - place)
        bar = TimeBar(f"{one.what}: {words.duration(lasted)}", round(place, 2), round(wide, 2), one.tone)
        lanes.setdefault(one.lane, []).append(bar)
        name = one.what if one.lane == "Waiting" else f"{one.lane} worked"
        sums[name] = sums.get(name, 0.0) + lasted
    parts = [f"{name}: {words.duration(seconds)}" for name, seconds in sorted(sums.items(), key=lambda pair: -pair[1])]
    sentence = f"{words.duration(whole)} in all. {'. '.join(parts[:6])}."
    return {
        "lanes": list(lanes.items())[:MOST_LANES],
        "sentence": sentence,
        "starts": start,
        "ends": end,
        "whole": whole,
    }


def steps(job: queue.JobView, found: Sequence[TimeSpan]) -> list[TimelineStep]:
    """Submission, waits, a requested stop, the end."""
    known = [TimelineStep(job.created_at, "Submitted", "as a sample" if job.sample else "", None)]
    known += [
        TimelineStep(one.start, one.what, "", _apart(one.start, one.end)) for one in found if one.lane == "Waiting"
    ]
    if job.cancel_requested_at:
        known.append(TimelineStep(job.cancel_requested_at, "Stop requested", "", None))
    if job.ended:
        lasted = _apart(job.created_at, job.finished_at)
        known.append(TimelineStep(job.finished_at, words.state_of(job).text, job.message or "", lasted))
    return known


def _approval_steps(approval: models.Approval) -> list[TimelineStep]:
    """An approval and its answer."""
    found = [TimelineStep(approval.asked_at, "Asked", f"whether it may call {label_of(approval.tool)}", None)]
    if approval.decided_at:
        waited = _apart(approval.asked_at, approval.decided_at)
        what = "Approved" if approval.approved else "Refused"
        found.append(TimelineStep(approval.decided_at, what, safe_text.cell(approval.reason, 300), waited))
    return found


def _notification_steps(notification: models.Notification, mine: bool) -> list[TimelineStep]:
    """The tries to send a notification."""
    what = "Mail" if notification.channel == "mail" else "Webhook"
    tries = [
        TimelineStep(datetime.fromisoformat(one["at"]), what, _try(notification, one, mine), None)
        for one in notification.tries
    ]
    if tries and notification.state == "given_up":
        tries[-1] = tries[-1]._replace(detail=f"{tries[-1].detail}. Given up")
    elif tries and notification.state == "open":
        tries[-1] = tries[-1]._replace(detail=f"{tries[-1].detail}. Tried again {words.ago(notification.next_at)}")
    return tries


def _try(notification: models.Notification, one: Mapping[str, str], mine: bool) -> str:
    """What became of a try. The addresses are the owner's: others see a webhook's host, and no reply, which may quote them."""
    if mine:
        return f"{safe_text.cell(notification.target, 120)}: {one['text']}"
    said = "sent" if one["state"] == "sent" else "not sent"
    return f"{urlsplit(notification.target).hostname}: {said}" if notification.channel == "webhook" else said


def _attempt(attempt: models.Attempt) -> TimelineStep:
    ended = words.ending(attempt.how) if attempt.ended_at else "at work"
    finished = f", {words.number(attempt.finished)} finished" if attempt.finished is not None else ""
    detail = f"worker {attempt.worker}, {ended}{finished}"
    lasted = _apart(attempt.started_at, attempt.ended_at or words.now())
    return TimelineStep(attempt.started_at, f"Run {attempt.lease}", detail, lasted)


def _help(helper: models.JobHelper) -> TimelineStep:
    detail = f"worker {helper.worker}, {words.number(helper.finished)} finished"
    lasted = _apart(helper.started_at, helper.ended_at or words.now())
    return TimelineStep(helper.started_at, "Helped" if helper.ended_at else "Helps", detail, lasted)


def _apart(start: datetime | None, end: datetime | None) -> float | None:
    return max((end - start).total_seconds(), 0.0) if start and end else None

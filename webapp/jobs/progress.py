"""A job's page, and the fragment that it polls until the job has ended."""

from __future__ import annotations

import hashlib
import logging
from typing import Any

from flask import Blueprint, Response, make_response, render_template, request
from jinja2 import UndefinedError

from jobs.engine import kinds, queue
from jobs.engine.db import models
from jobs.engine.errors import LegworkError
from webapp.http.guards import current_owner
from webapp.jobs import tabs
from webapp.results import items
from webapp.ui import mail_html, words

blueprint = Blueprint("progress", __name__)
log = logging.getLogger(__name__)
AGES = 10  # seconds; what an age on the page may be behind while nothing else changes


@blueprint.get("/jobs/<job_id>", defaults={"tab": "result"})
@blueprint.get("/jobs/<job_id>/<any(items, files, log, input, timeline):tab>")
def show(job_id: str, tab: str) -> Response:
    """A job's page with one of its tabs; with `HX-Request` only what stands under the tabs."""
    job = queue.job_status(job_id, current_owner())
    view = _view(job, tab) | tabs.content(tab, job, request.args)
    response = make_response(
        _page("jobs/job/_tab.html" if request.headers.get("HX-Request") else "jobs/job.html", view)
    )
    if any(block.show == "html" for block in view.get("blocks", ())):
        response.headers["Content-Security-Policy"] = mail_html.PAGE_POLICY
    return response


@blueprint.get("/jobs/<job_id>/progress")
def fragment(job_id: str) -> Response:
    """The live part; 304 while nothing changed. When the job has ended, the page polls no more."""
    job = queue.job_status(job_id, current_owner())
    tab = request.args.get("tab", "result")
    response = make_response()
    version = _version(job, tab)
    response.set_etag(version)
    response.headers["Cache-Control"] = "private, no-cache"
    if version in request.if_none_match:
        response.status_code = 304
        return response
    response.set_data(render_template("jobs/job/_live.html", titled=True, **_view(job, tab)))
    if job.ended:
        response.headers["HX-Trigger"] = "job-over"
    return response


def _page(template: str, view: dict[str, Any]) -> str:
    """The page; where the kind's own template lacks something in what another version stored, without it."""
    try:
        return render_template(template, **view)
    except (UndefinedError, TypeError, ValueError, LookupError):
        if not view.get("result_template"):
            raise
        log.warning("the result of job %s does not fit %s", view["job"].id, view["result_template"], exc_info=True)
        return render_template(template, **view | {"result_template": None})


def title_of(job: queue.JobView, title: str) -> str:
    """The title of the browser's tab: the percentage while it runs, then how it ended."""
    share = words.percent(job)
    moving = job.state in words.MOVING and share is not None
    return f"{f'{share}%' if moving else words.state_of(job).text} · {title}{f', {job.label}' if job.label else ''}"


def announcement(job: queue.JobView, nouns: tuple[str, str]) -> str:
    """The sentence of the live region. It changes at the start, at half and at the end, not at each poll."""
    if job.ended:
        return (
            f"{words.state_of(job).text}: {words.counted(job, nouns)}." if job.total else f"{words.state_of(job).text}."
        )
    if job.state == "running" and job.total and 2 * job.finished >= job.total:
        half = (job.total + 1) // 2
        return f"Half done: {words.number(half)} of {words.number(job.total)} {words.noun(nouns, job.total)}."
    return f"{words.state_of(job).text}."


def _view(job: queue.JobView, tab: str) -> dict[str, Any]:
    kind = items.kind_of(job)
    nouns = kind.noun if kind else ("item", "items")
    title = kind.title if kind else job.kind
    return {
        "job": job,
        "mine": job.owner == current_owner(),
        "kind": kind,
        "title": title,
        "nouns": nouns,
        "tab": tab if tab in tabs.TABS else "result",
        "page_title": title_of(job, title),
        "announcement": announcement(job, nouns),
        "waits": queue.why_waiting(job) if job.state == "queued" else None,
        "questions": questions(job),
        "pace": queue.pace(job) if job.state == "running" else None,
        "file_count": job.file_count,
        "only_file": next(iter(queue.output_files(job)), None) if job.ended and job.file_count == 1 else None,
        "formats": tabs.FORMATS,
        "whole": _whole(job) if job.sample and job.ended else None,
        "every": _every(job),
    }


def questions(job: queue.JobView) -> list[models.Approval]:
    """The open approvals that the viewer can answer on the page."""
    if not (job.state == "queued" and job.reason == "approval") or job.owner != current_owner():
        return []
    return [asked for asked in queue.approvals_of(job) if asked.decided_at is None and asked.expires_at > words.now()]


def _every(job: queue.JobView) -> str:
    """The polling interval: longer for a job that starts later."""
    if job.state == "queued" and job.reason == "approval":
        return "5s"
    ahead = (job.run_at - words.now()).total_seconds() if job.state == "queued" and job.run_at else 0
    return "15s" if ahead > 60 else "2s" if job.state == "queued" else "1s"


def _whole(job: queue.JobView) -> int | None:
    """How many items the job would have if it were not a sample."""
    try:
        estimate = kinds.estimate(job.kind, job.params, owner=job.owner)
    except LegworkError:
        return None
    return estimate.items if estimate else None


def _version(job: queue.JobView, tab: str) -> str:
    """A digest of what the fragment shows: the row, the viewer's time zone, and the time in steps of AGES, for ages."""
    age = None if job.ended else int(words.now().timestamp()) // AGES
    row = (job.id, job.state, job.reason, job.message, job.lease, job.cancel_requested_at, job.run_at, job.finished_at)
    counts = (
        job.done,
        job.failed,
        job.skipped,
        job.unknown,
        job.total,
        job.note,
        job.prompt_tokens,
        job.completion_tokens,
        job.cost,
    )
    asked = [str(question.id) for question in questions(job)]
    return hashlib.sha256(repr((row, counts, asked, tab, age, words.zone_name())).encode()).hexdigest()[:24]

"""Apply one action to many jobs.

The list of jobs starts this for an action on several jobs. Each of them is an item: done, or skipped with the reason.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from jobs.engine import queue
from jobs.engine.errors import InvalidParams, TooMany
from jobs.engine.sdk import (
    Conflict,
    Context,
    FieldError,
    Find,
    ItemColumn,
    KindParams,
    NotFound,
    Skip,
    param,
)

TITLE = "Change many jobs"
GROUP = "Housekeeping"
QUEUE = "io"
NEEDS = ()
REUSE_PROCESS = True
NOUN = ("job", "jobs")
HIDDEN = True  # started from the list of jobs, not from the catalogue

MOST = 10_000
KIND = "bulk_jobs"  # this one
PAGE = 500

Action = Literal["retry_failed", "retry", "again", "stop", "delete"]
WORDS = {
    "retry_failed": "Retry failed items",
    "retry": "Retry",
    "again": "Run again",
    "stop": "Stop",
    "delete": "Delete",
}
DONE = {
    "retry_failed": "queued again",
    "retry": "queued again",
    "again": "started again",
    "stop": "stopped",
    "delete": "deleted",
}


class Params(KindParams):
    action: Action = param("What to do")
    jobs: list[str] = param("Jobs", "Their ids.", default_factory=list, max_length=MOST)
    all: bool = param("All that match", "Use the filters below instead of the list above.", default=False)
    states: list[str] = param("States", default_factory=list, max_length=len(queue.SHOWN_STATES))
    of_kind: str = param("Kind", default="", max_length=100)
    q: str = param("Words", default="", max_length=200)
    since: str = param(
        "Submitted since", "A time with its time zone, such as 2026-11-16T00:00+01:00.", default="", max_length=40
    )
    by: Literal["", "person", "schedule"] = param("Started by", default="")


COLUMNS = (
    ItemColumn("on", "Job", "name"),
    ItemColumn("kind", "Kind", "tag", facet=True),
    ItemColumn("outcome", "Outcome", "tag", facet=True),
    ItemColumn("job", "Open", "job", role="yours"),
)


EXAMPLE: dict[str, Any] = {"action": "stop", "all": True, "states": ["scheduled"], "of_kind": "none"}


def check(params: Params, find: Find) -> list[FieldError]:
    unknown = [state for state in params.states if state not in queue.SHOWN_STATES]
    if unknown:
        return [FieldError("states", f"There is no state “{unknown[0][:40]}”.")]
    if params.since and _moment(params.since) is None:
        return [FieldError("since", "Write the time with its time zone, such as 2026-11-16T00:00+01:00.")]
    if not params.all and not params.jobs:
        return [FieldError("jobs", "No job is chosen.")]
    return []


def label(params: Params, find: Find) -> str:
    count = len(set(params.jobs))
    which = "all that match" if params.all else f"{count:,} {'job' if count == 1 else 'jobs'}"
    return f"{WORDS[params.action]}: {which}"


def run(params: Params, context: Context) -> dict[str, Any]:
    chosen = context.once("chosen", lambda: _chosen(params, context))
    counts = context.map(
        lambda job_id: _change(job_id, params.action, context),
        chosen,
        key=lambda job_id: job_id,
        row=lambda job_id: {"job": job_id},
    )
    return {DONE[params.action]: counts.done, "left alone": counts.skipped}


def _chosen(params: Params, context: Context) -> list[str]:
    """The ids, read once, because the job's own changes affect the filters. Jobs newer than this one are left out."""
    if not params.all:
        return list(dict.fromkeys(params.jobs))
    found: list[str] = []
    before: str | None = str(context.job.job_id)
    while before and len(found) < MOST:
        page = queue.list_jobs(
            context.job.owner,
            states=params.states,
            kind=params.of_kind or None,
            q=params.q or None,
            since=_moment(params.since),
            by=params.by or None,
            after=before,
            limit=PAGE,
        )
        found += [str(job.id) for job in page.rows]
        before = page.next
    return found[:MOST]


def _moment(text: str) -> datetime | None:
    with suppress(ValueError):
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else None
    return None


def _change(job_id: str, action: str, context: Context) -> dict[str, Any]:
    owner = context.job.owner
    try:
        job = queue.job(job_id, owner)
        if action == "retry_failed" and job.ended and not job.failed:
            raise Skip("It has no failed items.")
        if action == "again":
            _again(job, context)
        else:
            _ACTIONS[action](job.id, owner)
    except NotFound:
        raise Skip("It no longer exists.") from None
    except (Conflict, TooMany) as error:
        raise Skip(error.message) from None
    except InvalidParams as error:
        raise Skip(error.errors[0].message) from None
    return {"outcome": DONE[action], "kind": job.kind, "on": job.label}


def _again(job: queue.JobView, context: Context) -> None:
    """Start a job with the same params; once, also if this attempt is repeated."""
    if job.kind == KIND:
        raise Skip("Changes of many jobs are not run again.")
    key = f"again-{context.job.job_id}-{job.id}"
    queue.submit(
        job.kind, job.params, owner=job.owner, sample=job.sample, parent=job.id, idempotency_key=key, name=job.label
    )


def _retry_failed(job_id: UUID, owner: str) -> None:
    queue.retry(job_id, owner=owner, items="failed")


def _retry(job_id: UUID, owner: str) -> None:
    queue.retry(job_id, owner=owner)


def _stop(job_id: UUID, owner: str) -> None:
    queue.cancel(job_id, owner=owner)


def _delete(job_id: UUID, owner: str) -> None:
    queue.delete(job_id, owner=owner)


_ACTIONS = {"retry_failed": _retry_failed, "retry": _retry, "stop": _stop, "delete": _delete}

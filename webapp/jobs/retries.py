"""Run a job again: all of it, only what failed, or in full after a sample or a dry run; and give it another name."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, request
from werkzeug.wrappers import Response

from jobs.engine import queue
from jobs.engine.errors import Conflict, InvalidParams
from webapp.http.guards import current_owner

blueprint = Blueprint("retries", __name__)


@blueprint.post("/jobs/<job_id>/retry")
def create(job_id: str) -> Response:
    """Queue the same job again: `items=failed` or `items=unknown` for those only, else all that is not done."""
    asked = request.values.get("items", "")
    items = asked if asked in ("failed", "unknown") else "all"
    if queue.has_lost_secret(job := queue.job(job_id, current_owner())) and job.ended:
        return _form(job)
    queue.retry(job_id, owner=current_owner(), items=items)
    return redirect(f"/jobs/{job_id}", 303)


@blueprint.post("/jobs/<job_id>/whole")
def whole(job_id: str) -> Response:
    """Start the full job after a sample. Pressed twice, it is one job."""
    owner = current_owner()
    tried = queue.job(job_id, owner)
    if queue.has_lost_secret(tried):
        return _form(tried)
    told = [{"channel": one.channel, "target": one.target} for one in queue.notifications_of(tried)]
    key = f"whole-{tried.id}"
    job = queue.submit(tried.kind, tried.params, owner=owner, parent=tried.id, idempotency_key=key, notify=told)
    return redirect(f"/jobs/{job.id}", 303)


@blueprint.post("/jobs/<job_id>/now")
def now(job_id: str) -> Response:
    """Do what a dry run showed, with the same params. Pressed twice, it is one job."""
    owner = current_owner()
    tried = queue.job(job_id, owner)
    if not tried.params.get("dry_run"):
        raise Conflict("This job was no dry run.")
    params = {**tried.params, "dry_run": False}
    job = queue.submit(tried.kind, params, owner=owner, parent=tried.id, idempotency_key=f"now-{tried.id}")
    return redirect(f"/jobs/{job.id}", 303)


@blueprint.post("/jobs/<job_id>/name")
def rename(job_id: str) -> Response:
    """Give a job another name."""
    try:
        queue.rename(job_id, request.form.get("name", "")[:1_000], owner=current_owner())
    except InvalidParams as error:
        flash(error.errors[0].message)
    return redirect(f"/jobs/{job_id}", 303)


def _form(job: queue.JobView) -> Response:
    """The job's form, where its secret is entered again: it was deleted when the job ended."""
    flash("The secret of this job was deleted when it ended. Enter it again.")
    return redirect(f"/kinds/{job.kind}?from={job.id}", 303)

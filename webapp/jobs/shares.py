"""Share links: the owner of a job makes and withdraws a link; every account that opens it may read the job."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request
from werkzeug.wrappers import Response

from jobs.engine import accounts, queue
from webapp.http import identity
from webapp.http.guards import current_owner
from webapp.http.identity import person
from webapp.jobs import catalogue

blueprint = Blueprint("shares", __name__)


@blueprint.get("/jobs/<job_id>/share")
def show(job_id: str) -> str:
    job = queue.job(job_id, current_owner())
    identity.account()
    share = accounts.share_of(job)
    link = f"{request.host_url}shared/{share.secret}" if share else ""
    title = catalogue.titles().get(job.kind, job.kind)
    return render_template("jobs/share.html", job=job, title=title, share=share, link=link)


@blueprint.post("/jobs/<job_id>/share")
def create(job_id: str) -> Response:
    accounts.share(job_id, owner=current_owner(), address=identity.address())
    return redirect(f"/jobs/{job_id}/share", 303)


@blueprint.post("/jobs/<job_id>/unshare")
def withdraw(job_id: str) -> Response:
    accounts.unshare(job_id, owner=current_owner(), address=identity.address())
    return redirect(f"/jobs/{job_id}/share", 303)


@blueprint.get("/shared")
@person
def index() -> str:
    """The shared jobs that the viewer has opened."""
    rows = accounts.shared_jobs(current_owner())
    return render_template("jobs/shared.html", rows=rows, titles=catalogue.titles(), nouns=catalogue.nouns())


@blueprint.get("/shared/<secret>")
@person
def open_link(secret: str) -> Response:
    """Note that the viewer may read the job, and show it."""
    return redirect(f"/jobs/{accounts.accept(secret, owner=current_owner(), address=identity.address())}", 303)

"""Stop a job."""

from __future__ import annotations

from contextlib import suppress

from flask import Blueprint, redirect
from werkzeug.wrappers import Response

from jobs.engine import queue
from jobs.engine.errors import Conflict
from webapp.http.guards import current_owner

blueprint = Blueprint("cancellations", __name__)


@blueprint.post("/jobs/<job_id>/cancel")
def create(job_id: str) -> Response:
    """Request a stop. If the job ended a moment earlier, its page shows how."""
    with suppress(Conflict):
        queue.cancel(job_id, owner=current_owner())
    return redirect(f"/jobs/{job_id}", 303)

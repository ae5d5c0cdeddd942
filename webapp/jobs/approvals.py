"""Answer an approval."""

from __future__ import annotations

from contextlib import suppress

from flask import Blueprint, abort, redirect, request
from werkzeug.wrappers import Response

from jobs.engine import queue
from jobs.engine.errors import Conflict
from webapp.http.guards import current_owner

blueprint = Blueprint("approvals", __name__)


@blueprint.post("/jobs/<job_id>/approvals/<approval_id>")
def create(job_id: str, approval_id: str) -> Response:
    """`answer` is yes or no. One that was closed a moment earlier is left as it is; the page shows its answer."""
    answer = request.form.get("answer")
    if answer not in ("yes", "no"):
        abort(400)
    with suppress(Conflict):
        reason = request.form.get("reason", "")
        queue.answer_approval(job_id, approval_id, answer == "yes", reason, owner=current_owner())
    return redirect(f"/jobs/{job_id}", 303)

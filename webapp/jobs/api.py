"""The site's verbs in JSON, under /api/v1. openapi.py describes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO, cast

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import UnsupportedMediaType

from jobs.engine import files as engine_files
from jobs.engine import kinds as engine_kinds
from jobs.engine import queue
from webapp.api import serializers
from webapp.api.schemas import ITEM_STATES, JOB_FILTERS, VERDICTS
from webapp.http import parsing
from webapp.http.guards import current_owner
from webapp.jobs import files

MAX_SAMPLE = 1_000
MAX_AHEAD = timedelta(days=365)
POLL_SECONDS = 1
CHANNELS = ("mail", "webhook")

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")


@blueprint.get("/kinds")
def kinds() -> Response:
    return jsonify(kinds=[serializers.kind_row(kind) for kind in engine_kinds.kinds()], next=None)


@blueprint.get("/kinds/<name>")
def kind(name: str) -> Response:
    return jsonify(serializers.kind_whole(engine_kinds.offered(name)))


@blueprint.post("/kinds/<name>/jobs")
def submit(name: str) -> Response:
    """The row is written before this answers; Redis may be away."""
    found = engine_kinds.offered(name)
    key = idempotency_key()
    sample = parsing.whole_number("sample", 1, 1, MAX_SAMPLE) if "sample" in request.args else None
    run_at = parsing.moment_ahead("run_at", datetime.now(UTC), MAX_AHEAD)
    params = parsing.json_object()
    told = [{"channel": one, "target": target} for one in CHANNELS if (target := parsing.text(f"notify_{one}", 2_000))]
    job = queue.submit(
        found.name,
        params,
        owner=current_owner(),
        sample=sample,
        run_at=run_at,
        idempotency_key=key,
        notify=told,
    )
    return accepted(job)


@blueprint.get("/jobs")
def jobs() -> Response:
    page = queue.list_jobs(
        current_owner(),
        states=_states(JOB_FILTERS),
        kind=parsing.text("kind", 100),
        q=parsing.text("q", 200),
        after=parsing.text("after", 200),
        limit=parsing.whole_number("limit", 50, 1, 200),
    )
    return jsonify(jobs=[serializers.job_row(job) for job in page.rows], next=_text(page.next))


@blueprint.get("/jobs/<id>")
def job(id: str) -> Response:
    return jsonify(serializers.job_whole(queue.job_status(id, current_owner())))


@blueprint.delete("/jobs/<id>")
def delete(id: str) -> Response:
    """An ended job with its items, log and files."""
    queue.delete(id, owner=current_owner())
    return Response(status=204)


@blueprint.get("/jobs/<id>/items")
def items(id: str) -> Response:
    page = queue.items(
        queue.readable_job(id, current_owner()),
        state=next(iter(_states(ITEM_STATES)), None),
        verdict=parsing.one_of("verdict", VERDICTS, "") if "verdict" in request.args else None,
        after=parsing.text("after", 2_000),
        limit=parsing.whole_number("limit", 50, 1, 1_000),
    )
    return jsonify(items=[serializers.item(row) for row in page.rows], next=_text(page.next))


@blueprint.get("/jobs/<id>/log")
def log(id: str) -> Response:
    limit = parsing.whole_number("limit", 500, 1, 1_000)
    page = queue.read_log(queue.readable_job(id, current_owner()), after=parsing.text("after", 200), limit=limit)
    return jsonify(lines=[serializers.log_line(row) for row in page.rows], next=_text(page.next))


@blueprint.post("/jobs/<id>/cancel")
def cancel(id: str) -> Response:
    return accepted(queue.cancel(id, owner=current_owner()))


@blueprint.post("/jobs/<id>/retry")
def retry(id: str) -> Response:
    which = parsing.one_of("items", ("all", "failed", "unknown"), "all")
    return accepted(queue.retry(id, owner=current_owner(), items=which))


@blueprint.get("/jobs/<id>/approvals")
def approvals(id: str) -> Response:
    rows = queue.approvals_of(queue.readable_job(id, current_owner()))
    return jsonify(approvals=[serializers.approval(row) for row in rows], next=None)


@blueprint.post("/jobs/<id>/approvals/<approval>")
def answer(id: str, approval: str) -> Response:
    """Say yes (`approve`: true) or no to a call."""
    body = parsing.fields(parsing.json_object(), {"approve": bool, "reason": str}, required=("approve",))
    reason = body.get("reason", "")
    return accepted(queue.answer_approval(id, approval, body["approve"], reason, owner=current_owner()))


@blueprint.post("/files")
def upload() -> Response:
    """The body is streamed to a temporary file by the form parser, then into storage."""
    if request.mimetype != "multipart/form-data":
        raise UnsupportedMediaType("Send the file as the field `file` of a multipart/form-data body.")
    sent = request.files.getlist("file")
    if len(sent) != 1:
        raise parsing.invalid("file", "Send exactly one file, in the field `file`.")
    name = parsing.printable(sent[0].filename or "", 255) or "file"
    kept = serializers.file(engine_files.upload(cast(BinaryIO, sent[0].stream), name, owner=current_owner()))
    return Response(jsonify(kept).get_data(), 201, {"Location": kept["url"]}, content_type="application/json")


@blueprint.get("/files/<id>")
def file(id: str) -> ResponseReturnValue:
    """The bytes, as the page's own download gives them."""
    return files.download(id)


def accepted(job: Any) -> Response:
    response = jsonify(serializers.job_whole(job))
    response.status_code = 202
    response.headers["Location"] = f"/api/v1/jobs/{job.id}"
    if not job.ended:
        response.headers["Retry-After"] = str(POLL_SECONDS)
    return response


def idempotency_key() -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not re.fullmatch(r"[!-~]{1,200}", key):
        raise parsing.invalid(
            "Idempotency-Key", "Idempotency-Key must be 1 to 200 visible ASCII characters without spaces."
        )
    return key


def _states(known: tuple[str, ...]) -> tuple[str, ...]:
    asked = tuple(state for state in request.args.getlist("state") if state)
    if not set(asked) <= set(known):
        raise parsing.invalid("state", f"state must be one of {', '.join(known)}.")
    return asked


def _text(cursor: Any) -> str | None:
    return None if cursor is None else str(cursor)

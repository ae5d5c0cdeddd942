"""/v1/batches: each is a job of the kind that answers its endpoint. Its file is read by that job, not here."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Response, jsonify, request

from jobs.engine import queue
from jobs.engine.queue.batches import BatchView
from webapp.http import parsing
from webapp.http.identity import current_owner
from webapp.openai_api.files import PREFIX as FILE_PREFIX
from webapp.openai_api.files import listed, own_id
from webapp.openai_api.wire import blueprint

PREFIX = "batch_"
MOST = 100
TEXTS = {"input_file_id": "", "endpoint": "", "completion_window": "24h"}


@blueprint.post("/batches")
def create_batch() -> Response:
    body = parsing.json_object()
    given = {name: body.get(name, default) for name, default in TEXTS.items()}
    for name, value in given.items():
        if not isinstance(value, str) or not value:
            raise parsing.invalid(name, f"{name} must be a text.")
    labels = body.get("metadata") or {}
    if not isinstance(labels, dict) or not all(isinstance(value, str) for value in labels.values()):
        raise parsing.invalid("metadata", "metadata must be an object of texts.")
    made = queue.batches.create_batch(
        given["endpoint"],
        own_id(given["input_file_id"]),
        owner=current_owner(),
        window=given["completion_window"],
        labels=labels,
        idempotency_key=parsing.printable(request.headers.get("Idempotency-Key", ""), 255) or None,
    )
    return jsonify(_record(made))


@blueprint.get("/batches")
def list_batches() -> Response:
    limit = parsing.whole_number("limit", 20, 1, MOST)
    after = request.args.get("after", "").removeprefix(PREFIX) or None
    found, more = queue.batches.list_batches(current_owner(), after=after, limit=limit)
    return jsonify(listed([_record(one) for one in found], more))


@blueprint.get("/batches/<batch_id>")
def show_batch(batch_id: str) -> Response:
    return jsonify(_record(queue.batches.find_batch(batch_id.removeprefix(PREFIX), current_owner())))


@blueprint.post("/batches/<batch_id>/cancel")
def cancel_batch(batch_id: str) -> Response:
    return jsonify(_record(queue.batches.cancel_batch(batch_id.removeprefix(PREFIX), current_owner())))


def _record(found: BatchView) -> dict[str, Any]:
    batch, job, status = found.batch, found.job, found.status
    ended = {name: job.finished_at if status == name else None for name in ("completed", "failed", "cancelled")}
    problems = [{**problem._asdict()} for problem in found.problems]
    model = (job.result or {}).get("model")
    return {
        "id": f"{PREFIX}{job.id}",
        "object": "batch",
        "endpoint": batch.endpoint,
        "model": model if isinstance(model, str) else None,
        "errors": {"object": "list", "data": problems} if problems else None,
        "input_file_id": f"{FILE_PREFIX}{batch.input_file}",
        "completion_window": batch.completion_window,
        "status": status,
        "output_file_id": _file(found, "output"),
        "error_file_id": _file(found, "errors"),
        "created_at": _seconds(job.created_at),
        "in_progress_at": _seconds(job.started_at if job.total is not None else None),
        "expires_at": _seconds(batch.expires_at),
        "finalizing_at": _seconds(job.finished_at if status == "completed" else None),
        **{f"{name}_at": _seconds(moment) for name, moment in ended.items()},
        "expired_at": _seconds(batch.expired_at),
        "cancelling_at": _seconds(job.cancel_requested_at if batch.expired_at is None else None),
        "request_counts": {
            "total": job.total or 0,
            "completed": job.done,
            "failed": job.failed + job.unknown + job.skipped,
        },
        "usage": _usage(job.prompt_tokens, job.completion_tokens),
        "metadata": batch.labels or None,
    }


def _file(found: BatchView, part: str) -> str | None:
    return f"{FILE_PREFIX}{found.job.id}-{part}" if found.has_file(part) else None


def _seconds(moment: datetime | None) -> int | None:
    return int(moment.timestamp()) if moment else None


def _usage(read: int, written: int) -> dict[str, Any]:
    return {
        "input_tokens": read,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": read + written,
    }

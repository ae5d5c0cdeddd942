"""Records as JSON, in the shapes that openapi.py describes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from jobs.engine import kinds, queue


def kind_row(kind: kinds.Kind) -> dict[str, Any]:
    """A kind in the list of kinds."""
    return {
        "name": kind.name,
        "title": kind.title,
        "group": kind.group,
        "queue": kind.queue,
        "summary": kind.summary,
        "available": kind.available,
        "reason": kind.reason,
    }


def kind_whole(kind: kinds.Kind) -> dict[str, Any]:
    """A kind with all that is needed to start one; a broken one has no schema."""
    return kind_row(kind) | {
        "text": kind.text,
        "schema": kind.schema() if kind.available else None,
        "example": kind.example,
        "time_limit": kind.time_limit,
        "max_attempts": kind.max_attempts,
    }


def job_row(job: Any) -> dict[str, Any]:
    """A job in a list."""
    return {
        "id": str(job.id),
        "kind": job.kind,
        "label": job.label,
        "state": job.state,
        "reason": job.reason,
        "message": job.message,
        "attempt": job.attempt,
        "max_attempts": job.max_attempts,
        "progress": _progress(job),
        "queue": job.queue,
        "sample": job.sample,
        "parent": str(job.parent) if job.parent else None,
        "schedule": str(job.schedule_id) if job.schedule_id else None,
        "usage": {"prompt_tokens": job.prompt_tokens, "completion_tokens": job.completion_tokens},
        "worker": job.worker,
        "run_at": moment(job.run_at),
        "created_at": moment(job.created_at),
        "started_at": moment(job.started_at),
        "cancel_requested_at": moment(job.cancel_requested_at),
        "finished_at": moment(job.finished_at),
        "url": f"/api/v1/jobs/{job.id}",
    }


def job_whole(job: Any) -> dict[str, Any]:
    """A job by itself: also why it waits, how long it takes yet, and what came of it."""
    return (
        job_row(job)
        | _waiting(job)
        | {"params": kinds.shown_params(job.kind, job.params), "result": job.result, "files": _files(job)}
    )


def item(row: Any) -> dict[str, Any]:
    return {
        "key": row.key,
        "position": row.position,
        "state": row.state,
        "input": row.input,
        "output": row.output,
        "reason": row.reason,
        "error": row.error,
        "verdict": row.verdict,
        "tokens": row.tokens,
        "seconds": row.seconds,
        "finished_at": moment(row.finished_at),
    }


def approval(row: Any) -> dict[str, Any]:
    """A call that a job asked about, and the answer."""
    return {
        "id": str(row.id),
        "tool": row.tool,
        "arguments": row.arguments,
        "approved": row.approved,
        "reason": row.reason,
        "decided_by": row.decided_by,
        "asked_at": moment(row.asked_at),
        "expires_at": moment(row.expires_at),
        "decided_at": moment(row.decided_at),
    }


def log_line(row: Any) -> dict[str, Any]:
    return {"at": moment(row.at), "level": row.level, "text": row.text}


def file(row: Any) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "name": row.name,
        "media_type": row.media_type,
        "bytes": row.bytes,
        "sha256": row.sha256,
        "url": f"/api/v1/files/{row.id}",
    }


def schedule(row: Any) -> dict[str, Any]:
    """A schedule with its next three times; while it is paused it has none."""
    paused = row.paused_at is not None
    return {
        "id": str(row.id),
        "kind": row.kind,
        "label": row.label,
        "params": kinds.shown_params(row.kind, row.params),
        "cron": row.cron,
        "zone": row.zone,
        "paused": paused,
        "next_runs": [] if paused else [moment(at) for at in queue.upcoming_runs(row.cron, row.zone, 3)],
        "ran_at": moment(row.ran_at),
        "trouble": row.trouble,
        "created_at": moment(row.created_at),
        "url": f"/api/v1/schedules/{row.id}",
    }


def moment(at: datetime | None) -> str | None:
    """RFC 3339 in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at else None


def _progress(job: Any) -> dict[str, Any]:
    counts = {name: getattr(job, name) for name in ("done", "failed", "skipped", "unknown", "total")}
    return counts | {"note": job.note}


def _waiting(job: Any) -> dict[str, Any]:
    waiting = queue.why_waiting(job)
    if waiting:
        position, seconds = waiting.position, waiting.eta_seconds
        reason = {"code": waiting.code, "sentence": waiting.sentence}
    else:
        pace = queue.pace(job)
        position, seconds, reason = None, pace.seconds_left if pace else None, None
    return {"queue_position": position, "eta_seconds": seconds, "waiting_for": reason}


def _files(job: Any) -> list[dict[str, Any]]:
    return [file(row) for row in queue.output_files(job)] if job.lease else []  # it has never run


def conversation_row(row: Any) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "title": row.title,
        "model": row.model,
        "system": row.system,
        "temperature": row.temperature,
        "library": row.library,
        "collection": row.collection,
        "created_at": moment(row.created_at),
        "changed_at": moment(row.changed_at),
        "url": f"/api/v1/chat/{row.id}",
    }


def conversation_whole(row: Any, turns: list[Any], files: list[Any]) -> dict[str, Any]:
    said = [message(part) for turn in turns for part in (turn.question, turn.answer) if part is not None]
    return conversation_row(row) | {"files": [attachment(one) for one in files], "messages": said}


def attachment(row: Any) -> dict[str, Any]:
    """A file that a conversation answers from."""
    return {
        "id": str(row.id),
        "conversation": str(row.conversation_id),
        "file": str(row.file_id) if row.file_id else None,
        "name": row.name,
        "media_type": row.media_type,
        "passages": row.passages,
        "created_at": moment(row.created_at),
        "url": f"/api/v1/chat/files/{row.id}",
    }


def attachment_whole(row: Any, passages: list[Any]) -> dict[str, Any]:
    said = [{"position": one.position, "place": one.headings, "text": one.text} for one in passages]
    return attachment(row) | {"text": said}


def message(row: Any) -> dict[str, Any]:
    """A question, or an answer with how it is written."""
    plain = {"id": str(row.id), "role": row.role, "text": row.text, "created_at": moment(row.created_at)}
    return plain | (answer_ended(row) | _answer_addresses(row) if row.role == "assistant" else {})


def answer_ended(row: Any) -> dict[str, Any]:
    """How an answer stands, without its text."""
    return {
        "state": row.state,
        "reason": row.reason,
        "message": row.message,
        "model": row.model,
        "prompt_tokens": row.prompt_tokens,
        "tokens": row.completion_tokens,
        "seconds": row.seconds,
        "first_token_seconds": row.first_token_seconds,
        "tokens_per_second": tokens_per_second(row),
        "finished_at": moment(row.finished_at),
    }


def tokens_per_second(row: Any) -> float | None:
    """Since the first token, which is when the model began to write."""
    if not row.completion_tokens or row.seconds is None:
        return None
    writing = row.seconds - (row.first_token_seconds or 0)
    return float(round(row.completion_tokens / writing, 1)) if writing > 0.01 else None


def _answer_addresses(row: Any) -> dict[str, Any]:
    url = f"/api/v1/chat/answers/{row.id}"
    return {
        "conversation": str(row.conversation_id),
        "sources": row.sources or [],
        "url": url,
        "stream": f"{url}/stream",
    }

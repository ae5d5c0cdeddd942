"""What operators see and may do, in the description of the API."""

from __future__ import annotations

from jobs.engine.kinds import QUEUES
from webapp.api.schemas import TEXT, Schema, maybe, operation, parameter, ref

_MOMENT: Schema = {"type": "string", "format": "date-time"}
_WHOLE: Schema = {"type": "integer", "minimum": 0}
_SECONDS: Schema = {"type": "number", "description": "Seconds."}
_EACH_MINUTE: Schema = {
    "type": "array",
    "items": _WHOLE,
    "description": "Each of the last minutes, the current one last.",
}


def _record(properties: Schema) -> Schema:
    return {"type": "object", "required": list(properties), "properties": properties}


def _list(name: str) -> Schema:
    return {"type": "array", "items": ref(name)}


_JOB = _record({"id": {"type": "string", "format": "uuid"}, "kind": TEXT, "state": {"enum": ["running", "stopping"]}})

RECORDS: Schema = {
    "Operations": _record(
        {
            "at": _MOMENT,
            "problems": _list("Trouble"),
            "queues": _list("QueueFigures"),
            "workers": _list("WorkerFigures"),
            "parts": _list("Part"),
        }
    ),
    "Trouble": _record({"title": TEXT, "text": TEXT, "command": TEXT}),
    "Part": _record(
        {"name": TEXT, "state": {"enum": ["ok", "off", "wrong"]}, "words": TEXT, "detail": TEXT, "advice": TEXT}
    ),
    "QueueFigures": _record(
        {
            "name": {"enum": list(QUEUES)},
            "waiting": _WHOLE,
            "running": _WHOLE,
            "oldest_seconds": maybe(_SECONDS),
            "next_seconds": maybe(_SECONDS),
            "wait_p50": maybe(_SECONDS),
            "wait_p95": maybe(_SECONDS),
            "failed_day": _WHOLE,
            "ended": _EACH_MINUTE,
            "failed": _EACH_MINUTE,
            "workers": _WHOLE,
            "needed": _WHOLE | {"description": "Workers that it takes now."},
            "reason": TEXT,
            "paused_by": maybe(TEXT),
            "paused_at": maybe(_MOMENT),
        }
    ),
    "WorkerFigures": _record(
        {
            "name": TEXT,
            "host": TEXT,
            "pid": _WHOLE,
            "program": TEXT,
            "queues": {"type": "array", "items": TEXT},
            "version": TEXT,
            "memory": maybe(_WHOLE | {"description": "Bytes; what several share counts by its share."}),
            "asked": maybe({"enum": ["finish", "stop"]}),
            "started_at": _MOMENT,
            "beat_at": _MOMENT,
            "job": maybe(_JOB),
        }
    ),
}
PARAMETERS: Schema = {
    name: {"name": name, "in": "path", "required": True, "description": text, "schema": TEXT}
    for name, text in (("queue", "The name of a queue."), ("worker", "The name of a worker."))
}


def _done(status: int, text: str) -> Schema:
    return {str(status): {"description": text}}


_SHOWN = {"200": {"description": "All of it.", "content": {"application/json": {"schema": ref("Operations")}}}}
_ASKED = _done(202, "It is asked for; the worker's program reads it within two seconds.")

PATHS: Schema = {
    "/operations": {"get": operation("show_operations", "Queues, workers and parts; for operators", _SHOWN, 404)},
    "/queues/{queue}/pause": {
        "post": operation("pause_queue", "Let no job of a queue start", _done(204, "It is paused."), 404, 413),
        "parameters": [parameter("queue")],
    },
    "/queues/{queue}/resume": {
        "post": operation("resume_queue", "Let its jobs start again", _done(204, "It goes on."), 404, 413),
        "parameters": [parameter("queue")],
    },
    "/workers/{worker}/finish": {
        "post": operation("finish_worker", "Have a worker end its job and leave; it is not replaced", _ASKED, 404, 413),
        "parameters": [parameter("worker")],
    },
    "/workers/{worker}/stop": {
        "post": operation(
            "stop_worker", "Have a worker give its job back and leave; it is not replaced", _ASKED, 404, 413
        ),
        "parameters": [parameter("worker")],
    },
}

"""The records and parameters of the API, as JSON schemas. serializing.py makes what is described here."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

JOB_STATES = ("queued", "running", "stopping", "succeeded", "partial", "failed", "cancelled")
JOB_FILTERS = (*JOB_STATES, "waiting", "scheduled")
ITEM_STATES = ("started", "done", "failed", "skipped", "unknown")
VERDICTS = ("allow", "review", "block")


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def parameter(name: str) -> Schema:
    return {"$ref": f"#/components/parameters/{name}"}


def _object(required: Schema, **more: Schema) -> Schema:
    """A record in which everything named first is always there."""
    return {"type": "object", "required": list(required), "properties": required | more}


def maybe(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


ALWAYS = (400, 401, 403, 503)  # what any operation may answer
WITH_BODY = (408, 413, 415, 422)
WITH_PARAMETERS = (414,)


def operation(name: str, summary: str, answers: Schema, *statuses: int, **more: Any) -> Schema:
    """`statuses`: the problems that it tells of, beside those of all operations and of all that take a body."""
    told = {*ALWAYS, *statuses, *(WITH_BODY if "requestBody" in more else ())}
    told |= {*(WITH_PARAMETERS if "parameters" in more else ())}
    problems = {str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in sorted(told)}
    return {"operationId": name, "summary": summary, **more, "responses": answers | problems}


def takes(schema: Schema) -> Schema:
    """A body of JSON, as `requestBody`."""
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _list_of(plural: str, schema: str) -> Schema:
    """`next` goes into `after=`; null at the end."""
    return _object({plural: {"type": "array", "items": ref(schema)}, "next": maybe(TEXT)})


def _query(name: str, text: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "description": text, "schema": schema}


def _path(name: str, text: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "description": text, "schema": TEXT}


def _count(most: int, default: int) -> Schema:
    return {"type": "integer", "minimum": 1, "maximum": most, "default": default}


TEXT: Schema = {"type": "string"}
_WHOLE: Schema = {"type": "integer", "minimum": 0}
_MOMENT: Schema = {"type": "string", "format": "date-time"}
ANY_OBJECT: Schema = {"type": "object"}

PARAMETERS = {
    "kind": _path("kind", "The name of a kind."),
    "job": _path("job", "The id of a job."),
    "file": _path("file", "The id of a file."),
    "schedule": _path("schedule", "The id of a schedule."),
    "document": _path("document", "The id of a document."),
    "collection": _query("collection", "Only in this collection.", {"type": "string", "maxLength": 100}),
    "titled": _query("q", "Only documents with this in title, name or tags.", {"type": "string", "maxLength": 200}),
    "question": _query("q", "A question, or words.", {"type": "string", "minLength": 1, "maxLength": 2000})
    | {"required": True},
    "passage_limit": _query("limit", "Passages at most.", _count(50, 8)),
    "sample": _query("sample", "Only the first N items.", {"type": "integer", "minimum": 1, "maximum": 1000}),
    "run_at": _query("run_at", "Not before this time, at most a year ahead (RFC 3339).", _MOMENT),
    "notify_mail": _query("notify_mail", "Who is written to when the job has ended.", TEXT),
    "notify_webhook": _query(
        "notify_webhook", "The address that a signed request goes to when the job has ended.", TEXT
    ),
    "idempotency_key": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "The same key with the same body is the same job, however often it is sent.",
        "schema": {"type": "string", "pattern": "^[!-~]{1,200}$"},
    },
    "state": _query("state", "Only these; may be repeated.", {"type": "array", "items": {"enum": list(JOB_FILTERS)}}),
    "item_state": _query("state", "Only items in this state.", {"enum": list(ITEM_STATES)}),
    "verdict": _query("verdict", "Only items that were judged so.", {"enum": list(VERDICTS)}),
    "of_kind": _query("kind", "Only jobs of this kind.", {"type": "string", "maxLength": 100}),
    "q": _query("q", "Only jobs with this text.", {"type": "string", "maxLength": 200}),
    "message": _path("message", "The id of a message."),
    "address": _path("address", "A mail address, as the list has it."),
    "message_q": _query(
        "q", "Only messages with this text in recipient or subject.", {"type": "string", "maxLength": 200}
    ),
    "address_q": _query("q", "Only addresses with this text.", {"type": "string", "maxLength": 200}),
    "address_after": _query("after", "The `next` of the page before.", {"type": "string", "maxLength": 300}),
    "after": _query("after", "The `next` of the page before.", {"type": "string", "maxLength": 200}),
    "item_after": _query("after", "The `next` of the page before.", {"type": "string", "maxLength": 2000}),
    "limit": _query("limit", "Jobs a page.", _count(200, 50)),
    "item_limit": _query("limit", "Items a page.", _count(1000, 50)),
    "line_limit": _query("limit", "Lines a page.", _count(1000, 500)),
    "items": _query(
        "items",
        "All items, only those that failed, or only those of which nobody knows whether they happened.",
        {"enum": ["all", "failed", "unknown"], "default": "all"},
    ),
}

_DOCUMENT = {
    "id": {"type": "string", "format": "uuid"},
    "collection": TEXT,
    "title": TEXT,
    "name": TEXT,
    "media_type": TEXT,
    "language": maybe(TEXT),
    "pages": maybe(_WHOLE),
    "words": _WHOLE,
    "bytes": _WHOLE,
    "sha256": TEXT,
    "tags": {"type": "array", "items": TEXT},
    "meta": ANY_OBJECT,
    "file": maybe(TEXT),
    "created_at": _MOMENT,
    "updated_at": _MOMENT,
    "url": TEXT,
}

_KIND_ROW = {
    "name": TEXT,
    "title": TEXT,
    "group": TEXT,
    "queue": TEXT,
    "summary": TEXT,
    "available": {"type": "boolean"},
    "reason": maybe(TEXT),
}
_PROGRESS = _object(
    {
        "done": _WHOLE,
        "failed": _WHOLE,
        "skipped": _WHOLE,
        "unknown": _WHOLE,
        "total": maybe(_WHOLE),
        "note": maybe(TEXT),
    }
)
_JOB_ROW = {
    "id": {"type": "string", "format": "uuid"},
    "kind": TEXT,
    "label": TEXT,
    "state": {"enum": list(JOB_STATES)},
    "reason": maybe(TEXT),
    "message": maybe(TEXT),
    "attempt": _WHOLE,
    "max_attempts": _WHOLE,
    "progress": _PROGRESS,
    "queue": TEXT,
    "sample": maybe(_WHOLE),
    "parent": maybe({"type": "string", "format": "uuid"}),
    "schedule": maybe({"type": "string", "format": "uuid"}),
    "usage": _object({"prompt_tokens": _WHOLE, "completion_tokens": _WHOLE}),
    "worker": maybe(TEXT),
    "run_at": maybe(_MOMENT),
    "created_at": _MOMENT,
    "started_at": maybe(_MOMENT),
    "cancel_requested_at": maybe(_MOMENT),
    "finished_at": maybe(_MOMENT),
    "url": TEXT,
}
MESSAGE_ROW = {
    "id": {"type": "string", "format": "uuid"},
    "job": maybe({"type": "string", "format": "uuid"}),
    "message_id": TEXT,
    "from": TEXT,
    "to": TEXT,
    "subject": TEXT,
    "attachments": _WHOLE,
    "bytes": _WHOLE,
    "created_at": _MOMENT,
    "url": TEXT,
}
RECORDS = {
    "Problem": _object(
        {"type": TEXT, "title": TEXT, "status": {"type": "integer"}, "detail": TEXT},
        reason=TEXT,
        errors={"type": "array", "items": _object({"field": TEXT, "message": TEXT})},
    ),
    "KindRow": _object(_KIND_ROW),
    "Kind": _object(
        _KIND_ROW
        | {
            "text": TEXT,
            "schema": maybe(ANY_OBJECT),
            "example": ANY_OBJECT,
            "time_limit": _WHOLE,
            "max_attempts": _WHOLE,
        }
    ),
    "JobRow": _object(_JOB_ROW),
    "Job": _object(
        _JOB_ROW
        | {
            "params": ANY_OBJECT,
            "result": maybe(ANY_OBJECT),
            "files": {"type": "array", "items": ref("File")},
            "queue_position": maybe(_WHOLE),
            "eta_seconds": maybe({"type": "number"}),
            "waiting_for": maybe(_object({"code": TEXT, "sentence": TEXT})),
        }
    ),
    "Item": _object(
        {
            "key": TEXT,
            "position": _WHOLE,
            "state": {"enum": list(ITEM_STATES)},
            "input": maybe(ANY_OBJECT),
            "output": maybe(ANY_OBJECT),
            "reason": maybe(TEXT),
            "error": maybe(TEXT),
            "verdict": maybe({"enum": list(VERDICTS)}),
            "tokens": maybe(_WHOLE),
            "seconds": maybe({"type": "number"}),
            "finished_at": maybe(_MOMENT),
        }
    ),
    "LogLine": _object({"at": _MOMENT, "level": {"enum": ["info", "warning", "error"]}, "text": TEXT}),
    "File": _object(
        {
            "id": {"type": "string", "format": "uuid"},
            "name": TEXT,
            "media_type": TEXT,
            "bytes": _WHOLE,
            "sha256": TEXT,
            "url": TEXT,
        }
    ),
    "Document": _object(_DOCUMENT, text=TEXT),
    "Documents": _list_of("documents", "Document"),
    "Passage": _object(
        {
            "document": {"type": "string", "format": "uuid"},
            "title": TEXT,
            "collection": TEXT,
            "headings": TEXT,
            "position": _WHOLE,
            "text": TEXT,
            "score": {"type": "number"},
            "url": TEXT,
        }
    ),
    "Passages": _list_of("passages", "Passage"),
    "SimilarDocument": _object(
        {
            "document": {"type": "string", "format": "uuid"},
            "title": TEXT,
            "collection": TEXT,
            "position": _WHOLE,
            "text": TEXT,
            "score": {"type": "number"},
            "url": TEXT,
        }
    ),
    "SimilarDocuments": _list_of("documents", "SimilarDocument"),
    "Schedule": _object(
        {
            "id": {"type": "string", "format": "uuid"},
            "kind": TEXT,
            "label": TEXT,
            "params": ANY_OBJECT,
            "cron": TEXT,
            "zone": TEXT,
            "paused": {"type": "boolean"},
            "next_runs": {"type": "array", "items": _MOMENT},
            "ran_at": maybe(_MOMENT),
            "trouble": maybe(TEXT),
            "created_at": _MOMENT,
            "url": TEXT,
        }
    ),
    "NewSchedule": _object(
        {"cron": {"type": "string", "description": "Five fields: minute, hour, day, month, day of the week."}},
        zone={"type": "string", "default": "UTC", "description": "In which the times are read, as Europe/Berlin."},
        job={"type": "string", "description": "The job that is repeated; or else:"},
        kind=TEXT,
        params=ANY_OBJECT,
    ),
    "ChangedSchedule": _object({}, cron=TEXT, zone=TEXT, paused={"type": "boolean"}),
    "MessageRow": _object(MESSAGE_ROW),
    "Message": _object(
        MESSAGE_ROW
        | {"headers": {"type": "array", "items": _object({"name": TEXT, "value": TEXT})}, "text": TEXT, "html": TEXT}
    ),
    "Messages": _list_of("messages", "MessageRow"),
    "Suppression": _object({"address": TEXT, "created_at": _MOMENT}),
    "Suppressions": _list_of("suppressions", "Suppression"),
    "Suppress": _object({"addresses": {"anyOf": [TEXT, {"type": "array", "items": TEXT}]}}),
    "Suppressed": _object({"added": _WHOLE}),
    "Schedules": _list_of("schedules", "Schedule"),
    "Kinds": _list_of("kinds", "KindRow"),
    "Jobs": _list_of("jobs", "JobRow"),
    "Items": _list_of("items", "Item"),
    "Log": _list_of("lines", "LogLine"),
}

"""What the API takes and gives, as OpenAPI 3.1: one operation for each kind, with its typed body."""

from __future__ import annotations

import hashlib
import json
from functools import cache, reduce
from operator import or_
from typing import Any

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue

from jobs.engine import kinds as engine_kinds
from webapp.accounts import audit_schemas
from webapp.api.schemas import ANY_OBJECT, PARAMETERS, RECORDS, TEXT, Schema, operation, parameter, ref, takes
from webapp.chat import schemas as chat_schemas
from webapp.jobs import approval_schemas
from webapp.moderation import schemas as moderation_schemas
from webapp.operations import schemas as operations_schemas

ROOMS = (
    approval_schemas,
    audit_schemas,
    chat_schemas,
    moderation_schemas,
    operations_schemas,
)  # that describe their own

PROBLEMS = {
    400: "The request is malformed: no JSON, a name twice, a host that is not ours.",
    401: "Nobody is known to ask: there is no token, or it has ended or was revoked.",
    403: "The token or the account may not do this, or the request comes from another site.",
    404: "There is no such thing, or it is not yours.",
    408: "The body came too slowly.",
    409: "It cannot be done in this state, or the kind is not available here, or the key was used with another body.",
    413: "The body is too large.",
    414: "The address is longer than 8,190 bytes.",
    415: "The body is of another type than this takes.",
    422: "The values do not fit; `errors` names the fields.",
    429: "You have as many of these at a time as one may have; wait for one to end.",
    503: "The database does not answer. Nothing is lost; try again after `Retry-After` seconds.",
}


blueprint = Blueprint("openapi", __name__, url_prefix="/api/v1")


@blueprint.get("/openapi.json")
def description() -> ResponseReturnValue:
    """The description of the API, with an ETag."""
    body, etag = written()
    response = Response(body, content_type="application/json")
    response.set_etag(etag)
    return response.make_conditional(request)


@cache
def written() -> tuple[bytes, str]:
    """The description of this process's kinds, and its ETag."""
    body = json.dumps(document(engine_kinds.kinds()), ensure_ascii=False).encode()
    return body, hashlib.sha256(body).hexdigest()[:32]


def document(kinds: list[engine_kinds.Kind]) -> Schema:
    """The whole description. Kinds that are not available here are left out: they take nothing."""
    usable = [kind for kind in kinds if kind.available]
    schemas = reduce(or_, (room.RECORDS for room in ROOMS), RECORDS)
    for kind in usable:
        schemas |= _kind_schemas(kind)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Legwork", "version": "1", "description": _INTRODUCTION},
        "servers": [{"url": "/api/v1"}],
        "security": [{"token": []}],
        "paths": reduce(or_, (room.PATHS for room in ROOMS), _PATHS)
        | {f"/kinds/{kind.name}/jobs": {"post": _submit(kind)} for kind in usable},
        "components": {
            "schemas": schemas,
            "parameters": reduce(or_, (room.PARAMETERS for room in ROOMS), PARAMETERS),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": _BEARER}},
            "responses": {f"Problem{status}": _problem_response(status) for status in PROBLEMS},
        },
    }


def _kind_schemas(kind: engine_kinds.Kind) -> dict[str, Schema]:
    """The kind's params and the types they use, under names of their own."""
    schema = _moved(kind.schema(), f"#/components/schemas/{kind.name}.")
    inner = schema.pop("$defs", {})
    return {f"{kind.name}.Params": schema} | {f"{kind.name}.{name}": body for name, body in inner.items()}


def _moved(value: Any, prefix: str) -> Any:
    """The same schema with its references pointing into the components."""
    if isinstance(value, dict):
        return {name: _moved(inner, prefix) for name, inner in value.items()}
    if isinstance(value, list):
        return [_moved(inner, prefix) for inner in value]
    if isinstance(value, str) and value.startswith("#/$defs/"):
        return prefix + value.removeprefix("#/$defs/")
    return value


def _submit(kind: engine_kinds.Kind) -> Schema:
    content = {"application/json": {"schema": ref(f"{kind.name}.Params"), "example": kind.example}}
    return operation(
        f"submit_{kind.name}",
        kind.title,
        {"202": _accepted("The job is in the database; poll it at `Location`.")},
        404, 409, 429,
        description=kind.text,
        parameters=[parameter(name) for name in ("sample", "run_at", "notify_mail", "notify_webhook", "idempotency_key")],
        requestBody={"required": True, "content": content},
    )  # fmt: skip


def _accepted(text: str) -> Schema:
    headers = {
        "Location": {"description": "The job's address.", "schema": {"type": "string"}},
        "Retry-After": {"description": "Seconds until the next look makes sense.", "schema": {"type": "integer"}},
    }
    return _answer(text, "Job") | {"headers": headers}


def _answer(text: str, schema: str) -> Schema:
    return {"description": text, "content": {"application/json": {"schema": ref(schema)}}}


def _problem_response(status: int) -> Schema:
    problem: Schema = {"application/problem+json": {"schema": ref("Problem")}}
    by_the_server: Schema = {"text/html": {"schema": TEXT}}  # before the request is ours
    content = by_the_server if status == 414 else problem
    response: Schema = {"description": PROBLEMS[status], "content": content}
    if status == 401:
        response["headers"] = {"WWW-Authenticate": {"description": "Bearer.", "schema": {"type": "string"}}}
    if status == 503:
        response["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
    return response


_BEARER = "A token of your account. On a machine of your own without accounts none is needed."
_INTRODUCTION = (
    "Start a job with the operation of its kind, then poll it at its `Location`. A file param takes the id of an upload "
    "or of a job's output, or `sample:<name>`. Lists answer `next`, which goes into `after`. Errors are "
    "`application/problem+json` (RFC 9457); `errors` names the fields."
)


_UPLOAD = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": {"type": "string", "contentMediaType": "application/octet-stream"}},
}
_CREATED = _answer("The file is kept.", "File") | {"headers": {"Location": {"schema": TEXT}}}
_BYTES = {
    "description": "The bytes, to save.",
    "content": {"*/*": {"schema": {"contentMediaType": "application/octet-stream"}}},
}

_PATHS: Schema = {
    "/openapi.json": {
        "get": operation(
            "describe",
            "This description",
            {"200": {"description": "OpenAPI.", "content": {"application/json": {"schema": ANY_OBJECT}}}},
        )
    },
    "/kinds": {"get": operation("list_kinds", "All kinds of job", {"200": _answer("The kinds.", "Kinds")})},
    "/kinds/{kind}": {
        "get": operation(
            "show_kind", "A kind with its schema and an example", {"200": _answer("The kind.", "Kind")}, 404
        ),
        "parameters": [parameter("kind")],
    },
    "/jobs": {
        "get": operation(
            "list_jobs",
            "Your jobs, newest first",
            {"200": _answer("A page of jobs.", "Jobs")},
            404, 422,
            parameters=[parameter(name) for name in ("state", "of_kind", "q", "after", "limit")],
        )
    },
    "/jobs/{job}": {
        "get": operation("show_job", "A job", {"200": _answer("The job.", "Job")}, 404),
        "delete": operation(
            "delete_job",
            "Delete a job that has ended, with its items and log",
            {"204": {"description": "It is gone."}},
            404, 409,
        ),
        "parameters": [parameter("job")],
    },
    "/jobs/{job}/items": {
        "get": operation(
            "list_items",
            "A job's items, in the order of the input",
            {"200": _answer("A page of items.", "Items")},
            404, 422,
            parameters=[parameter(name) for name in ("item_state", "verdict", "item_after", "item_limit")],
        ),
        "parameters": [parameter("job")],
    },
    "/jobs/{job}/log": {
        "get": operation(
            "read_log",
            "A job's log",
            {"200": _answer("Lines of the log.", "Log")},
            404, 422,
            parameters=[parameter("after"), parameter("line_limit")],
        ),
        "parameters": [parameter("job")],
    },
    "/jobs/{job}/cancel": {
        "post": operation(
            "cancel_job", "Ask a job to stop", {"202": _accepted("The stop is asked for.")}, 404, 409, 413
        ),
        "parameters": [parameter("job")],
    },
    "/jobs/{job}/retry": {
        "post": operation(
            "retry_job",
            "Run an ended job again",
            {"202": _accepted("It is queued.")},
            404, 409, 413, 422,
            parameters=[parameter("items")],
        ),
        "parameters": [parameter("job")],
    },
    "/files": {
        "post": operation(
            "upload_file",
            "Upload a file",
            {"201": _CREATED},
            requestBody={"required": True, "content": {"multipart/form-data": {"schema": _UPLOAD}}},
        )
    },
    "/files/{file}": {
        "get": operation("download_file", "A file's bytes", {"200": _BYTES}, 404),
        "parameters": [parameter("file")],
    },
    "/documents": {
        "get": operation(
            "list_documents",
            "Your documents, newest first",
            {"200": _answer("A page of documents, without their text.", "Documents")},
            404, 422,
            parameters=[parameter(name) for name in ("collection", "titled", "after", "limit")],
        )
    },
    "/documents/{document}": {
        "get": operation("show_document", "A document with its text", {"200": _answer("It.", "Document")}, 404),
        "delete": operation(
            "delete_document",
            "Delete a document and its passages; its file stays",
            {"204": {"description": "It is gone."}},
            404,
        ),
        "parameters": [parameter("document")],
    },
    "/documents/{document}/similar": {
        "get": operation(
            "similar_documents",
            "Other documents of its collection, the most like it first",
            {"200": _answer("They; none as long as the collection has no index.", "SimilarDocuments")},
            404, 422,
            parameters=[parameter("passage_limit")],
        ),
        "parameters": [parameter("document")],
    },
    "/search": {
        "get": operation(
            "search",
            "The passages that answer best",
            {"200": _answer("The best first; there is one page.", "Passages")},
            422,
            parameters=[parameter(name) for name in ("question", "collection", "passage_limit")],
        )
    },
    "/outbox": {
        "get": operation(
            "list_outbox",
            "Mail that was kept instead of sent, newest first",
            {"200": _answer("A page of messages.", "Messages")},
            404, 422,
            parameters=[parameter(name) for name in ("message_q", "after", "limit")],
        ),
        "delete": operation("clear_outbox", "Delete all of it", {"204": {"description": "It is gone."}}),
    },
    "/outbox/{message}": {
        "get": operation("show_message", "A message", {"200": _answer("The message.", "Message")}, 404),
        "parameters": [parameter("message")],
    },
    "/suppressions": {
        "get": operation(
            "list_suppressions",
            "Addresses that are not written to",
            {"200": _answer("A page of addresses.", "Suppressions")},
            422,
            parameters=[parameter(name) for name in ("address_q", "address_after", "item_limit")],
        ),
        "post": operation(
            "suppress",
            "Write to these addresses no more",
            {"200": _answer("They are on the list.", "Suppressed")},
            requestBody=takes(ref("Suppress")),
        ),
    },
    "/suppressions/{address}": {
        "delete": operation("allow", "Let it be written to again", {"204": {"description": "It is off the list."}}, 404),
        "parameters": [parameter("address")],
    },
    "/schedules": {
        "get": operation("list_schedules", "Your schedules", {"200": _answer("The schedules.", "Schedules")}),
        "post": operation(
            "create_schedule",
            "Repeat a job",
            {"201": _answer("It is kept.", "Schedule") | {"headers": {"Location": {"schema": TEXT}}}},
            404, 409, 429,
            requestBody=takes(ref("NewSchedule")),
        ),
    },
    "/schedules/{schedule}": {
        "get": operation("show_schedule", "A schedule", {"200": _answer("The schedule.", "Schedule")}, 404),
        "patch": operation(
            "change_schedule",
            "Other times, a pause, its end",
            {"200": _answer("As it is now.", "Schedule")},
            404,
            requestBody=takes(ref("ChangedSchedule")),
        ),
        "delete": operation(
            "delete_schedule", "Repeat no more; its jobs stay", {"204": {"description": "It is gone."}}, 404
        ),
        "parameters": [parameter("schedule")],
    },
    "/schedules/{schedule}/run": {
        "post": operation(
            "run_schedule",
            "Its job, now",
            {"202": _accepted("The job is in the database; poll it at `Location`.")},
            404, 409, 413, 422, 429,
            parameters=[parameter("idempotency_key")],
        ),
        "parameters": [parameter("schedule")],
    },
}  # fmt: skip

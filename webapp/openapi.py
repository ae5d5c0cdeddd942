"""The description of the API, OpenAPI 3.1: written from the operations of the views and their records.

The one view that starts jobs becomes an operation for each kind, with its typed body.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from flask import Blueprint, Flask, Response, current_app, request
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from jobs.engine import kinds as engine_kinds
from webapp.api.operation import Content, Operation, operation, operation_of
from webapp.api.parameters import Schema
from webapp.api.records import Body, Located, ProblemRecord

PREFIX = "/api/v1"
SUBMIT = "/kinds/{kind}/jobs"
REF = "#/components/schemas/"

PROBLEMS = {
    400: "The request is malformed: its body is not JSON or has a name twice, or its host is not one of this server.",
    401: "Nobody is known to ask: there is no token, or it has ended or was revoked.",
    403: "The token or the account may not do this, or the request comes from another site.",
    404: "There is no such thing, or it is not yours.",
    408: "The body came too slowly.",
    409: "It cannot be done in this state, or the kind is not available here, or the key was used with another body.",
    412: "The client speaks another version of the protocol.",
    413: "The body is too large.",
    414: "The address is longer than 8,190 bytes.",
    415: "The body is of another type than this takes.",
    422: "The values do not fit; `errors` names the fields.",
    429: "You have as many of these at a time as one may have; wait for one to end.",
    503: "The database does not answer. Nothing is lost; try again after `Retry-After` seconds.",
}
ALWAYS = {400, 401, 403, 503}  # what any operation may answer

ADDRESSED = {
    "address": "A mail address, as the list has it.",
    "approval": "The id of a call that a job asks about.",
    "attachment": "The id of a file of a conversation; not that of the upload.",
    "kind": "The name of a kind of job.",
    "queue": "The name of a queue.",
    "worker": "The name of a worker.",
}  # others are ids of what they are called

HEADERS = {
    "Location": {"description": "The address of what was made or begun.", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds until it makes sense to ask again.", "schema": {"type": "integer"}},
    "WWW-Authenticate": {"description": "Bearer.", "schema": {"type": "string"}},
}

BEARER = "A token of your account. On a machine of your own without accounts none is needed."
INTRODUCTION = (
    "Start a job with the operation of its kind, then poll it at its `Location`. A file param takes the id of an upload "
    "or of a job's output, `sample:<name>`, or `job:<id>` for the rows of a job. Lists answer `next`, which goes into `after`. "
    "Errors are "
    "`application/problem+json` (RFC 9457); `errors` names the fields."
)

blueprint = Blueprint("openapi", __name__, url_prefix=PREFIX)


@blueprint.get("/openapi.json")
@operation("Describe the API", "The description, as OpenAPI.", Content("application/json", {"type": "object"}))
def describe() -> Response:
    """The description has an ETag."""
    body, etag = _written(engine_kinds.version())
    response = Response(body, content_type="application/json")
    response.set_etag(etag)
    response.make_conditional(request)
    return response


@lru_cache(maxsize=1)
def _written(version: int) -> tuple[bytes, str]:
    """The description of this process's kinds, of that version, and its ETag."""
    body = json.dumps(document(current_app, engine_kinds.kinds()), ensure_ascii=False).encode()
    return body, hashlib.sha256(body).hexdigest()[:32]


def document(app: Flask, kinds: list[engine_kinds.Kind]) -> Schema:
    """The whole description. Kinds that are not available here are left out: they take nothing."""
    usable = [kind for kind in kinds if kind.available]
    schemas = _records([found for _, _, found in _operations(app)])
    for kind in usable:
        schemas |= _kind_schemas(kind)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Legwork", "version": "1", "description": INTRODUCTION},
        "servers": [{"url": PREFIX}],
        "security": [{"token": []}],
        "paths": _paths(app, usable),
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": BEARER}},
            "responses": {f"Problem{status}": _problem(status) for status in PROBLEMS},
        },
    }


def _operations(app: Flask) -> Iterator[tuple[str, str, Operation]]:
    """The path, the method and the operation of each route of the API."""
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith(PREFIX):
            path = re.sub(r"<(\w+?)(_id)?>", r"{\1}", rule.rule.removeprefix(PREFIX))
            (method,) = (rule.methods or set()) - {"HEAD", "OPTIONS"}
            yield path, method.lower(), operation_of(app.view_functions[rule.endpoint])


def _paths(app: Flask, kinds: list[engine_kinds.Kind]) -> Schema:
    paths: Schema = {}
    for path, method, found in _operations(app):
        if path == SUBMIT:
            paths |= {path.format(kind=kind.name): {method: _submit(found, kind)} for kind in kinds}
            continue
        names = re.findall(r"{(\w+)}", path)
        there = paths.setdefault(path, {"parameters": [_addressed(name) for name in names]} if names else {})
        there[method] = _described(found, found.body, method, addressed=bool(names))
    return paths


def _addressed(name: str) -> Schema:
    text = ADDRESSED.get(name, f"The id of {'an' if name[0] in 'aeiou' else 'a'} {name}.")
    return {"name": name, "in": "path", "required": True, "description": text, "schema": {"type": "string"}}


def _submit(found: Operation, kind: engine_kinds.Kind) -> Schema:
    described = _described(found, Content("application/json", _ref(f"{kind.name}.Params")), "post", addressed=True)
    described["requestBody"]["content"]["application/json"]["example"] = kind.example
    return described | {
        "operationId": f"submit_{kind.name}",
        "summary": f"Start a job: {kind.title}",
        "description": kind.text,
    }


def _described(found: Operation, body: type[Body] | Content | None, method: str, *, addressed: bool) -> Schema:
    problems = ALWAYS | set(found.problems) | ({404} if addressed else set())
    described: Schema = {"operationId": found.name, "summary": found.summary}
    if found.parameters:
        described["parameters"] = [one.described() for one in found.parameters]
        problems |= {414, *({422} if any(one.place == "query" for one in found.parameters) else ())}
    if body:
        described["requestBody"] = {"required": True, "content": _content(body)}
        problems |= {408, 413, 415, 422}
    elif method == "post":
        problems.add(413)
    refs = {str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in sorted(problems)}
    return described | {"responses": {str(found.status): _answer(found)} | refs}


def _answer(found: Operation) -> Schema:
    answer: Schema = {"description": found.answer}
    if found.returns:
        answer["content"] = _content(found.returns)
    if isinstance(found.returns, type) and issubclass(found.returns, Located) and found.status in (201, 202):
        names = ("Location", "Retry-After") if found.returns.POLLED else ("Location",)
        answer["headers"] = {name: HEADERS[name] for name in names}
    return answer


def _content(found: type[BaseModel] | Content) -> Schema:
    if isinstance(found, Content):
        return {found.media_type: {"schema": found.schema}}
    return {"application/json": {"schema": _ref(schema_name(found.__name__))}}


def _problem(status: int) -> Schema:
    problem = Content("application/problem+json", _ref("Problem"))
    by_the_server = Content("text/html", {"type": "string"})  # it answers before the request is ours
    response: Schema = {
        "description": PROBLEMS[status],
        "content": _content(by_the_server if status == 414 else problem),
    }
    if header := {401: "WWW-Authenticate", 503: "Retry-After"}.get(status):
        response["headers"] = {header: HEADERS[header]}
    return response


# Schemas.


def _ref(name: str) -> Schema:
    return {"$ref": f"{REF}{name}"}


def schema_name(class_name: str) -> str:
    """What a record or body is called in the description."""
    return re.sub(r"(?<=.)(Record|Body)$", "", class_name)


def _records(operations: list[Operation]) -> dict[str, Schema]:
    """The schemas of all records and bodies, by name."""
    asked: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(ProblemRecord, "serialization"): None}
    for one in operations:
        if isinstance(one.returns, type):
            asked[one.returns, "serialization"] = None
        if isinstance(one.body, type):
            asked[one.body, "validation"] = None
    _, schema = models_json_schema(list(asked), ref_template=f"{REF}{{model}}")
    return {schema_name(name): _plain(one) for name, one in schema["$defs"].items()}


def _plain(value: object) -> Any:
    """A schema without the titles that pydantic gives, and with references by our names."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    plain = {name: _plain(one) for name, one in value.items() if name != "title" or not isinstance(one, str)}
    return plain | ({"$ref": REF + schema_name(value["$ref"].removeprefix(REF))} if "$ref" in value else {})


def _kind_schemas(kind: engine_kinds.Kind) -> dict[str, Schema]:
    """The kind's params and the types they use, under names of their own."""
    schema = _moved(kind.schema(), f"{REF}{kind.name}.")
    inner = schema.pop("$defs", {})
    camel = "".join(word.capitalize() for word in kind.name.split("_"))  # what generators of clients name classes by
    named = {name: {**body, "title": f"{camel}{name}"} for name, body in {"Params": schema, **inner}.items()}
    return {f"{kind.name}.{name}": body for name, body in named.items()}


def _moved(value: object, prefix: str) -> Any:
    """The same schema with its references pointing into the components."""
    if isinstance(value, dict):
        return {name: _moved(inner, prefix) for name, inner in value.items()}
    if isinstance(value, list):
        return [_moved(inner, prefix) for inner in value]
    if isinstance(value, str) and value.startswith("#/$defs/"):
        return prefix + value.removeprefix("#/$defs/")
    return value

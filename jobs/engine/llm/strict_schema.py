"""The request for answers that fit a JSON schema, in OpenAI's strict mode where it takes the schema.

Strict mode takes only closed objects that require all their properties. An object is closed here where nothing but its
`additionalProperties` is missing; with an optional property it would mean something else. Every answer is compared with the
schema that was given in any case.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST_DEPTH = 10
_KEYWORDS = """
    type enum anyOf $ref $defs definitions properties required additionalProperties items title description pattern format
    minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minItems maxItems
"""
_TAKEN = frozenset(_KEYWORDS.split())
_NOTES = frozenset(["$schema", "$comment", "default", "examples", "deprecated", "readOnly", "writeOnly"])
_TYPED = {"type", "enum", "anyOf", "$ref"}


class _NotStrict(Exception):
    """Strict mode does not take this schema, or it would mean something else there."""


def response_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    try:
        asked = {"schema": _closed(dict(schema), 0), "strict": True}
    except _NotStrict:
        asked = {"schema": dict(schema), "strict": False}
    return {"type": "json_schema", "json_schema": {"name": "answer"} | asked}


def loosened(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """The same request without strict mode; None if it has none to leave out."""
    asked = body.get("response_format")
    if not isinstance(asked, dict):
        return None
    schema = asked.get("json_schema")
    if not isinstance(schema, dict) or not schema.get("strict"):
        return None
    return {**body, "response_format": {**asked, "json_schema": {**schema, "strict": False}}}


def _closed(schema: Any, depth: int) -> dict[str, Any]:
    if not isinstance(schema, dict) or depth > MOST_DEPTH:
        raise _NotStrict
    closed = {name: value for name, value in schema.items() if name not in _NOTES}
    if closed.keys() - _TAKEN or not closed.keys() & _TYPED or ("$ref" in closed and len(closed) > 1):
        raise _NotStrict
    for name in ("properties", "$defs", "definitions"):
        if name in closed:
            closed[name] = {key: _closed(part, depth + 1) for key, part in closed[name].items()}
    if "anyOf" in closed:
        closed["anyOf"] = [_closed(part, depth + 1) for part in closed["anyOf"]]
    if "items" in closed:
        closed["items"] = _closed(closed["items"], depth + 1)
    types = closed.get("type")
    return _close(closed) if "object" in ([types] if isinstance(types, str) else types or []) else closed


def _close(schema: dict[str, Any]) -> dict[str, Any]:
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if schema.get("additionalProperties", False) is not False or set(required) != properties.keys():
        raise _NotStrict
    return schema | {"properties": properties, "required": list(properties), "additionalProperties": False}

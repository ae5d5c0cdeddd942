"""Verdicts, thresholds and decisions in the description of the API. reviews_api.py makes what is described here."""

from __future__ import annotations

from webapp.api.schemas import TEXT, VERDICTS, Schema, maybe, operation, parameter, ref, takes

_WHOLE: Schema = {"type": "integer", "minimum": 0}
_MOMENT: Schema = {"type": "string", "format": "date-time"}


def _record(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


_SCORE = maybe({"type": "number", "minimum": 0, "maximum": 1})
_LIMITS = {"review": _SCORE, "block": _SCORE}
_THRESHOLDS: Schema = {"type": "object", "additionalProperties": _record(_LIMITS)}
_BY_VERDICT = _record(dict.fromkeys(VERDICTS, _WHOLE))
_STANDING = {
    "thresholds": _THRESHOLDS,
    "changed_by": maybe(TEXT),
    "changed_at": maybe(_MOMENT),
    "observe_only": {"type": "boolean"},
    "verdicts": _BY_VERDICT,
    "decided": _WHOLE,
    "reviewed": _WHOLE,
    "to_review": _WHOLE,
    "categories": {"type": "array", "items": TEXT},
}
_NEW_THRESHOLDS: Schema = {
    "type": "object",
    "description": "By category; `default` is for those not named.",
    "additionalProperties": {"type": "object", "properties": _LIMITS, "additionalProperties": False},
}

PARAMETERS: Schema = {
    "decision": {
        "name": "decision",
        "in": "path",
        "required": True,
        "description": "The id of a decision.",
        "schema": TEXT,
    }
}

RECORDS: Schema = {
    "Standing": _record(_STANDING),
    "ThresholdChange": _record(
        {
            "thresholds": _THRESHOLDS,
            "changed_by": TEXT,
            "changed_at": _MOMENT,
            "before": _BY_VERDICT,
            "after": _BY_VERDICT,
        }
    ),
    "Verdicts": _record(_STANDING | {"changes": {"type": "array", "items": ref("ThresholdChange")}}),
    "NewThresholds": _record({"thresholds": _NEW_THRESHOLDS}),
    "Decision": _record(
        {
            "id": TEXT,
            "item": {"type": "string", "description": "The key of an item."},
            "before": {"enum": list(VERDICTS)},
            "after": {"enum": ["allow", "block"]},
            "decided_by": TEXT,
            "decided_at": _MOMENT,
            "undone_by": maybe(TEXT),
            "undone_at": maybe(_MOMENT),
        }
    ),
    "Decisions": _record({"decisions": {"type": "array", "items": ref("Decision")}, "next": maybe(TEXT)}),
    "NewDecision": _record({"item": TEXT, "verdict": {"enum": ["allow", "block"]}}),
}


def _answered(text: str, schema: str) -> Schema:
    return {"description": text, "content": {"application/json": {"schema": ref(schema)}}}


PATHS: Schema = {
    "/jobs/{job}/verdicts": {
        "get": operation(
            "show_verdicts", "How the verdicts of a job stand", {"200": _answered("Counts and thresholds.", "Verdicts")}, 404
        ),
        "parameters": [parameter("job")],
    },
    "/jobs/{job}/thresholds": {
        "put": operation(
            "set_thresholds", "Derive the verdicts anew; nothing is judged again",
            {"200": _answered("As they stand now.", "Standing")}, 404, 409, requestBody=takes(ref("NewThresholds")),
        ),
        "parameters": [parameter("job")],
    },
    "/jobs/{job}/decisions": {
        "get": operation(
            "list_decisions", "What people decided, the latest first",
            {"200": _answered("A page of decisions.", "Decisions")}, 404, 422,
            parameters=[parameter("after"), parameter("item_limit")],
        ),
        "post": operation(
            "decide", "Settle an item",
            {"201": _answered("It is kept.", "Decision")}, 404, 409, requestBody=takes(ref("NewDecision")),
        ),
        "parameters": [parameter("job")],
    },
    "/jobs/{job}/decisions/{decision}": {
        "delete": operation(
            "undo_decision", "Take a decision back; it stays on record",
            {"200": _answered("The decision.", "Decision")}, 404, 409, 413,
        ),
        "parameters": [parameter("job"), parameter("decision")],
    },
}  # fmt: skip

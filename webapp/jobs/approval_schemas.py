"""Calls that wait for a person's yes or no, in the description of the API."""

from __future__ import annotations

from webapp.api.schemas import ANY_OBJECT, TEXT, Schema, maybe, operation, parameter, ref, takes

_MOMENT: Schema = {"type": "string", "format": "date-time"}


def _record(properties: Schema, **more: Schema) -> Schema:
    return {"type": "object", "required": list(properties), "properties": properties | more}


PARAMETERS: Schema = {
    "approval": {
        "name": "approval",
        "in": "path",
        "required": True,
        "description": "The id of a call that a job asks about.",
        "schema": TEXT,
    }
}

RECORDS: Schema = {
    "Approval": _record(
        {
            "id": {"type": "string", "format": "uuid"},
            "tool": TEXT,
            "arguments": ANY_OBJECT,
            "approved": maybe({"type": "boolean"}),
            "reason": maybe(TEXT),
            "decided_by": maybe(TEXT),
            "asked_at": _MOMENT,
            "expires_at": _MOMENT,
            "decided_at": maybe(_MOMENT),
        }
    ),
    "Approvals": _record({"approvals": {"type": "array", "items": ref("Approval")}, "next": maybe(TEXT)}),
    "ApprovalAnswer": _record(
        {"approve": {"type": "boolean"}}, reason={"type": "string", "description": "Told to the agent."}
    ),
}


def _answered(text: str, schema: str) -> Schema:
    return {"description": text, "content": {"application/json": {"schema": ref(schema)}}}


_ACCEPTED = _answered("It is kept; after the last open call the job goes on.", "Job") | {
    "headers": {
        "Location": {"description": "The job's address.", "schema": TEXT},
        "Retry-After": {"description": "Seconds until the next look makes sense.", "schema": {"type": "integer"}},
    }
}

PATHS: Schema = {
    "/jobs/{job}/approvals": {
        "get": operation(
            "list_approvals", "The calls that a job asked about", {"200": _answered("The calls.", "Approvals")}, 404
        ),
        "parameters": [parameter("job")],
    },
    "/jobs/{job}/approvals/{approval}": {
        "post": operation(
            "answer",
            "Say yes or no to a call",
            {"202": _ACCEPTED},
            404,
            409,
            requestBody=takes(ref("ApprovalAnswer")),
        ),
        "parameters": [parameter("job"), parameter("approval")],
    },
}

"""The audit log in the description of the API. audit.py makes what is described here."""

from __future__ import annotations

from jobs.engine.accounts import ACTIONS
from webapp.api.schemas import ANY_OBJECT, TEXT, Schema, maybe, operation, parameter, ref

_ENTRY: Schema = {
    "id": {"type": "string", "format": "uuid"},
    "at": {"type": "string", "format": "date-time"},
    "who": TEXT,
    "action": {"enum": list(ACTIONS)},
    "target": TEXT,
    "address": maybe(TEXT),
    "detail": ANY_OBJECT,
}


def _record(properties: Schema) -> Schema:
    return {"type": "object", "required": list(properties), "properties": properties}


def _query(text: str, schema: Schema) -> Schema:
    return {"in": "query", "description": text, "schema": schema}


RECORDS: Schema = {
    "AuditEntry": _record(_ENTRY),
    "AuditEntries": _record({"entries": {"type": "array", "items": ref("AuditEntry")}, "next": maybe(TEXT)}),
}
PARAMETERS: Schema = {
    "audit_q": {"name": "q"}
    | _query("Only with this in who, target or address.", {"type": "string", "maxLength": 200}),
    "action": {"name": "action"} | _query("Only this action.", {"enum": list(ACTIONS)}),
}
PATHS: Schema = {
    "/audit": {
        "get": operation(
            "list_audit_entries",
            "Who did what, the latest first; for operators",
            {
                "200": {
                    "description": "A page of entries.",
                    "content": {"application/json": {"schema": ref("AuditEntries")}},
                }
            },
            *(404, 422),
            parameters=[parameter(name) for name in ("audit_q", "action", "after", "item_limit")],
        )
    }
}

"""The outbox and the addresses that must not be written to, in JSON, under /api/v1."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from jobs.engine import mail
from webapp.api import serializers
from webapp.http import parsing
from webapp.http.guards import current_owner

blueprint = Blueprint("outbox_api", __name__, url_prefix="/api/v1")


@blueprint.get("/outbox")
def messages() -> Response:
    page = mail.outbox_messages(
        current_owner(),
        q=parsing.text("q", 200),
        after=parsing.text("after", 200),
        limit=parsing.whole_number("limit", 50, 1, 200),
    )
    return jsonify(messages=[_row(row) for row in page.rows], next=page.next)


@blueprint.get("/outbox/<id>")
def message(id: str) -> Response:
    row = mail.outbox_message(id, current_owner())
    opened = mail.open_outbox_message(row)
    headers = [{"name": name, "value": value} for name, value in opened.headers]
    return jsonify(_row(row) | {"headers": headers, "text": opened.text, "html": opened.html})


@blueprint.delete("/outbox")
def clear() -> Response:
    mail.clear_outbox(owner=current_owner())
    return Response(status=204)


@blueprint.get("/suppressions")
def suppressions() -> Response:
    limit = parsing.whole_number("limit", 100, 1, 1_000)
    page = mail.list_suppressed(
        current_owner(), q=parsing.text("q", 200), after=parsing.text("after", 300), limit=limit
    )
    rows = [{"address": row.address, "created_at": serializers.moment(row.created_at)} for row in page.rows]
    return jsonify(suppressions=rows, next=page.next)


@blueprint.post("/suppressions")
def suppress() -> Response:
    """Body: `addresses`, a list or a text with one to a line."""
    given = parsing.fields(parsing.json_object(), {"addresses": (str, list)}, required=("addresses",))["addresses"]
    lines: list[Any] = given if isinstance(given, list) else [given]
    if not all(isinstance(line, str) for line in lines):
        raise parsing.invalid("addresses", "addresses must be a list of addresses.")
    return jsonify(added=mail.suppress_addresses("\n".join(lines), owner=current_owner()))


@blueprint.delete("/suppressions/<address>")
def allow(address: str) -> Response:
    mail.allow_address(address, owner=current_owner())
    return Response(status=204)


def _row(row: Any) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "job": str(row.job_id) if row.job_id else None,
        "message_id": row.message_id,
        "from": row.sender,
        "to": row.recipient,
        "subject": row.subject,
        "attachments": row.attachments,
        "bytes": row.bytes,
        "created_at": serializers.moment(row.created_at),
        "url": f"/outbox/{row.id}/message.eml",
    }

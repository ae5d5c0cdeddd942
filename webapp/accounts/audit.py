"""The audit log for operators, as a page and as JSON."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, render_template, request

from jobs.engine import accounts
from webapp.api import serializers
from webapp.http import parsing
from webapp.http.identity import operators

blueprint = Blueprint("audit", __name__)
PAGE = 50


@blueprint.get("/audit")
@operators
def index() -> str:
    q, action = request.args.get("q", "").strip()[:200], request.args.get("action", "")
    action = action if action in accounts.ACTIONS else ""
    page = accounts.audit_entries(
        q=q or None, action=action or None, after=request.args.get("after") or None, limit=PAGE
    )
    shown = {"q": q, "action": action, "first_page": not request.args.get("after")}
    return render_template("accounts/audit.html", page=page, actions=accounts.ACTIONS, **shown)


@blueprint.get("/api/v1/audit")
@operators
def listed() -> Response:
    limit = parsing.whole_number("limit", 50, 1, 1_000)
    action = parsing.text("action", 40)
    if action and action not in accounts.ACTIONS:
        raise parsing.invalid("action", f"action must be one of {', '.join(accounts.ACTIONS)}.")
    page = accounts.audit_entries(
        q=parsing.text("q", 200), action=action, after=parsing.text("after", 200), limit=limit
    )
    return jsonify(entries=[_entry(row) for row in page.rows], next=page.next)


def _entry(row: Any) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "at": serializers.moment(row.at),
        "who": row.who,
        "action": row.action,
        "target": row.target,
        "address": row.address,
        "detail": row.detail,
    }

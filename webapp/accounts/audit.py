"""The audit log for operators, as a page and as JSON."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from jobs.engine import accounts
from webapp.accounts.records import AuditEntries, AuditEntryRecord
from webapp.api.operation import operation
from webapp.api.parameters import AFTER, Choice, Limit, TextParameter
from webapp.http.identity import operators

blueprint = Blueprint("audit", __name__)
PAGE = 50
WORDS = TextParameter("q", "Only entries with this text in who, target or address.", 200)
ACTION = Choice("action", "Only entries of this action.", accounts.ACTIONS)
LIMIT = Limit("entries", 1_000)


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
@operation(
    "List who did what, the latest first; for operators",
    "A page of entries.",
    AuditEntries,
    parameters=(WORDS, ACTION, AFTER, LIMIT),
    problems=(404,),
)
def list_audit_entries() -> AuditEntries:
    limit = LIMIT.read()
    action = ACTION.read() if request.args.get("action") else None  # an empty one asks for all
    page = accounts.audit_entries(q=WORDS.read(), action=action, after=AFTER.read(), limit=limit)
    return AuditEntries(entries=[AuditEntryRecord.of(row) for row in page.rows], next=page.next)

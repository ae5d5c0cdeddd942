"""Suppressed addresses: the list, adding to it, removing from it."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue

from jobs.engine import mail
from jobs.engine.errors import InvalidParams
from webapp.http.guards import current_owner

blueprint = Blueprint("suppressions", __name__, url_prefix="/suppressions")


@blueprint.get("")
def index() -> str:
    return _page()


@blueprint.post("")
def add() -> ResponseReturnValue:
    written = request.form.get("addresses", "").replace("\r\n", "\n")
    try:
        mail.suppress_addresses(written, owner=current_owner())
    except InvalidParams as error:
        return _page(written, [one.message for one in error.errors]), 422
    return redirect("/suppressions", 303)


@blueprint.post("/remove")
def remove() -> ResponseReturnValue:
    mail.allow_address(request.form.get("address", ""), owner=current_owner())
    return redirect("/suppressions", 303)


def _page(written: str = "", errors: list[str] | None = None) -> str:
    q = request.args.get("q", "").strip()[:200]
    page = mail.list_suppressed(current_owner(), q=q or None, after=request.args.get("after"))
    return render_template("mail/suppressions.html", page=page, q=q, written=written, errors=errors or [])

"""The page of one's own account: password, tokens, sign-ins."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue

from jobs.engine import accounts, queue
from jobs.engine.errors import InvalidParams, TooMany
from webapp.http import identity
from webapp.http.identity import person

blueprint = Blueprint("account", __name__, url_prefix="/account")
DAYS = (7, 30, 90, 365)
MEANINGS = {
    "viewer": "You can see your own jobs and those that others share with you, but not start or change anything.",
    "member": "You can start jobs, and see your own and those that others share with you.",
    "operator": "You can start jobs, manage queues, workers and all schedules, and read the audit log.",
    "admin": "You can do all that an operator can, and manage accounts.",
}
SCOPES = {
    "read": "see all that you can see",
    "write": "also start, stop and change jobs and data of yours",
    "operate": "also act as an operator, if you are one",
}


@blueprint.get("")
@person
def index() -> str:
    return _page()


@blueprint.post("/password")
@person
def change_password() -> ResponseReturnValue:
    """Change the password and sign all other browsers out."""
    form = request.form
    account = identity.account()
    if form.get("new", "") != form.get("again", ""):
        return _page(errors={"again": "The two new passwords differ."}), 422
    try:
        keep = identity.identity().sign_in
        how: dict[str, Any] = {"keep": keep, "tokens_too": "tokens" in form, "address": identity.address()}
        how["counted"] = identity.counted_address()
        accounts.change_password(account, form.get("old", ""), form.get("new", ""), **how)
    except InvalidParams as error:
        return _page(errors={one.field: one.message for one in error.errors}), 422
    except TooMany as error:
        return _page(errors={"old": error.message}), 429
    tokens = "your tokens were revoked" if "tokens" in form else "your tokens still work"
    return _page(message=f"Your password is changed. All other browsers were signed out; {tokens}.")


@blueprint.post("/tokens")
@person
def issue() -> ResponseReturnValue:
    """The page with the new token, which is shown only once."""
    form = request.form
    days = form.get("days", "")
    try:
        number = int(days) if days in map(str, DAYS) else 0
        made = accounts.issue_token(
            identity.account(), form.get("name", ""), form.get("scope", ""), number, address=identity.address()
        )
    except InvalidParams as error:
        return _page(errors={f"token-{one.field}": one.message for one in error.errors}), 422
    except TooMany as error:
        return _page(errors={"token-name": error.message}), 429
    response = make_response(_page(issued=made), 201)
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.post("/tokens/<token_id>/revoke")
@person
def revoke(token_id: str) -> ResponseReturnValue:
    accounts.revoke_token(identity.account(), token_id, address=identity.address())
    return redirect("/account#tokens", 303)


@blueprint.post("/sign-ins/<sign_in_id>/end")
@person
def end(sign_in_id: str) -> ResponseReturnValue:
    accounts.end_session(identity.account(), sign_in_id, address=identity.address())
    return redirect("/account#sign-ins", 303)


def _page(**more: object) -> str:
    account = identity.account()
    shown: dict[str, Any] = {"errors": {}, "message": "", "issued": None, "given": request.form} | more
    return render_template(
        "accounts/index.html",
        account=account,
        meaning=MEANINGS[account.role],
        tokens=accounts.list_tokens(account),
        sign_ins=accounts.list_sessions(account),
        here=identity.identity().sign_in,
        usage=queue.usage(account.owner),
        spent=accounts.spent_this_month(account.owner),
        allowance=accounts.allowance(account.owner),
        spent_months=accounts.months(account.owner),
        scopes=SCOPES,
        days=DAYS,
        **shown,
    )

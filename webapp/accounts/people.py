"""The page where admins manage accounts. Without accounts it makes the first one."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue

from jobs.engine import accounts
from jobs.engine.errors import Conflict, FieldError, InvalidParams
from webapp.accounts import sign_in
from webapp.http import identity
from webapp.http.identity import admins

blueprint = Blueprint("people", __name__, url_prefix="/people")
ROLES = {
    "viewer": "sees shared jobs",
    "member": "starts jobs",
    "operator": "also manages queues and all schedules, reads the audit log",
    "admin": "also manages accounts",
}


@blueprint.get("")
@admins
def index() -> str:
    return _page()


@blueprint.post("")
@admins
def add() -> ResponseReturnValue:
    """Add an account. The first one is signed in at once, because signing in is required from then on."""
    form, who = request.form, identity.identity()
    name, password = form.get("name", ""), form.get("password", "")
    role = form.get("role", "") if who.account else "admin"
    by = who.owner if who.account else None
    try:
        made = accounts.add(name, role, password, by=by, address=identity.address())
    except (InvalidParams, Conflict) as error:
        return _page(errors=_errors(error, "name")), 422
    if who.account is None:
        secret = accounts.sign_in_by_password(
            made.name, password, address=identity.address(), browser=sign_in.browser()
        )
        return sign_in.welcome(secret, "/people")
    return redirect("/people", 303)


@blueprint.post("/<account_id>/role")
@admins
def change_role(account_id: str) -> ResponseReturnValue:
    role = request.form.get("role", "")
    return _done(lambda who: accounts.change_role(account_id, role, by=who, address=identity.address()))


@blueprint.post("/<account_id>/suspend")
@admins
def suspend(account_id: str) -> ResponseReturnValue:
    return _done(lambda who: accounts.suspend(account_id, by=who, address=identity.address()))


@blueprint.post("/<account_id>/resume")
@admins
def resume(account_id: str) -> ResponseReturnValue:
    return _done(lambda who: accounts.resume(account_id, by=who, address=identity.address()))


@blueprint.post("/<account_id>/password")
@admins
def set_password(account_id: str) -> ResponseReturnValue:
    password = request.form.get("password", "")
    return _done(lambda who: accounts.set_password(account_id, password, by=who, address=identity.address()))


@blueprint.post("/allowance")
@admins
def set_allowance() -> ResponseReturnValue:
    """What a person or a role may spend on models in a month. Without accounts it is the one of this machine's user."""
    form = request.form
    by = identity.current_owner()
    try:
        accounts.set_allowance(form.get("whose", ""), form.get("dollars", ""), by=by, address=identity.address())
    except InvalidParams as error:
        return _page(general=error.message), 422
    return redirect("/people#spending", 303)


def _done(change: Callable[[str], object]) -> ResponseReturnValue:
    identity.account()  # without accounts there is none to change
    try:
        change(identity.current_owner())
    except (InvalidParams, Conflict) as error:
        return _page(general=error.message), 409 if isinstance(error, Conflict) else 422
    return redirect("/people", 303)


def _errors(error: InvalidParams | Conflict, field: str) -> dict[str, str]:
    found = error.errors if isinstance(error, InvalidParams) else [FieldError(field, error.message)]
    return {one.field: one.message for one in found}


def _page(errors: dict[str, str] | None = None, general: str = "") -> str:
    people = accounts.all_accounts()
    spent = {one.owner: one for one in accounts.of_month()}
    given = {"errors": errors or {}, "general": general, "given": request.form if errors else {}}
    return render_template(
        "accounts/people.html", people=people, roles=ROLES, spent=spent, allowances=accounts.allowances(), **given
    )

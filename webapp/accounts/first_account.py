"""The page that makes the first account of a site that others can reach.

Either by a link that is printed on the console at the start: it works for an hour, and while the program that printed it runs. Or
at /first, to whoever knows FIRST_ACCOUNT_SECRET. Both only while there is no account.
"""

from __future__ import annotations

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from jobs.engine import accounts, settings
from jobs.engine.errors import Conflict, InvalidParams, NotFound
from webapp.accounts import sign_in
from webapp.http import identity
from webapp.http.identity import anybody

USED = "This link makes the first account, once and within an hour. Start Legwork again for a new one, or sign in."

blueprint = Blueprint("first_account", __name__)


@blueprint.get("/first")
@anybody
def ask() -> str:
    """The form that asks for FIRST_ACCOUNT_SECRET; without that setting, how to make an account."""
    _check_none()
    return _page(asks=True)


@blueprint.post("/first")
@anybody
def add_by_secret() -> ResponseReturnValue:
    _check_none()
    if not accounts.is_secret(request.form.get("secret", ""), settings.current().first_account_secret):
        return _page({"secret": "This is not the value of FIRST_ACCOUNT_SECRET."}, asks=True), 403
    return _add(asks=True)


@blueprint.get("/first/<secret>")
@anybody
def form(secret: str) -> str:
    _check(secret)
    return _page()


@blueprint.post("/first/<secret>")
@anybody
def add(secret: str) -> ResponseReturnValue:
    """Make an admin account and sign it in."""
    _check(secret)
    return _add()


def _add(asks: bool = False) -> ResponseReturnValue:
    name, password = request.form.get("name", ""), request.form.get("password", "")
    try:
        made = accounts.add(name, "admin", password, address=identity.address(), only_first=True)
    except InvalidParams as error:
        return _page({one.field: one.message for one in error.errors}, asks=asks), 422
    except Conflict:
        raise NotFound(USED) from None
    entered = accounts.sign_in_by_password(made.name, password, address=identity.address(), browser=sign_in.browser())
    return sign_in.welcome(entered, "/")


def _check(secret: str) -> None:
    """Raise NotFound unless the link is valid and there is no account."""
    if not accounts.opens(secret, settings.current().first_account):
        raise NotFound(USED)


def _check_none() -> None:
    """Raise NotFound if there is an account, or only this machine uses the site: it needs none."""
    if settings.current().this_machine_only or accounts.any_accounts():
        raise NotFound("This site has its first account already. Sign in.")


def _page(errors: dict[str, str] | None = None, *, asks: bool = False) -> str:
    closed = asks and not settings.current().first_account_secret
    given = request.form if errors else {}
    return render_template("accounts/first.html", errors=errors or {}, given=given, asks=asks, closed=closed)

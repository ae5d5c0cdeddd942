"""The page that makes the first account, by a link that is printed on the console at the start.

The link works for an hour, while there is no account, and while the program that printed it runs.
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
    name, password = request.form.get("name", ""), request.form.get("password", "")
    try:
        made = accounts.add(name, "admin", password, address=identity.address(), only_first=True)
    except InvalidParams as error:
        return _page({one.field: one.message for one in error.errors}), 422
    except Conflict:
        raise NotFound(USED) from None
    entered = accounts.sign_in_by_password(made.name, password, address=identity.address(), browser=sign_in.browser())
    return sign_in.welcome(entered, "/")


def _check(secret: str) -> None:
    """Raise NotFound unless the link is valid and there is no account."""
    if not accounts.opens(secret, settings.current().first_account):
        raise NotFound(USED)


def _page(errors: dict[str, str] | None = None) -> str:
    return render_template("accounts/first.html", errors=errors or {}, given=request.form if errors else {})

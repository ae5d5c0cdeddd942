"""Sign-in by name and password, and sign-out. The page links to the OpenID provider, if there is one."""

from __future__ import annotations

from contextlib import suppress

from flask import Blueprint, redirect, render_template, request, session
from flask.typing import ResponseReturnValue

from jobs.engine import accounts, settings
from jobs.engine.errors import DatabaseUnavailable, LegworkError, NotAuthenticated, TooMany
from webapp.http import identity
from webapp.http.guards import local_path
from webapp.http.identity import anybody

blueprint = Blueprint("signing_in", __name__)


@blueprint.get("/login")
@anybody
def form() -> ResponseReturnValue:
    if _is_in():
        return redirect(local_path(request.args.get("next")), 303)
    with suppress(DatabaseUnavailable):
        if not accounts.any_accounts() and not settings.current().has_oidc:
            return redirect("/first", 303)
    return _page(request.args.get("next"))


@blueprint.post("/login")
@anybody
def sign_in() -> ResponseReturnValue:
    """Sign in. An unknown name and a wrong password get the same response in the same time."""
    if not identity.signing_in_is_needed():
        return redirect("/", 303)
    name, password = request.form.get("name", ""), request.form.get("password", "")
    try:
        secret = accounts.sign_in_by_password(
            name, password, address=identity.address(), counted=identity.counted_address(), browser=browser()
        )
    except (NotAuthenticated, TooMany) as error:
        status = 429 if isinstance(error, TooMany) else 401
        return _page(request.form.get("next"), name[:100], error), status
    return welcome(secret, request.form.get("next"))


@blueprint.post("/logout")
@anybody
def sign_out() -> ResponseReturnValue:
    who = identity.known()
    if who is not None and who.account is not None and who.sign_in is not None:
        accounts.end_session(who.account, who.sign_in, address=identity.address())
    session.clear()
    return redirect("/login", 303)


def welcome(secret: str, target: str | None) -> ResponseReturnValue:
    """Start a new, empty session (against session fixation) and redirect to the target."""
    session.clear()
    session.permanent = True
    session[identity.COOKIE] = secret
    return redirect(local_path(target), 303)


def refused(error: LegworkError, status: int) -> ResponseReturnValue:
    """The sign-in page with the error."""
    return _page(None, "", error), status


def browser() -> str:
    return request.headers.get("User-Agent", "")[:300]


def _is_in() -> bool:
    return not identity.signing_in_is_needed() or identity.known() is not None


def _page(target: str | None, name: str = "", error: LegworkError | None = None) -> str:
    chosen = settings.current()
    plain = not request.is_secure and not chosen.loopback
    given = {"target": local_path(target), "name": name, "error": error.message if error else ""}
    return render_template("accounts/login.html", provider=chosen.has_oidc, plain=plain, **given)

"""Authentication of requests, and authorisation of routes.

By default, a route needs the role viewer for reading and member for anything else. `@anybody`, `@person`, `@operators` and
`@admins` change that. Without accounts, and where only this machine can reach the site, there is a single user with all rights.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar
from uuid import UUID

from flask import Flask, current_app, g, request, session

from jobs.engine import accounts, sandbox, settings
from jobs.engine.accounts import ROLES, Identity
from jobs.engine.errors import DatabaseUnavailable, Forbidden, LegworkError, NotAuthenticated, NotFound
from webapp.http.proxies import CLAIMED

LOCAL = Identity(owner="local", name="single user", role="admin")
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
COOKIE = "sign_in"  # session key of the sign-in's secret

SIGN_IN = "Sign in first."
NO_PAGE = "There is no such page."
NEEDED_SCOPES = {"viewer": "read", "member": "write", "operator": "operate"}

STILL_SECONDS = 3.0
MOST_STILL = 10_000

_still: dict[UUID | None, tuple[float, bool]] = {}  # by sign-in or token: time and result of the last check

View = TypeVar("View", bound=Callable[..., Any])


def _needs(need: str) -> Callable[[View], View]:
    def mark(view: View) -> View:
        view.needs = need  # type: ignore[attr-defined]
        return view

    return mark


anybody = _needs("anybody")  # no sign-in
person = _needs("person")  # any role, but only by a browser's sign-in: for the account's own settings
operators = _needs("operator")  # a 404 for other roles
admins = _needs("admin")  # likewise, and not by a token


def close(app: Flask, prefix: str, need: str) -> None:
    """Set the need of all endpoints with this prefix: for third-party routes, which have no decorators."""
    app.extensions.setdefault("needs", {})[prefix] = need


def check() -> None:
    """Refuse a request that its identity is not allowed to make. Raises NotAuthenticated, NotFound, Forbidden."""
    sandbox.act_for("")  # until it is known who asks: this greenlet has answered others
    if request.routing_exception is not None:
        return  # there is no route
    need = need_of(request.endpoint or "", request.method)
    if need == "anybody":
        return
    who = identity()
    if need == "person" and who.token is None:
        return
    if who.token is not None:
        _check_token(who, need)
    if need not in ROLES or ROLES.index(who.role) >= ROLES.index(need):
        return
    if need == "member":
        raise Forbidden(
            "Your account can only view. Ask an administrator for another role to start or change anything."
        )
    raise NotFound(NO_PAGE)


def need_of(endpoint: str, method: str) -> str:
    """What a route needs: anybody, person, or one of ROLES."""
    by_prefix = (need for prefix, need in current_app.extensions["needs"].items() if endpoint.startswith(prefix))
    declared = next(by_prefix, None) or getattr(current_app.view_functions.get(endpoint), "needs", None)
    return declared or ("viewer" if method in SAFE_METHODS else "member")


def identity() -> Identity:
    """The identity behind this request. Raises NotAuthenticated, DatabaseUnavailable."""
    if "identity" not in g:
        g.identity = None
        g.identity = _found()
        if g.identity is not None:
            sandbox.act_for(g.identity.owner)
    if g.identity is None:
        raise NotAuthenticated(SIGN_IN)
    return g.identity  # type: ignore[no-any-return]


def known() -> Identity | None:
    """The identity for a page's layout: None if nobody is signed in, or the database does not answer."""
    try:
        return identity()
    except LegworkError:
        return None


def current_owner() -> str:
    """The owner whose jobs and files this request may use."""
    return identity().owner


def is_bearer() -> bool:
    """Whether this request is authenticated by a token, which excludes CSRF."""
    return g.get("identity") is not None and g.identity.token is not None


def account() -> Any:
    """The account of this request. Raises NotFound if there are no accounts yet."""
    found = identity().account
    if found is None:
        raise NotFound("This site has no accounts yet. Everything belongs to a single user.")
    return found


def require_operator() -> None:
    """Raise NotFound unless this request comes from an operator, Forbidden if its token may not operate.

    Without accounts everybody is an operator.
    """
    who = identity()
    if who.token is not None:
        _check_token(who, "operator")
    if ROLES.index(who.role) < ROLES.index("operator"):
        raise NotFound(NO_PAGE)


def address() -> str:
    """The client's IP address, for the audit log."""
    return request.remote_addr or "unknown"


def counted_address() -> str:
    """The address whose wrong passwords are counted together: also behind a proxy that TRUSTED_PROXIES does not name."""
    return str(request.environ.get(CLAIMED, "")) or address()


def signing_in_is_needed() -> bool:
    """Whether this site has accounts, or others can reach it, directly or through a proxy."""
    state = current_app.extensions.setdefault("legwork_accounts", {"there": False})
    if not state["there"]:
        if "accounts_there" not in g:  # the same for the whole request
            g.accounts_there = not settings.current().this_machine_only or accounts.any_accounts()
        state["there"] = g.accounts_there
    return bool(state["there"])


def _found() -> Identity | None:
    if not signing_in_is_needed():
        return LOCAL
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        found = accounts.identity_of_token(token.strip())
        if found is None:
            raise NotAuthenticated("This token is unknown, expired or revoked. Make a new one on your account's page.")
        return found
    secret = session.get(COOKIE)
    return accounts.identity_of_session(secret) if isinstance(secret, str) else None


def _check_token(who: Identity, need: str) -> None:
    scope = NEEDED_SCOPES.get(need)
    if scope is None:
        raise Forbidden("A token cannot do this. Sign in with a browser.")
    if accounts.SCOPES.index(who.scope) < accounts.SCOPES.index(scope):
        raise Forbidden(f"This token has the scope {who.scope}; this request needs {scope}.")


def still(who: Identity) -> bool:
    """Whether an identity is still valid, as of a few seconds ago: for long streams. A database outage does not end them."""
    key = who.token or who.sign_in
    at, known = _still.get(key, (0.0, True))
    if time.monotonic() - at > STILL_SECONDS:
        _still[key] = time.monotonic(), known  # so that many streams of one identity make one query
        with suppress(DatabaseUnavailable):
            known = accounts.still_valid(who)
        if len(_still) > MOST_STILL:
            _still.clear()
        _still[key] = time.monotonic(), known
    return known

"""Who asks, and what a route needs of whoever asks.

A route that says nothing is closed: reading it takes a viewer, anything else a member. `@anybody`, `@person`, `@operators`
and `@admins` say otherwise. Without accounts, and reached from this machine only, there is one user, who may do all.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar
from uuid import UUID

from flask import Flask, current_app, g, request, session

from jobs.engine import accounts, settings
from jobs.engine.accounts import ROLES, Identity
from jobs.engine.errors import DatabaseUnavailable, Forbidden, LegworkError, NotAuthenticated, NotFound

LOCAL = Identity(owner="local", name="single user", role="admin")
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
COOKIE = "sign_in"  # in the session: the secret of this browser's sign-in

SIGN_IN = "Sign in first."
NO_PAGE = "There is no such page."
NEEDED_SCOPES = {"viewer": "read", "member": "write", "operator": "operate"}

STILL_SECONDS = 3.0
MOST_STILL = 10_000

_still: dict[UUID | None, tuple[float, bool]] = {}  # by sign-in or token: when it was looked at, and what was found

View = TypeVar("View", bound=Callable[..., Any])


def _needs(need: str) -> Callable[[View], View]:
    def mark(view: View) -> View:
        view.needs = need  # type: ignore[attr-defined]
        return view

    return mark


anybody = _needs("anybody")  # also who is not signed in
person = _needs("person")  # who signed in with a browser, whatever the role: what concerns the account itself
operators = _needs("operator")  # a page that others do not see at all
admins = _needs("admin")  # likewise, and never with a token


def close(app: Flask, prefix: str, need: str) -> None:
    """Have all routes whose endpoint begins like this need the same: those of others, which cannot be marked."""
    app.extensions.setdefault("needs", {})[prefix] = need


def check() -> None:
    """Refuse this request unless its route is open to whoever asks. Raises NotSignedIn, NotFound, Forbidden."""
    if request.routing_exception is not None:
        return  # there is no route: nothing to guard
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
            "Your account may look, and neither start nor change anything. An administrator can change its role."
        )
    raise NotFound(NO_PAGE)


def need_of(endpoint: str, method: str) -> str:
    """What a route needs: anybody, person, or one of ROLES."""
    by_prefix = (need for prefix, need in current_app.extensions["needs"].items() if endpoint.startswith(prefix))
    said = next(by_prefix, None) or getattr(current_app.view_functions.get(endpoint), "needs", None)
    return said or ("viewer" if method in SAFE_METHODS else "member")


def identity() -> Identity:
    """Who asks. Raises NotSignedIn, DatabaseAway."""
    if "identity" not in g:
        g.identity = None
        g.identity = _found()
    if g.identity is None:
        raise NotAuthenticated(SIGN_IN)
    return g.identity  # type: ignore[no-any-return]


def known() -> Identity | None:
    """Who asks, for what stands round a page: None where nobody is known, or the database does not answer."""
    try:
        return identity()
    except LegworkError:
        return None


def current_owner() -> str:
    """Whose jobs and files this request may see."""
    return identity().owner


def is_bearer() -> bool:
    """Whether this request came in by a token, which no other site can have put there."""
    return g.get("identity") is not None and g.identity.token is not None


def account() -> Any:
    """The account of who asks. Raises NotFound where there are none yet."""
    found = identity().account
    if found is None:
        raise NotFound("There are no accounts here: everything belongs to whoever uses this machine.")
    return found


def require_operator() -> None:
    """Raise NotFound unless this request comes from an operator; on a machine without accounts that is everybody."""
    if ROLES.index(identity().role) < ROLES.index("operator"):
        raise NotFound(NO_PAGE)


def address() -> str:
    """Where this request comes from, for the audit log and the throttle."""
    return request.remote_addr or "unknown"


def signing_in_is_needed() -> bool:
    """Whether this site has accounts, or is one that others can reach. Once it has, it is not asked again."""
    state = current_app.extensions.setdefault("legwork_accounts", {"there": False})
    if not state["there"]:
        if "accounts_there" not in g:  # a request is one person's throughout
            g.accounts_there = not settings.current().loopback or accounts.any_accounts()
        state["there"] = g.accounts_there
    return bool(state["there"])


def _found() -> Identity | None:
    if not signing_in_is_needed():
        return LOCAL
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        found = accounts.identity_of_token(token.strip())
        if found is None:
            raise NotAuthenticated(
                "This token is none of ours, or it has ended or was revoked. Make a new one on your account's page."
            )
        return found
    secret = session.get(COOKIE)
    return accounts.identity_of_session(secret) if isinstance(secret, str) else None


def _check_token(who: Identity, need: str) -> None:
    wanted = NEEDED_SCOPES.get(need)
    if wanted is None:
        raise Forbidden("A token cannot do this. Sign in with a browser.")
    if accounts.SCOPES.index(who.scope) < accounts.SCOPES.index(wanted):
        raise Forbidden(f"This token may {who.scope}, and this takes one that may {wanted}.")


def still(who: Identity) -> bool:
    """Whether who asked then may still ask, as of a few seconds ago: for answers that take long. Nothing ends with the database."""
    key = who.token or who.sign_in
    at, known = _still.get(key, (0.0, True))
    if time.monotonic() - at > STILL_SECONDS:
        _still[key] = time.monotonic(), known  # a thousand streams of one person ask once, not at the same time
        with suppress(DatabaseUnavailable):
            known = accounts.still_valid(who)
        if len(_still) > MOST_STILL:
            _still.clear()
        _still[key] = time.monotonic(), known
    return known

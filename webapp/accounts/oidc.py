"""Signing in through an OpenID provider: there, and back with a code that Authlib turns into checked claims.

Authlib holds state and nonce in the session, proves the code is ours (PKCE), and checks signature, audience, nonce and time.
An account belongs to a provider's subject, never to a name or an address of mail, which a provider may give to somebody else.
"""

from __future__ import annotations

import logging
import re
from typing import Any

from flask import Blueprint, current_app, request, session
from flask.typing import ResponseReturnValue

from jobs.engine import accounts, settings
from jobs.engine.errors import Conflict, Forbidden, InvalidParams, LegworkError, NotAuthenticated, NotFound
from webapp.accounts import sign_in
from webapp.http import identity
from webapp.http.guards import local_path
from webapp.http.identity import anybody

log = logging.getLogger(__name__)
blueprint = Blueprint("oidc", __name__)
TIMEOUT = 10  # seconds, for each question to the provider
NEXT = "after_provider"


class ProviderFailed(LegworkError):
    """The provider did not vouch for anybody."""

    reason = "provider_failed"


@blueprint.get("/login/provider")
@anybody
def leave() -> ResponseReturnValue:
    """To the provider's own page."""
    client = _client()
    session[NEXT] = local_path(request.args.get("next"))
    try:
        return client.authorize_redirect(f"{request.host_url}login/callback")  # type: ignore[no-any-return]
    except _failures() as error:
        return _failed(error)


@blueprint.get("/login/callback")
@anybody
def come_back() -> ResponseReturnValue:
    """Back from there, with a code or with why there is none."""
    client = _client()
    target = session.get(NEXT)
    try:
        claims = _claims(client)
    except _failures() as error:
        return _failed(error)
    subject, name = f"{claims['iss']} {claims['sub']}", _name(claims)
    chosen = settings.current()
    where = {"address": identity.address(), "browser": sign_in.browser()}
    try:
        secret = accounts.sign_in_by_provider(subject, name, new=chosen.oidc_new_accounts, **where)
    except (NotAuthenticated, Forbidden, Conflict, InvalidParams) as error:
        return sign_in.refused(error, 403)
    return sign_in.welcome(secret, target if isinstance(target, str) else None)


def _claims(client: Any) -> dict[str, Any]:
    token = client.authorize_access_token()
    claims = dict(token.get("userinfo") or {})
    if (
        claims.get("iss") != settings.current().oidc_issuer
        or not isinstance(claims.get("sub"), str)
        or not claims["sub"]
    ):
        raise ProviderFailed("the provider answered for another issuer, or for nobody")
    return claims


def _name(claims: dict[str, Any]) -> str:
    """A name for a new account out of what the provider says."""
    said = next(
        (claims[key] for key in ("preferred_username", "email") if isinstance(claims.get(key), str)), claims["sub"]
    )
    return re.sub(r"[^a-z0-9._@+-]+", "-", said.lower()).strip("-._@+")[:80] or "somebody"


def _client() -> Any:
    """Authlib's client of the provider, made at its first use. Raises NotFound where there is no provider."""
    chosen = settings.current()
    if not chosen.has_oidc or not identity.signing_in_is_needed():
        raise NotFound("There is no such page.")
    if "legwork_oidc" not in current_app.extensions:
        from authlib.integrations.flask_client import OAuth  # at first use: most sites have no provider

        current_app.extensions["legwork_oidc"] = OAuth(current_app).register(
            "provider",
            client_id=chosen.oidc_client_id,
            client_secret=chosen.oidc_client_secret,
            server_metadata_url=f"{chosen.oidc_issuer}/.well-known/openid-configuration",
            client_kwargs={
                "scope": "openid profile email",
                "code_challenge_method": "S256",
                "default_timeout": TIMEOUT,
            },
        )
    return current_app.extensions["legwork_oidc"]


def _failures() -> tuple[type[Exception], ...]:
    """What Authlib and its client raise for a provider that is away, says no, or says something wrong."""
    from authlib.common.errors import AuthlibBaseError
    from joserfc.errors import JoseError
    from requests import RequestException

    return AuthlibBaseError, JoseError, RequestException, ProviderFailed, ValueError, KeyError, TypeError, RuntimeError


def _failed(error: Exception) -> ResponseReturnValue:
    log.warning("signing in through the provider: %s: %s", type(error).__name__, error)
    sentence = "The provider did not sign you in. Try again; if it stays so, the log of this site says why."
    return sign_in.refused(ProviderFailed(sentence), 401)

"""Sign-in through an OpenID provider: redirect there, and back with a code that Authlib exchanges for checked claims.

Authlib stores state and nonce in the session, uses PKCE, and checks signature, audience, nonce and expiry. An account belongs
to the provider's subject, not to a name or mail address, which a provider may assign to another person later.
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
TIMEOUT = 10  # seconds, for each request to the provider
NEXT = "after_provider"


class ProviderFailed(LegworkError):
    """The provider's reply does not identify a person."""

    reason = "provider_failed"


@blueprint.get("/login/provider")
@anybody
def leave() -> ResponseReturnValue:
    """Redirect to the provider."""
    client = _client()
    session[NEXT] = local_path(request.args.get("next"))
    try:
        return client.authorize_redirect(f"{request.host_url}login/callback")  # type: ignore[no-any-return]
    except _failures() as error:
        return _failed(error)


@blueprint.get("/login/callback")
@anybody
def come_back() -> ResponseReturnValue:
    """The redirect back from the provider, with a code or an error."""
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
        str(claims.get("iss", "")).rstrip("/")
        != settings.current().oidc_issuer  # the setting is kept without the slash
        or not isinstance(claims.get("sub"), str)
        or not claims["sub"]
    ):
        raise ProviderFailed("the provider's reply has another issuer, or no subject")
    return claims


def _name(claims: dict[str, Any]) -> str:
    """A name for a new account, from the provider's claims."""
    claimed = next(
        (claims[key] for key in ("preferred_username", "email") if isinstance(claims.get(key), str)), claims["sub"]
    )
    return re.sub(r"[^a-z0-9._@+-]+", "-", claimed.lower()).strip("-._@+")[:80] or "somebody"


def _client() -> Any:
    """Authlib's client of the provider, created at its first use. Raises NotFound if there is no provider."""
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
    """The exceptions of Authlib and its HTTP client for a provider that does not answer, refuses, or replies wrongly."""
    from authlib.common.errors import AuthlibBaseError
    from joserfc.errors import JoseError
    from requests import RequestException

    return AuthlibBaseError, JoseError, RequestException, ProviderFailed, ValueError, KeyError, TypeError, RuntimeError


def _failed(error: Exception) -> ResponseReturnValue:
    log.warning("signing in through the provider: %s: %s", type(error).__name__, error)
    sentence = "The provider did not sign you in. Try again; if it fails again, see this site's log for the reason."
    return sign_in.refused(ProviderFailed(sentence), 401)

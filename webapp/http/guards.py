"""The checks before every route: Host, Origin, size limits, authentication (identity.py), CSRF; and the security headers.

Any page open in a browser can send requests to this site, even on loopback. So the Host header must be a known name (against
DNS rebinding), a form must have its CSRF token, and a state-changing API request with only a cookie must come from a page
of this site.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, abort, current_app, request
from flask.sessions import SecureCookieSessionInterface
from flask_wtf import CSRFProtect
from flask_wtf.csrf import validate_csrf
from itsdangerous import URLSafeTimedSerializer
from werkzeug.exceptions import SecurityError
from wtforms import ValidationError

from jobs.engine.platforms import ANY_HOST
from jobs.engine.secret_key import made_secret_key
from jobs.engine.settings import Settings, is_loopback
from webapp.http import identity
from webapp.http.identity import SAFE_METHODS, current_owner, require_operator
from webapp.http.proxies import Forwarded

__all__ = ["current_owner", "require_operator"]

PROBES = ("health.healthz", "health.readyz")
LOCAL_OWNER = identity.LOCAL.owner  # without accounts
API_PREFIXES = ("/api/", "/v1/")

MAX_STRANGERS_BYTES = 64 * 1024  # of a body of any type, on routes that need no sign-in
MAX_JSON_BYTES = 1_000_000
MAX_FORM_BYTES = 2_000_000  # of text fields
MAX_FORM_PARTS = 1_000
UPLOAD_SLACK_BYTES = MAX_FORM_BYTES + 1_000_000  # what surrounds a file in a multipart body

UPLOAD_TYPE = "application/offset+octet-stream"  # bytes of an upload that can be resumed; streamed into storage

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "private, no-cache",
}

TLS_ONLY = "max-age=31536000"  # seconds: a year
SESSION_LIFE = timedelta(days=90)  # of the cookie; the row of the sign-in expires earlier

csrf = CSRFProtect()


def guard(app: Flask, settings: Settings) -> None:
    """Install the checks for all routes. Raises SettingsError if the settings would be insecure."""
    app.config.update(
        SECRET_KEY=_secret_key(settings),
        OWN_HOSTS={"localhost", settings.host.lower(), *(host.lower() for host in settings.trusted_hosts)},
        # One cookie for all webs of a site, whatever their ports; but cookies ignore ports, and one machine may run two sites.
        SESSION_COOKIE_NAME=f"legwork_{settings.port}" if settings.this_machine_only else "legwork",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=SESSION_LIFE,
        SESSION_REFRESH_EACH_REQUEST=False,
        MAX_CONTENT_LENGTH=settings.max_upload_bytes + UPLOAD_SLACK_BYTES,
        MAX_FORM_MEMORY_SIZE=MAX_FORM_BYTES,
        MAX_FORM_PARTS=MAX_FORM_PARTS,
        WTF_CSRF_TIME_LIMIT=None,  # the token ends with the session, so that a form can stay open for long
    )
    app.session_interface = _Cookie()
    app.wsgi_app = Forwarded(app.wsgi_app, settings.trusted_proxies)  # type: ignore[method-assign]
    identity.close(app, "static", "anybody")
    app.before_request(_refuse_other_hosts)
    app.before_request(_refuse_embedding)
    app.before_request(identity.check)  # before a body is read: nobody who is not signed in sends a large one
    app.before_request(_limit_body)
    app.before_request(_refuse_other_sites)
    csrf.init_app(app)
    app.after_request(_add_headers)


def local_path(target: str | None, default: str = "/") -> str:
    """The target if it is a path on this site, or else the default (against open redirects)."""
    if not target or not re.fullmatch(r"/(?![/\\])[!-~]*", target) or "\\" in target:
        return default
    parts = urlsplit(target)
    return default if parts.scheme or parts.netloc else target


class _Cookie(SecureCookieSessionInterface):
    """A session cookie that over TLS is Secure, and bound to this host by its name: no other host of the domain can set it."""

    _signing: URLSafeTimedSerializer | None = None

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """Cached, because the key does not change."""
        self._signing = self._signing or super().get_signing_serializer(app)
        return self._signing

    def get_cookie_name(self, app: Flask) -> str:
        name = super().get_cookie_name(app)
        return f"__Host-{name}" if request.is_secure else name

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure


def is_api_path() -> bool:
    return request.path.startswith(API_PREFIXES)


def _secret_key(settings: Settings) -> str:
    settings.refuse_open_host()
    return made_secret_key(settings)


def _refuse_other_hosts() -> None:
    """Refuse unknown host names: after DNS rebinding, a page of evil.example still sends its own name as Host.

    Probes of platforms come by address, and are answered by any name.
    """
    if request.endpoint in PROBES:
        return
    if "HTTP_HOST" not in request.environ and request.environ.get("SERVER_PROTOCOL") == "HTTP/1.1":
        raise SecurityError  # HTTP/1.1 requires a Host; health checks of load balancers with HTTP/1.0 have none
    name = _host_name()
    own = current_app.config["OWN_HOSTS"]
    if name not in own and not is_loopback(name) and not (name and ANY_HOST in own):
        raise SecurityError


def _host_name() -> str:
    """The host name of the request without the port; empty if it is missing or malformed."""
    return _name_in(request.host)


@lru_cache(maxsize=256)
def _name_in(host: str) -> str:
    try:
        parts = urlsplit(f"//{host}")
        return (parts.hostname or "") if parts.port != 0 else ""
    except ValueError:
        return ""


def _limit_body() -> None:
    """Limit the body by its route and type; one with a larger Content-Length is refused before it is read."""
    if not has_body(request.environ) or request.routing_exception:
        return
    open_to_all = identity.need_of(request.endpoint or "", request.method) == "anybody"
    if request.mimetype == "multipart/form-data" and not open_to_all:
        return
    if request.mimetype == UPLOAD_TYPE and request.blueprint == "uploads":
        return
    most = MAX_STRANGERS_BYTES if open_to_all else MAX_JSON_BYTES if is_api_path() else MAX_FORM_BYTES
    if (request.content_length or 0) > most:
        abort(413)
    request.max_content_length = most + 1  # werkzeug silently truncates a chunked body there
    body = request.get_data()
    if len(body) > most:
        abort(413)
    if request.mimetype == "application/x-www-form-urlencoded" and body.count(b"&") >= MAX_FORM_PARTS:
        abort(413)  # werkzeug limits the number of parts only for multipart bodies


def has_body(environ: Mapping[str, Any]) -> bool:
    """Whether the request may have a body."""
    return environ.get("CONTENT_LENGTH", "0") not in ("", "0") or "HTTP_TRANSFER_ENCODING" in environ


def _refuse_embedding() -> None:
    """Refuse what a page of another site loads into itself, and its forms, before their bodies are read. Links are fine."""
    if request.headers.get("Sec-Fetch-Site", "none") in ("same-origin", "none") or identity.is_bearer():
        return
    how = (request.headers.get("Sec-Fetch-Mode"), request.headers.get("Sec-Fetch-Dest"))
    if how != ("navigate", "document") or request.method not in SAFE_METHODS:
        abort(403, "This request comes from a page of another site, which may link to this one and nothing else.")


def _refuse_other_sites() -> None:
    """Refuse state-changing API requests from other sites, by the browser's Origin headers. Forms have their CSRF token."""
    if request.method in SAFE_METHODS or not is_api_path() or identity.is_bearer() or request.routing_exception:
        return  # without a route, nothing is changed
    origin = request.headers.get("Origin")
    site = request.headers.get("Sec-Fetch-Site", "none")
    if (origin is not None and origin not in _own_origins()) or site not in ("same-origin", "none"):
        abort(403, "This request comes from another site. Only pages of this site may change anything here.")
    if origin is None and site == "none" and identity.signing_in_is_needed() and not _has_csrf_token():
        abort(403, "Send a page's X-CSRFToken with this request, or use an API token instead of a cookie.")


def _has_csrf_token() -> bool:
    try:
        validate_csrf(request.headers.get("X-CSRFToken"))
    except ValidationError:
        return False
    return True


def _own_origins() -> set[str]:
    """The valid values of Origin for this site. Behind a proxy that terminates TLS they include https."""
    own = {f"{request.scheme}://{request.host}"}
    return own if is_loopback(_host_name()) else own | {f"https://{request.host}"}


def _add_headers(response: Response) -> Response:
    there = {name.lower() for name, _ in response.headers}
    response.headers.extend([header for header in HEADERS.items() if header[0].lower() not in there])
    if request.is_secure:
        response.headers["Strict-Transport-Security"] = TLS_ONLY
    if request.endpoint == "static" and response.status_code in (200, 304):
        response.headers["Cache-Control"] = "public, max-age=3600" if not current_app.debug else "no-cache"
    return response

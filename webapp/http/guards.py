"""The checks before every route: Host and Origin, size limits, who asks (identity.py), CSRF; and the security headers.

Any web page that a person has open can send requests to this site too, to one on loopback as well. So a request must be
addressed to it by a name of its own (no DNS rebinding), a form must carry its token, and a state-changing API request must
not come from another site: what only a cookie vouches for must show that it comes from a page of ours.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, abort, current_app, request
from flask.sessions import SecureCookieSessionInterface
from flask_wtf import CSRFProtect
from flask_wtf.csrf import validate_csrf
from itsdangerous import URLSafeTimedSerializer
from werkzeug.exceptions import SecurityError
from wtforms import ValidationError

from jobs.engine.settings import Settings, is_loopback
from webapp.http import identity
from webapp.http.identity import SAFE_METHODS, current_owner, require_operator
from webapp.http.proxies import Forwarded

__all__ = ["current_owner", "require_operator"]

LOCAL_OWNER = identity.LOCAL.owner  # without accounts
API_PREFIXES = ("/api/", "/v1/")

MAX_JSON_BYTES = 1_000_000
MAX_FORM_BYTES = 2_000_000  # of text fields
MAX_FORM_PARTS = 1_000
UPLOAD_SLACK_BYTES = MAX_FORM_BYTES + 1_000_000  # what surrounds a file in a multipart body

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

TLS_ONLY = "max-age=31536000"  # a year in which a browser does not try plain HTTP here
SESSION_LIFE = timedelta(days=90)  # the row of a sign-in ends it earlier

csrf = CSRFProtect()


def guard(app: Flask, settings: Settings) -> None:
    """Put every check in front of every route. Raises SettingsError where the settings would leave the door open."""
    app.config.update(
        SECRET_KEY=_secret_key(settings),
        OWN_HOSTS={"localhost", settings.host.lower(), *(host.lower() for host in settings.trusted_hosts)},
        SESSION_COOKIE_NAME=f"legwork_{settings.port}",  # cookies do not tell ports apart, and two Legworks may share a host
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=SESSION_LIFE,
        SESSION_REFRESH_EACH_REQUEST=False,
        MAX_CONTENT_LENGTH=settings.max_upload_bytes + UPLOAD_SLACK_BYTES,
        MAX_FORM_MEMORY_SIZE=MAX_FORM_BYTES,
        MAX_FORM_PARTS=MAX_FORM_PARTS,
        WTF_CSRF_TIME_LIMIT=None,  # a form may stay open over lunch; its token ends with the session
    )
    app.session_interface = _Cookie()
    app.wsgi_app = Forwarded(app.wsgi_app, settings.trusted_proxies)  # type: ignore[method-assign]
    identity.close(app, "static", "anybody")
    app.before_request(_refuse_other_hosts)
    app.before_request(_limit_body)
    app.before_request(identity.check)
    app.before_request(_refuse_other_sites)
    csrf.init_app(app)
    app.after_request(_add_headers)


def local_path(target: str | None, default: str = "/") -> str:
    """A `next` target if it is a path of this site, else the default: never another host, scheme or header line."""
    if not target or not re.fullmatch(r"/(?![/\\])[!-~]*", target) or "\\" in target:
        return default
    parts = urlsplit(target)
    return default if parts.scheme or parts.netloc else target


class _Cookie(SecureCookieSessionInterface):
    """The session's cookie goes back over TLS only, where it came over TLS."""

    _signing: URLSafeTimedSerializer | None = None

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """Made once: the key is that of the process."""
        self._signing = self._signing or super().get_signing_serializer(app)
        return self._signing

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure


def is_api_path() -> bool:
    return request.path.startswith(API_PREFIXES)


def _secret_key(settings: Settings) -> str:
    settings.refuse_open_host()
    return settings.secret_key or _kept_secret(settings.data_dir / "secret_key")


def _kept_secret(path: Path) -> str:
    """A secret for this data folder, made once, so that sessions outlive a restart and all web processes agree."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_hex(32))
    try:
        os.link(draft, path)  # the first of several processes wins, and nobody reads half a secret
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text().strip()


def _refuse_other_hosts() -> None:
    """A page of evil.example whose name now resolves to 127.0.0.1 still sends its own name; an address cannot be rebound."""
    if "HTTP_HOST" not in request.environ and request.environ.get("SERVER_PROTOCOL") == "HTTP/1.1":
        raise SecurityError  # who speaks HTTP/1.1 names a host; the balancers that look with 1.0 do not
    name = _host_name()
    if name not in current_app.config["OWN_HOSTS"] and not is_loopback(name):
        raise SecurityError


def _host_name() -> str:
    """The host that the request is addressed to, without its port; empty if there is none that makes sense."""
    return _name_in(request.host)


@lru_cache(maxsize=256)
def _name_in(host: str) -> str:
    try:
        parts = urlsplit(f"//{host}")
        return (parts.hostname or "") if parts.port != 0 else ""
    except ValueError:
        return ""


def _limit_body() -> None:
    """Each kind of body has its own limit; one that says it is longer is refused before it is read."""
    if not has_body(request.environ) or request.mimetype == "multipart/form-data":
        return
    most = MAX_JSON_BYTES if is_api_path() else MAX_FORM_BYTES
    if (request.content_length or 0) > most:
        abort(413)
    request.max_content_length = most + 1  # werkzeug cuts a chunked body off there, and does not say so
    body = request.get_data()
    if len(body) > most:
        abort(413)
    if request.mimetype == "application/x-www-form-urlencoded" and body.count(b"&") >= MAX_FORM_PARTS:
        abort(413)  # werkzeug counts the parts of multipart bodies only


def has_body(environ: Mapping[str, Any]) -> bool:
    """Whether anything can follow the headers of this request."""
    return environ.get("CONTENT_LENGTH", "0") not in ("", "0") or "HTTP_TRANSFER_ENCODING" in environ


def _refuse_other_sites() -> None:
    """A browser says where a request comes from. Forms have their token; the API has this."""
    if request.method in SAFE_METHODS or not is_api_path() or identity.is_bearer() or request.routing_exception:
        return  # nothing is changed where there is no route
    origin = request.headers.get("Origin")
    site = request.headers.get("Sec-Fetch-Site", "none")
    if (origin is not None and origin not in _own_origins()) or site not in ("same-origin", "none"):
        abort(403, "This request comes from another site, and only pages of this site may change anything here.")
    if origin is None and site == "none" and identity.signing_in_is_needed() and not _has_csrf_token():
        abort(403, "Send the X-CSRFToken of a page with this, or use a token of your account instead of a cookie.")


def _has_csrf_token() -> bool:
    try:
        validate_csrf(request.headers.get("X-CSRFToken"))
    except ValidationError:
        return False
    return True


def _own_origins() -> set[str]:
    """How a page of this site names its origin. Behind a proxy that ends TLS the page says https where we see http."""
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

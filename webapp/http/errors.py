"""Error responses: a page for people, application/problem+json (RFC 9457) for programs."""

from __future__ import annotations

import logging
import secrets
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from flask import Flask, Response, json, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, SecurityError

from jobs.engine.errors import (
    BadInput,
    BrokerUnavailable,
    Conflict,
    DatabaseUnavailable,
    FieldError,
    Forbidden,
    InvalidParams,
    KindUnavailable,
    LegworkError,
    NotAuthenticated,
    NotFound,
    SettingsError,
    TooLarge,
    TooMany,
)
from webapp.http.guards import is_api_path

log = logging.getLogger(__name__)

PROBLEM = "application/problem+json"
RETRY_SECONDS = 5
MOST_ERRORS = 100  # fields in one response
MOST_NAME = 200  # characters of a field's name, which may come from the client

STATUSES: dict[type[LegworkError], int] = {
    InvalidParams: 422,
    BadInput: 422,
    NotFound: 404,
    NotAuthenticated: 401,
    Forbidden: 403,
    Conflict: 409,
    KindUnavailable: 409,
    TooLarge: 413,
    TooMany: 429,
    DatabaseUnavailable: 503,
    BrokerUnavailable: 503,
    SettingsError: 503,
}

SENTENCES = {
    400: "The request cannot be understood. Check its address and body.",
    401: "Sign in first.",
    403: "This is not allowed.",
    404: "There is nothing at this address. It may have been deleted, or the address may be mistyped.",
    405: "This address does not support that method.",
    413: "The request is larger than this address accepts. Send less at once.",
    415: "This address does not accept that type of body.",
    429: "There were too many requests in a short time. Wait a moment and try again.",
}


class Malformed(LegworkError):
    """The body does not match its content type, for example because it is not JSON."""

    reason = "malformed"


def answer_errors(app: Flask) -> None:
    """Register the error handlers for all routes."""
    app.register_error_handler(LegworkError, _legwork_error)
    app.register_error_handler(NotAuthenticated, not_signed_in)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)


def problem(
    status: int, sentence: str, *, reason: str | None = None, errors: list[FieldError] | None = None
) -> Response:
    """The error as application/problem+json."""
    body: dict[str, Any] = {"type": "about:blank", "title": _title(status), "status": status, "detail": sentence}
    if reason:
        body["reason"] = reason
    if errors is not None:
        listed = errors[:MOST_ERRORS]
        body["errors"] = [{"field": error.field[:MOST_NAME], "message": error.message} for error in listed]
    return Response(json.dumps(body), status, content_type=PROBLEM)


def answer(
    status: int, sentence: str, *, reason: str | None = None, errors: list[FieldError] | None = None
) -> Response:
    """The error as a page or as JSON, by what the client accepts."""
    if _wants_json():
        return problem(status, sentence, reason=reason, errors=errors)
    return _page(status, sentence)


def _legwork_error(error: LegworkError) -> Response:
    status = _status(error)
    fields = error.errors if isinstance(error, InvalidParams) else None
    if status >= 500:
        log.warning("%s %s: %s", request.method, request.path, error.message)
    response = answer(status, error.message, reason=error.reason, errors=fields)
    if error.retryable:
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def not_signed_in(error: NotAuthenticated) -> ResponseReturnValue:
    """Redirect a person to the sign-in page; answer a program with 401."""
    by_script = request.headers.get("HX-Request")
    for_programs = _wants_json() or request.path == "/metrics"
    if not by_script and not for_programs and request.headers.get("X-Requested-With") is None:
        back = request.full_path.rstrip("?") if request.method == "GET" else ""
        return redirect(f"/login?{urlencode({'next': back})}" if back and back != "/" else "/login", 303)
    response = problem(401, error.message, reason=error.reason)
    response.headers["WWW-Authenticate"] = 'Bearer realm="Legwork"'
    if by_script:
        response.headers["HX-Redirect"] = "/login"
    return response


def _status(error: LegworkError) -> int:
    if isinstance(error, Malformed):
        return 400
    for known, status in STATUSES.items():
        if isinstance(error, known):
            return status
    return 503 if error.retryable else 409


def _http_error(error: HTTPException) -> ResponseReturnValue:
    status = error.code or 500
    if isinstance(error, SecurityError):
        return _wrong_host()
    if status < 400:
        return error  # a redirect of the URL router
    response = answer(status, _sentence(error))
    for name, value in error.get_headers():
        if name not in ("Content-Type", "Content-Length"):
            response.headers[name] = value
    return response


def _sentence(error: HTTPException) -> str:
    """The exception's own description if it has one, or else the sentence for its status."""
    if isinstance(error, CSRFError):
        return "This form belongs to an earlier session or another site. Nothing was changed; reload the page and send it again."
    own = error.description if error.description != type(error).description else None
    return own or SENTENCES.get(error.code or 500) or error.description or "Something went wrong."


def _wrong_host() -> Response:
    """Plain text, because the links of a page cannot be built for an unknown host."""
    sentence = "This server does not answer to that host name. An operator can add it to TRUSTED_HOSTS."
    return problem(400, sentence, reason="untrusted_host") if is_api_path() else _plain(400, sentence)


def _unexpected(error: Exception) -> Response:
    """An unexpected error: the response has the number by which the traceback is found in the log."""
    number = secrets.token_hex(4)
    log.error("fault %s at %s %s", number, request.method, request.path, exc_info=error)
    return answer(500, f"Something went wrong on the server. Its log has the details under {number}.")


def _wants_json() -> bool:
    if is_api_path():
        return True
    accepted = request.accept_mimetypes
    return accepted["application/json"] > accepted["text/html"] or accepted[PROBLEM] > accepted["text/html"]


def _page(status: int, sentence: str) -> Response:
    quiet = {"running": _nothing} if status >= 500 else {}  # the menu must not query a database that does not answer
    try:
        return Response(
            render_template("error.html", status=status, title=_title(status), sentence=sentence, **quiet), status
        )
    except Exception:  # the error page must not fail for the same reason
        log.exception("the error page cannot be shown")
        return _plain(status, sentence)


def _nothing() -> None:
    return None


def _plain(status: int, sentence: str) -> Response:
    return Response(sentence + "\n", status, content_type="text/plain; charset=utf-8")


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase.capitalize()
    except ValueError:
        return "Error"

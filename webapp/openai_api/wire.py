"""What all of /v1 shares: its blueprint, and errors as OpenAI's clients read them."""

from __future__ import annotations

import secrets
from typing import Any

from flask import Blueprint, Response, jsonify
from werkzeug.exceptions import HTTPException

from jobs.engine.errors import InvalidParams, LegworkError
from webapp.http import parsing

blueprint = Blueprint("completions", __name__, url_prefix="/v1")
_STATUSES = {
    "provider_busy": 429, "too_many": 429, "provider_refused": 400, "provider_away": 502, "provider_unwell": 502,
    "provider_broke": 502, "provider_silent": 504, "no_model": 404, "invalid_params": 400, "malformed": 400,
    "not_signed_in": 401, "forbidden": 403, "not_found": 404, "bad_input": 400, "conflict": 409, "too_large": 413,
    "storage_full": 413, "file_missing": 404, "allowance_used": 429,
}  # fmt: skip
_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
_CODES = {"no_model": "model_not_found", "not_signed_in": "invalid_api_key", "provider_busy": "rate_limit_exceeded"}


@blueprint.route("/<path:name>", methods=["GET", "POST", "DELETE"])
def other(name: str) -> Response:
    """What OpenAI has and this site has not, in the words that its clients show."""
    raise LegworkError(
        f"There is no /v1/{parsing.printable(name)} here. There are models, chat/completions, embeddings, files and batches.",
        reason="not_found",
    )


@blueprint.after_request
def _number(response: Response) -> Response:
    response.headers["x-request-id"] = f"req_{secrets.token_hex(8)}"
    return response


@blueprint.errorhandler(HTTPException)
def refused(error: HTTPException) -> Response:
    """What is refused before a route sees it: a body of another type or too large, a method that there is not."""
    status = 400 if error.code in (415, 422) else error.code or 500
    response = jsonify(problem(LegworkError(error.description or error.name, reason="malformed"), status))
    response.status_code = status
    return response


@blueprint.errorhandler(LegworkError)
def in_their_words(error: LegworkError) -> Response:
    """An error as OpenAI's clients read it."""
    status = _STATUSES.get(error.reason, 503 if error.retryable else 502)
    response = jsonify(problem(error, status))
    response.status_code = status
    if response.status_code == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="Legwork"'
    if (seconds := getattr(error, "retry_after", None)) is not None:
        response.headers["Retry-After"] = str(round(seconds + 0.5))
    return response


def problem(error: LegworkError, status: int = 500) -> dict[str, Any]:
    """The body of an error."""
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    param = error.errors[0].field or None if isinstance(error, InvalidParams) else None
    code = _CODES.get(error.reason, error.reason)
    return {"error": {"message": error.message, "type": kind, "param": param, "code": code}}

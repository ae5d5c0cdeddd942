"""Operations of the JSON API: a view with its summary, its body, its answer and its errors, from which OpenAPI is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

import flask
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from jobs.engine.errors import LegworkError
from webapp.api.parameters import Parameter, Schema
from webapp.api.records import Body, Located, Record
from webapp.http.identity import current_owner

POLL_SECONDS = 1

View = Callable[..., Record | Response | None]


@dataclass(frozen=True)
class Content:
    """A body that is no record: its media type and its JSON schema."""

    media_type: str
    schema: Schema


@dataclass(frozen=True)
class Operation:
    """What the description of the API says of one view. `problems`: beside those that follow from the rest."""

    name: str
    summary: str
    answer: str
    returns: type[Record] | Content | None
    status: int
    body: type[Body] | Content | None
    parameters: Sequence[Parameter]
    problems: Sequence[int]


def operation(
    summary: str,
    answer: str,
    returns: type[Record] | Content | None = None,
    *,
    status: int = 0,
    body: type[Body] | Content | None = None,
    lookup: Callable[[str, str], object] | None = None,
    parameters: Sequence[Parameter] = (),
    problems: Sequence[int] = (),
) -> Callable[[View], Callable[..., Response]]:
    """Make a view an operation. A view returns its record, nothing, or a response of its own.

    status: 200, or 204 where nothing is returned, unless it is given. The view gets a `body` as an argument.
    lookup: finds the record of the first id in the address, for an owner, or raises NotFound. It is called where the body
    does not fit, because a wrong body for a record that is not there, or not theirs, is answered by 404.
    """
    sent = status or (200 if returns else 204)

    def made(view: View) -> Callable[..., Response]:
        @wraps(view)
        def answered(**address: str) -> Response:
            given = {"body": _read(body, lookup, address)} if isinstance(body, type) else {}
            return _response(view(**address, **given), sent)

        described = Operation(view.__name__, summary, answer, returns, sent, body, parameters, problems)
        answered.operation = described  # type: ignore[attr-defined]
        return answered

    return made


def _read(body: type[Body], lookup: Callable[[str, str], object] | None, address: dict[str, str]) -> Body:
    try:
        return body.read()
    except (LegworkError, HTTPException):
        if lookup is not None:
            lookup(next(iter(address.values())), current_owner())
        raise


def _response(found: Record | Response | None, status: int) -> Response:
    if isinstance(found, Response):
        return found
    if found is None:
        return flask.Response(status=status)
    response = flask.Response(found.model_dump_json(), status, content_type="application/json")
    if isinstance(found, Located) and status in (201, 202):
        response.headers["Location"] = found.url
        if found.POLLED and not found.ended:
            response.headers["Retry-After"] = str(POLL_SECONDS)
    return response


def operation_of(view: Any) -> Operation:
    """What was said of a view with `operation`."""
    found: Operation = view.operation
    return found

"""For supervisors and monitors: is the process up, can it take submissions, and the figures of the queues."""

from __future__ import annotations

from contextlib import suppress

from flask import Blueprint, Response

from jobs.engine import operations
from jobs.engine.errors import DatabaseUnavailable, LegworkError
from webapp.http.identity import anybody, require_operator

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
@anybody
def healthz() -> Response:
    """200 while the process answers at all."""
    return _plain(200, "ok")


@blueprint.get("/readyz")
@anybody
def readyz() -> Response:
    """200 while submissions can be taken. A broker that is down does not matter: the row waits for it."""
    try:
        operations.check_ready()
    except LegworkError as error:
        return _plain(503, error.message)
    return _plain(200, "ok")


@blueprint.get("/metrics")
@anybody
def figures() -> Response:
    """For operators. A database that is away can vouch for nobody, and that it is away is the figure to show then."""
    with suppress(DatabaseUnavailable):
        require_operator()
    from webapp.operations import metrics  # not above: most web processes are never asked

    return Response(metrics.exposition(), content_type=metrics.CONTENT_TYPE)


def _plain(status: int, sentence: str) -> Response:
    return Response(
        sentence + "\n", status, content_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-store"}
    )

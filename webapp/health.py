"""For supervisors and monitors: is the process up, can it take submissions, and the figures of the queues."""

from __future__ import annotations

from flask import Blueprint, Response

from jobs.engine import queries
from jobs.engine.errors import LegworkError

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """200 while the process answers at all."""
    return _plain(200, "ok")


@blueprint.get("/readyz")
def readyz() -> Response:
    """200 while submissions can be taken. A broker that is down does not matter: the row waits for it."""
    try:
        queries.ready()
    except LegworkError as error:
        return _plain(503, error.message)
    return _plain(200, "ok")


@blueprint.get("/metrics")
def figures() -> Response:
    from webapp import metrics  # not above: most web processes are never asked

    return Response(metrics.exposition(), content_type=metrics.CONTENT_TYPE)


def _plain(status: int, sentence: str) -> Response:
    return Response(
        sentence + "\n", status, content_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-store"}
    )

"""Endpoints for monitoring: /healthz, /readyz and /metrics."""

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
    """200 while jobs can be submitted. That does not need the broker."""
    try:
        operations.check_ready()
    except LegworkError as error:
        return _plain(503, error.message)
    return _plain(200, "ok")


@blueprint.get("/metrics")
@anybody
def figures() -> Response:
    """Metrics, for operators. While the database does not answer, nobody can be authenticated, and only that is reported."""
    with suppress(DatabaseUnavailable):
        require_operator()
    from webapp.operations import metrics  # at first use: most sites do not scrape metrics

    return Response(metrics.exposition(), content_type=metrics.CONTENT_TYPE)


def _plain(status: int, sentence: str) -> Response:
    return Response(
        sentence + "\n", status, content_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-store"}
    )

"""Webhooks of the provider: a batch of a job has ended, so the clock need not wait until it looks the next time."""

from __future__ import annotations

import json

from flask import Blueprint, Response, abort, request

from jobs.engine import queue, sandbox, settings
from webapp.http.identity import anybody

blueprint = Blueprint("provider_events", __name__)
MOST_ID = 200  # characters of a batch's id


@blueprint.post("/hooks/openai")
@anybody
def hear() -> Response:
    """Believed only where its signature is right: it makes the clock ask the provider, and says nothing by itself."""
    secret = settings.current().provider_webhook_secret
    if not secret:
        abort(404)
    headers = {name.lower(): value for name, value in request.headers.items()}
    if not sandbox.is_signed(secret, headers, request.get_data()):
        abort(400, "The signature of this webhook is not right. Compare OPENAI_WEBHOOK_SECRET.")
    try:
        event = json.loads(request.get_data())
        kind, batch_id = str(event["type"]), str(event["data"]["id"])[:MOST_ID]
    except (ValueError, KeyError, TypeError, RecursionError):
        abort(400, "This webhook is no event with data and an id.")
    if kind.startswith("batch.") and batch_id.isprintable():
        queue.batches.look_soon(batch_id)
    return Response(status=204)

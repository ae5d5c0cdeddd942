"""The page with the webhook secret, and how receivers verify signatures."""

from __future__ import annotations

from flask import Blueprint, render_template

from jobs.engine import queue
from webapp.http.identity import operators

blueprint = Blueprint("webhooks", __name__)


@blueprint.get("/webhooks")
@operators
def index() -> str:
    return render_template("operations/webhooks.html", secret=queue.webhook_secret())

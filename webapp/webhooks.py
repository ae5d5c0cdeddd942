"""How a receiver knows that a request comes from here: the secret, and how it is checked."""

from __future__ import annotations

from flask import Blueprint, render_template

from jobs.engine import queries
from webapp import access

blueprint = Blueprint("webhooks", __name__)


@blueprint.get("/webhooks")
def index() -> str:
    access.require_operator()
    return render_template("webhooks.html", secret=queries.webhook_secret())

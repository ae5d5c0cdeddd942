"""The layout of all pages: menu and theme."""

from __future__ import annotations

from functools import cache, partial
from typing import Any, cast

from flask import Blueprint, Flask, current_app, make_response, redirect, request
from flask.blueprints import BlueprintSetupState
from werkzeug.routing import Map
from werkzeug.wrappers import Response

from jobs.engine import accounts, queue, settings
from jobs.engine.errors import LegworkError
from webapp.http import identity
from webapp.http.guards import current_owner, local_path
from webapp.http.identity import anybody
from webapp.ui import words

blueprint = Blueprint("theme", __name__)
THEMES = ("system", "light", "dark")
A_YEAR = 365 * 86400
MENU = (
    ("/", "Catalogue"),
    ("/jobs", "Jobs"),
    ("/library", "Library"),
    ("/chat", "Chat"),
    ("/schedules", "Schedules"),
    ("/outbox", "Outbox"),
    ("/operations", "Operations"),
)


@blueprint.record_once
def _install(state: BlueprintSetupState) -> None:
    words.install(cast(Flask, state.app))


@blueprint.app_context_processor
def _site() -> dict[str, Any]:
    theme = request.cookies.get("theme", "system")
    viewer = identity.known()
    return {
        "viewer": viewer,
        "theme": theme if theme in THEMES else "system",
        "menu": partial(_menu, viewer),
        "running": _running,
        "this_machine": settings.current().this_machine_only,
    }


@blueprint.post("/theme")
@anybody
def choose() -> Response:
    """Store the theme in a cookie and return to the page."""
    response = make_response(redirect(local_path(request.form.get("next")), 303))
    theme = request.form.get("theme", "")
    response.set_cookie("theme", theme if theme in THEMES else "system", max_age=A_YEAR, samesite="Lax", httponly=True)
    return response


def _menu(viewer: accounts.Identity | None) -> list[tuple[str, str]]:
    """The menu entries that the viewer may open. The outbox is one only while mail is not set up."""
    there = _addresses(current_app.url_map)
    there -= {"/outbox"} if settings.current().smtp_url else set()
    there -= set() if viewer and viewer.role in ("operator", "admin") else {"/operations"}
    return [(path, name) for path, name in MENU if path in there]


@cache
def _addresses(rules: Map) -> frozenset[str]:
    return frozenset(rule.rule.rstrip("/") or "/" for rule in rules.iter_rules())


def _running() -> int | None:
    """The number of the viewer's running jobs, for the menu; None if the database does not answer."""
    try:
        return queue.working_count(current_owner())
    except LegworkError:
        return None

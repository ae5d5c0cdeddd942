"""The page of all owners' schedules, for operators."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request
from werkzeug.wrappers import Response

from jobs.engine import operations
from webapp.http import identity
from webapp.http.identity import operators
from webapp.jobs import catalogue
from webapp.schedules import cron_words

blueprint = Blueprint("oversight", __name__, url_prefix="/operations/schedules")


@blueprint.get("")
@operators
def index() -> str:
    page = operations.list_all_schedules(after=request.args.get("after") or None)
    return render_template(
        "operations/schedules.html", page=page, titles=catalogue.titles(), in_words=cron_words.in_words
    )


@blueprint.post("/<schedule_id>/pause")
@operators
def pause(schedule_id: str) -> Response:
    return _change(schedule_id, paused=True)


@blueprint.post("/<schedule_id>/resume")
@operators
def resume(schedule_id: str) -> Response:
    return _change(schedule_id, paused=False)


def _change(schedule_id: str, *, paused: bool) -> Response:
    operations.pause_any_schedule(schedule_id, paused, by=identity.current_owner(), address=identity.address())
    return redirect("/operations/schedules", 303)

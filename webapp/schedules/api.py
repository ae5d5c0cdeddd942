"""Schedules in JSON, under /api/v1/schedules."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from flask import Blueprint, Response, jsonify

from jobs.engine import queue
from jobs.engine.queue import SchedulePlan
from webapp.api import serializers
from webapp.http import parsing
from webapp.http.guards import current_owner
from webapp.jobs import api

blueprint = Blueprint("schedules_api", __name__, url_prefix="/api/v1/schedules")

NEW = {"job": str, "kind": str, "params": dict, "cron": str, "zone": str}
CHANGED = {"cron": str, "zone": str, "paused": bool}


@blueprint.get("")
def schedules() -> Response:
    return jsonify(schedules=[serializers.schedule(one) for one in queue.list_schedules(current_owner())], next=None)


@blueprint.post("")
def create_schedule() -> Response:
    """Of a job that was (`job`), or of a `kind` and `params`."""
    body = parsing.fields(parsing.json_object(), NEW, required=("cron",))
    kind, params = _what(body)
    plan = SchedulePlan(kind, params, body["cron"], body.get("zone", "UTC"))
    kept = serializers.schedule(queue.create_schedule(plan, owner=current_owner()))
    answer = jsonify(kept)
    answer.status_code = 201
    answer.headers["Location"] = kept["url"]
    return answer


@blueprint.get("/<id>")
def schedule(id: str) -> Response:
    return jsonify(serializers.schedule(queue.schedule(id, current_owner())))


@blueprint.patch("/<id>")
def change_schedule(id: str) -> Response:
    """Other times, or a pause (`paused`: true) and its end."""
    body = parsing.fields(parsing.json_object(), CHANGED)
    return jsonify(serializers.schedule(queue.change_schedule(id, owner=current_owner(), **body)))


@blueprint.delete("/<id>")
def delete_schedule(id: str) -> Response:
    queue.delete_schedule(id, owner=current_owner())
    return Response(status=204)


@blueprint.post("/<id>/run")
def run_schedule(id: str) -> Response:
    key = api.idempotency_key() or uuid4().hex
    return api.accepted(queue.run_schedule(id, owner=current_owner(), key=key))


def _what(body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    if ("job" in body) == ("kind" in body):
        raise parsing.invalid("job", "Name the job that is to be repeated as `job`, or its `kind` and `params`.")
    if "kind" in body:
        return body["kind"], body.get("params", {})
    if "params" in body:
        raise parsing.invalid("params", "The params are those of the job; leave them out, or name a `kind`.")
    found = queue.job(body["job"], current_owner())
    return found.kind, found.params

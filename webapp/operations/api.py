"""What operators see and may do, in JSON, under /api/v1."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify

from jobs.engine import operations
from jobs.engine.operations import QueueFigures, WorkerFigures
from webapp.api import serializers
from webapp.http import identity
from webapp.http.guards import current_owner
from webapp.http.identity import operators

blueprint = Blueprint("operating_api", __name__, url_prefix="/api/v1")


@blueprint.get("/operations")
@operators
def index() -> Response:
    state = operations.current_overview()
    return jsonify(
        at=serializers.moment(state.at),
        problems=[asdict(problem) for problem in state.problems],
        queues=[_queue(queue) for queue in state.queues],
        workers=[_worker(worker) for worker in state.workers],
        parts=[asdict(part) for part in state.parts],
    )


@blueprint.post("/queues/<queue>/pause")
@operators
def pause(queue: str) -> Response:
    operations.pause(queue, owner=current_owner(), address=identity.address())
    return Response(status=204)


@blueprint.post("/queues/<queue>/resume")
@operators
def resume(queue: str) -> Response:
    operations.resume(queue, owner=current_owner(), address=identity.address())
    return Response(status=204)


@blueprint.post("/workers/<worker>/finish")
@operators
def finish(worker: str) -> Response:
    operations.send_away(worker, "finish", owner=current_owner(), address=identity.address())
    return Response(status=202)


@blueprint.post("/workers/<worker>/stop")
@operators
def stop(worker: str) -> Response:
    operations.send_away(worker, "stop", owner=current_owner(), address=identity.address())
    return Response(status=202)


def _queue(queue: QueueFigures) -> dict[str, Any]:
    return {**asdict(queue), "paused_at": serializers.moment(queue.paused_at)}


def _worker(worker: WorkerFigures) -> dict[str, Any]:
    names = ("name", "host", "pid", "program", "queues", "version", "memory", "asked")
    moments = {name: serializers.moment(getattr(worker, name)) for name in ("started_at", "beat_at")}
    job = {"id": str(worker.job.id), "kind": worker.job.kind, "state": worker.job.state} if worker.job else None
    return {**{name: getattr(worker, name) for name in names}, **moments, "job": job}

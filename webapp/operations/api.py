"""Queues, workers and components in JSON, under /api/v1, for operators."""

from __future__ import annotations

from flask import Blueprint

from jobs.engine import operations
from webapp.api.operation import operation
from webapp.http import identity
from webapp.http.guards import current_owner
from webapp.http.identity import operators
from webapp.operations.records import Operations

ASKED = "The worker was asked; its program reads it within two seconds."

blueprint = Blueprint("operating_api", __name__, url_prefix="/api/v1")


@blueprint.get("/operations")
@operators
@operation("Show queues, workers and components; for operators", "The whole installation.", Operations, problems=(404,))
def show_operations() -> Operations:
    return Operations.of(operations.current_overview())


@blueprint.post("/queues/<queue>/pause")
@operators
@operation("Pause a queue: none of its jobs starts", "The queue is paused.")
def pause_queue(queue: str) -> None:
    operations.pause(queue, owner=current_owner(), address=identity.address())


@blueprint.post("/queues/<queue>/resume")
@operators
@operation("Resume a queue: its jobs start again", "The queue is not paused.")
def resume_queue(queue: str) -> None:
    operations.resume(queue, owner=current_owner(), address=identity.address())


@blueprint.post("/workers/<worker>/finish")
@operators
@operation("Ask a worker to end its job and leave; it is not replaced", ASKED, status=202)
def finish_worker(worker: str) -> None:
    operations.send_away(worker, "finish", owner=current_owner(), address=identity.address())


@blueprint.post("/workers/<worker>/stop")
@operators
@operation("Ask a worker to give its job back and leave; it is not replaced", ASKED, status=202)
def stop_worker(worker: str) -> None:
    operations.send_away(worker, "stop", owner=current_owner(), address=identity.address())

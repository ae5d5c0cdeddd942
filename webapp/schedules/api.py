"""Schedules in JSON, under /api/v1/schedules."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from flask import Blueprint

from jobs.engine import queue
from jobs.engine.queue import SchedulePlan
from webapp.api.operation import operation
from webapp.api.parameters import IDEMPOTENCY_KEY
from webapp.http import parsing
from webapp.http.guards import current_owner
from webapp.jobs.records import JobRecord
from webapp.schedules.records import ChangedSchedule, NewSchedule, ScheduleRecord, Schedules

blueprint = Blueprint("schedules_api", __name__, url_prefix="/api/v1/schedules")


@blueprint.get("")
@operation("List your schedules", "The schedules.", Schedules)
def list_schedules() -> Schedules:
    return Schedules(schedules=[ScheduleRecord.of(one) for one in queue.list_schedules(current_owner())], next=None)


@blueprint.post("")
@operation(
    "Create a schedule, which repeats a job",
    "The schedule is stored.",
    ScheduleRecord,
    status=201,
    body=NewSchedule,
    problems=(404, 409, 429),
)
def create_schedule(body: NewSchedule) -> ScheduleRecord:
    kind, params = _repeated(body)
    plan = SchedulePlan(kind, params, body.cron, body.zone)
    return ScheduleRecord.of(queue.create_schedule(plan, owner=current_owner()))


@blueprint.get("/<schedule_id>")
@operation("Show a schedule", "The schedule.", ScheduleRecord)
def show_schedule(schedule_id: str) -> ScheduleRecord:
    return ScheduleRecord.of(queue.schedule(schedule_id, current_owner()))


@blueprint.patch("/<schedule_id>")
@operation(
    "Change the times of a schedule, pause it or resume it",
    "The schedule as it is now.",
    ScheduleRecord,
    body=ChangedSchedule,
    lookup=queue.schedule,
)
def change_schedule(schedule_id: str, body: ChangedSchedule) -> ScheduleRecord:
    changed = body.model_dump(exclude_unset=True)
    return ScheduleRecord.of(queue.change_schedule(schedule_id, owner=current_owner(), **changed))


@blueprint.delete("/<schedule_id>")
@operation("Delete a schedule; its jobs stay", "The schedule is deleted.")
def delete_schedule(schedule_id: str) -> None:
    queue.delete_schedule(schedule_id, owner=current_owner())


@blueprint.post("/<schedule_id>/run")
@operation(
    "Start the job of a schedule now",
    "The job is in the database; poll it at `Location`.",
    JobRecord,
    status=202,
    parameters=(IDEMPOTENCY_KEY,),
    problems=(409, 422, 429),
)
def run_schedule(schedule_id: str) -> JobRecord:
    key = IDEMPOTENCY_KEY.read() or uuid4().hex
    return JobRecord.of(queue.run_schedule(schedule_id, owner=current_owner(), key=key))


def _repeated(body: NewSchedule) -> tuple[str, dict[str, Any]]:
    given = body.model_fields_set
    if ("job" in given) == ("kind" in given):
        raise parsing.invalid("job", "Name the job that is to be repeated as `job`, or its `kind` and `params`.")
    if "kind" in given:
        return body.kind, body.params
    if "params" in given:
        raise parsing.invalid("params", "The params are those of the job; leave them out, or name a `kind`.")
    found = queue.job(body.job, current_owner())
    return found.kind, found.params

"""Schedules as the API takes and shows them."""

from typing import Annotated, Any, ClassVar, Self
from uuid import UUID

from pydantic import Field

from jobs.engine import kinds, queue
from jobs.engine.db.models import Schedule
from webapp.api.records import Body, Located, Moment, Next, Record, left_out

SHOWN_RUNS = 3

Cron = Annotated[str, Field(description="Five fields: minute, hour, day, month, day of the week.")]
Zone = Annotated[str, Field(description="The time zone of the times, such as Europe/Berlin.")]


class ScheduleRecord(Located):
    """A schedule. `next_runs` is empty while it is paused."""

    ADDRESS: ClassVar[str] = "/api/v1/schedules/{row.id}"

    id: UUID
    kind: str
    label: str
    params: dict[str, Any]
    cron: Cron
    zone: Zone
    paused: bool
    next_runs: list[Moment]
    ran_at: Moment | None
    trouble: Annotated[str | None, Field(description="Why the last due time made no job.")]
    created_at: Moment

    @classmethod
    def of(cls, row: Schedule, **more: object) -> Self:
        paused = row.paused_at is not None
        runs = [] if paused else queue.upcoming_runs(row.cron, row.zone, SHOWN_RUNS)
        params = kinds.shown_params(row.kind, row.params)
        return super().of(row, params=params, paused=paused, next_runs=runs, **more)


class Schedules(Record):
    """Your schedules."""

    schedules: list[ScheduleRecord]
    next: Next


class NewSchedule(Body):
    """What is to be repeated: a `job` that is there, or a `kind` with its `params`."""

    cron: Cron
    zone: Zone = "UTC"
    job: Annotated[str, Field(description="The id of the job to repeat.")] = left_out("")
    kind: Annotated[str, Field(description="The kind of job to repeat.")] = left_out("")
    params: Annotated[dict[str, Any], Field(description="The params of the kind.", default_factory=dict)]


class ChangedSchedule(Body):
    """Other times, a pause (`paused`: true) or its end. What is left out stays as it is."""

    cron: Cron = left_out("")
    zone: Zone = left_out("")
    paused: bool = left_out(False)

"""Queues, workers and components, as the API shows them to operators."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from webapp.api.records import Moment, Record, Whole, one_of

Seconds = Annotated[float, Field(description="Seconds.")]
EachMinute = Annotated[list[Whole], Field(description="A count for each of the last minutes, the current one last.")]


class Trouble(Record):
    """What is wrong, and what to do about it. `command` is what to type, if that is what helps."""

    title: str
    text: str
    command: str


class QueueFiguresRecord(Record):
    """A queue now. Seconds are null if there is nothing to tell them from."""

    name: str
    waiting: Whole
    running: Whole
    oldest_seconds: Annotated[float | None, Field(description="Seconds since the job that waits longest was due.")]
    next_seconds: Annotated[float | None, Field(description="Seconds until the next job that waits for its time.")]
    wait_p50: Annotated[float | None, Field(description="Seconds that half of the last jobs waited at most.")]
    wait_p95: Annotated[float | None, Field(description="Seconds that 95 % of the last jobs waited at most.")]
    failed_day: Annotated[Whole, Field(description="How many jobs failed in the last day.")]
    ended: EachMinute
    failed: EachMinute
    workers: Whole
    needed: Annotated[Whole, Field(description="How many workers it takes now.")]
    reason: Annotated[str, Field(description="Why so many workers are needed.")]
    paused_by: str | None
    paused_at: Moment | None


class HeldJob(Record):
    """The job that a worker holds."""

    id: UUID
    kind: str
    state: Annotated[str, one_of(("running", "stopping"))]


class WorkerFiguresRecord(Record):
    """A worker process."""

    name: str
    host: str
    pid: Whole
    program: str
    queues: list[str]
    version: str
    memory: Annotated[
        Whole | None, Field(description="Bytes; memory that several processes share counts by its share.")
    ]
    asked: Annotated[str, one_of(("finish", "stop"))] | None
    started_at: Moment
    beat_at: Moment
    job: HeldJob | None


class PartRecord(Record):
    """A component: ok, off (not set up, and nothing needs it) or wrong. `advice` is what to do if it is wrong."""

    name: str
    state: Annotated[str, one_of(("ok", "off", "wrong"))]
    words: str
    detail: str
    advice: str


class Operations(Record):
    """The whole installation. `queues` and `workers` are empty while the database does not answer."""

    at: Moment
    problems: list[Trouble]
    queues: list[QueueFiguresRecord]
    workers: list[WorkerFiguresRecord]
    parts: list[PartRecord]

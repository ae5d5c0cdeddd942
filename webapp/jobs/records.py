"""Kinds, jobs and what hangs on a job, as the API shows them."""

from typing import Annotated, Any, ClassVar, Self
from uuid import UUID

from pydantic import Field

from jobs.engine import kinds, queue
from jobs.engine.db.models import ENDED_STATES, ITEM_STATES, JOB_STATES, VERDICTS
from webapp.api.records import Body, Dollars, Located, Moment, Next, Record, Whole, left_out, one_of

LEVELS = ("info", "warning", "error")


class KindRow(Record):
    """A kind of job in the list of kinds."""

    name: str
    title: str
    group: str
    queue: str
    summary: str
    available: bool
    reason: Annotated[str | None, Field(description="Why the kind is not available; null if it is.")]


class KindRecord(KindRow):
    """A kind of job with what is needed to start one."""

    text: str
    schema_: Annotated[
        dict[str, Any] | None,
        Field(serialization_alias="schema", description="The JSON schema of the params; null if it is not available."),
    ]
    example: dict[str, Any]
    time_limit: Annotated[Whole, Field(description="The seconds that an attempt may take.")]
    max_attempts: Whole

    @classmethod
    def of(cls, row: kinds.Kind, **more: object) -> Self:
        return super().of(row, schema_=row.schema() if row.available else None, **more)


class Kinds(Record):
    """The kinds of job."""

    kinds: list[KindRow]
    next: Next


class Progress(Record):
    """How many items of a job have ended, and how. `total` is null while it is not known."""

    done: Whole
    failed: Whole
    skipped: Whole
    unknown: Whole
    total: Whole | None
    note: str | None


class TokenUsage(Record):
    """What a job's calls of models took."""

    prompt_tokens: Whole
    completion_tokens: Whole
    cached_tokens: Annotated[Whole, Field(description="Of `prompt_tokens`: read from the provider's cache.")]
    reasoning_tokens: Annotated[Whole, Field(description="Of `completion_tokens`: written before the answers.")]
    cost: Annotated[
        Dollars | None, Field(description="What it cost in dollars, exactly; null where no price is known.")
    ]
    unpriced: Annotated[Whole, Field(description="Items whose price is not known; `cost` is without them.")]
    cost_unsure: Annotated[Dollars, Field(description="What calls that broke off may have cost beside `cost`.")]
    reused: Annotated[Whole, Field(description="Answers that earlier jobs got, and that were used again.")]
    cost_saved: Annotated[Dollars, Field(description="What the answers that were used again cost when they were made.")]


class JobRow(Located):
    """A job in a list."""

    ADDRESS: ClassVar[str] = "/api/v1/jobs/{row.id}"
    POLLED: ClassVar[bool] = True

    id: UUID
    kind: str
    label: str
    state: Annotated[str, one_of(JOB_STATES)]
    reason: Annotated[str | None, Field(description="Why the state is so, as a word.")]
    message: Annotated[str | None, Field(description="Why the state is so, as a sentence.")]
    attempt: Whole
    max_attempts: Whole
    progress: Progress
    queue: str
    sample: Annotated[Whole | None, Field(description="The job takes only that many items.")]
    parent: Annotated[UUID | None, Field(description="The job that this one repeats.")]
    schedule: Annotated[UUID | None, Field(validation_alias="schedule_id")]
    usage: TokenUsage
    worker: str | None
    run_at: Annotated[Moment | None, Field(description="The job does not start before this time.")]
    created_at: Moment
    started_at: Moment | None
    cancel_requested_at: Moment | None
    finished_at: Moment | None

    @classmethod
    def of(cls, row: Any, **more: object) -> Self:
        return super().of(row, progress=row, usage=row, **more)

    @property
    def ended(self) -> bool:
        return self.state in ENDED_STATES


class WaitingReason(Record):
    """Why a job does not run yet."""

    code: str
    sentence: str


class FileRecord(Located):
    """An upload, or an output of a job."""

    ADDRESS: ClassVar[str] = "/api/v1/files/{row.id}"

    id: UUID
    name: str
    media_type: str
    bytes: Whole
    sha256: str


class JobRecord(JobRow):
    """A job with its params, its result, and why it waits."""

    params: dict[str, Any]
    result: dict[str, Any] | None
    files: list[FileRecord]
    queue_position: Annotated[Whole | None, Field(description="How many jobs are before this one.")]
    eta_seconds: Annotated[
        float | None, Field(description="The seconds until it starts or, if it runs, until it ends.")
    ]
    waiting_for: WaitingReason | None

    @classmethod
    def of(cls, row: Any, **more: object) -> Self:
        params = kinds.shown_params(row.kind, row.params)
        files = [FileRecord.of(one) for one in queue.output_files(row)] if row.lease else []  # else it has never run
        return super().of(row, params=params, files=files, **_waiting(row), **more)


def _waiting(job: Any) -> dict[str, Any]:
    if waiting := queue.why_waiting(job):
        return {"queue_position": waiting.position, "eta_seconds": waiting.eta_seconds, "waiting_for": waiting}
    pace = queue.pace(job)
    return {"queue_position": None, "eta_seconds": pace.seconds_left if pace else None, "waiting_for": None}


class Jobs(Record):
    """A page of jobs."""

    jobs: list[JobRow]
    next: Next


class ItemRecord(Record):
    """An item of a job, once it was started."""

    key: str
    position: Annotated[Whole, Field(description="The item's place in the input, from 1.")]
    state: Annotated[str, one_of(ITEM_STATES)]
    input: dict[str, Any] | None
    output: dict[str, Any] | None
    reason: str | None
    error: str | None
    verdict: Annotated[str, one_of(VERDICTS)] | None
    tokens: Whole | None
    cached_tokens: Annotated[Whole | None, Field(description="Of `tokens`: read from the provider's cache.")]
    reasoning_tokens: Annotated[Whole | None, Field(description="Of `tokens`: written before the answer.")]
    cost: Annotated[
        Dollars | None, Field(description="What it cost in dollars, exactly; null where no price is known.")
    ]
    seconds: float | None
    finished_at: Moment | None


class Items(Record):
    """A page of items."""

    items: list[ItemRecord]
    next: Next


class LogLineRecord(Record):
    """A line of a job's log."""

    at: Moment
    level: Annotated[str, one_of(LEVELS)]
    text: str


class Log(Record):
    """Lines of a job's log."""

    lines: list[LogLineRecord]
    next: Next


class ApprovalRecord(Record):
    """A call that a job asked about, and the answer."""

    id: UUID
    tool: str
    arguments: dict[str, Any]
    approved: Annotated[bool | None, Field(description="null while nobody has answered.")]
    reason: str | None
    decided_by: str | None
    asked_at: Moment
    expires_at: Moment
    decided_at: Moment | None


class Approvals(Record):
    """The calls that a job asked about."""

    approvals: list[ApprovalRecord]
    next: Next


class JobNameBody(Body):
    """Another name for a job."""

    name: Annotated[str, Field(min_length=1, max_length=200, description="What lists and files call it.")]


class ApprovalAnswerBody(Body):
    """Yes or no to a call."""

    approve: bool
    reason: Annotated[str, Field(description="The agent is told the reason.")] = left_out("")

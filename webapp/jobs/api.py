"""Kinds, jobs and files in JSON, under /api/v1."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import BinaryIO, cast

from flask import Blueprint, request
from werkzeug.exceptions import UnsupportedMediaType
from werkzeug.wrappers import Response

from jobs.engine import files as engine_files
from jobs.engine import kinds as engine_kinds
from jobs.engine import queue
from jobs.engine.db.models import ITEM_STATES, JOB_STATES, VERDICTS
from webapp.api.operation import Content, operation
from webapp.api.parameters import AFTER, IDEMPOTENCY_KEY, After, Choice, Limit, Parameter, TextParameter
from webapp.http import parsing
from webapp.http.guards import current_owner
from webapp.jobs import files
from webapp.jobs.records import (
    ApprovalAnswerBody,
    ApprovalRecord,
    Approvals,
    FileRecord,
    ItemRecord,
    Items,
    JobNameBody,
    JobRecord,
    JobRow,
    Jobs,
    KindRecord,
    KindRow,
    Kinds,
    Log,
    LogLineRecord,
)

JOB_FILTERS = (*JOB_STATES, "waiting", "scheduled")
UPLOAD = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}},
}

SAMPLE = Parameter(
    "sample", "The job takes only the first N items.", {"type": "integer", "minimum": 1, "maximum": queue.MOST_SAMPLE}
)
RUN_AT = Parameter(
    "run_at",
    f"The job does not start before this time (RFC 3339), which may lie at most {queue.MOST_AHEAD.days} days ahead.",
    {"type": "string", "format": "date-time"},
)
NAME = TextParameter("name", "What the job is called in lists and files; without one, what it works on.", 200)
NOTIFY = {
    "mail": TextParameter("notify_mail", "The mail address that is written to when the job has ended.", 2_000),
    "webhook": TextParameter(
        "notify_webhook", "The address that a signed request is sent to when the job has ended.", 2_000
    ),
}
STATES = Parameter(
    "state", "Only jobs in this state; may be repeated.", {"type": "array", "items": {"enum": list(JOB_FILTERS)}}
)
KIND = TextParameter("kind", "Only jobs of this kind.", 100)
JOB_WORDS = TextParameter("q", "Only jobs with this text.", 200)
JOBS_LIMIT = Limit("jobs", 200)
ITEM_STATE = Parameter("state", "Only items in this state.", {"enum": list(ITEM_STATES)})
VERDICT = Choice("verdict", "Only items with this verdict.", VERDICTS)
ITEMS_AFTER = After(2_000)
ITEMS_LIMIT = Limit("items", 1_000)
LINES_LIMIT = Limit("lines", 1_000, 500)
RETRIED = Choice(
    "items",
    "Which items run again: all, those that failed, or those of which nobody knows whether they happened.",
    ("all", "failed", "unknown"),
    "all",
)

ACCEPTED = "The job is in the database; poll it at `Location`."

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")


@blueprint.get("/kinds")
@operation("List all kinds of job", "The kinds.", Kinds)
def list_kinds() -> Kinds:
    return Kinds(kinds=[KindRow.of(kind) for kind in engine_kinds.kinds()], next=None)


@blueprint.get("/kinds/<kind>")
@operation("Show a kind of job with its schema and an example", "The kind.", KindRecord)
def show_kind(kind: str) -> KindRecord:
    return KindRecord.of(engine_kinds.offered(kind))


@blueprint.post("/kinds/<kind>/jobs")
@operation(
    "Start a job",
    ACCEPTED,
    JobRecord,
    status=202,
    body=Content("application/json", {"type": "object"}),
    parameters=(SAMPLE, RUN_AT, NAME, *NOTIFY.values(), IDEMPOTENCY_KEY),
    problems=(409, 429),
)
def submit(kind: str) -> JobRecord:
    """The row is written before this answers; Redis may be away. The description has an operation for each kind."""
    found = engine_kinds.offered(kind)
    key = IDEMPOTENCY_KEY.read()
    sample = parsing.whole_number("sample", 1, 1, queue.MOST_SAMPLE) if "sample" in request.args else None
    run_at = parsing.moment_ahead("run_at", datetime.now(UTC), queue.MOST_AHEAD)
    params = parsing.json_object()
    notify = [{"channel": one, "target": target} for one, said in NOTIFY.items() if (target := said.read())]
    job = queue.submit(
        found.name,
        params,
        owner=current_owner(),
        sample=sample,
        run_at=run_at,
        idempotency_key=key,
        notify=notify,
        name=NAME.read() or "",
    )
    return JobRecord.of(job)


@blueprint.get("/jobs")
@operation(
    "List your jobs, newest first",
    "A page of jobs.",
    Jobs,
    parameters=(STATES, KIND, JOB_WORDS, AFTER, JOBS_LIMIT),
    problems=(404,),
)
def list_jobs() -> Jobs:
    page = queue.list_jobs(
        current_owner(),
        states=_states(JOB_FILTERS),
        kind=KIND.read(),
        q=JOB_WORDS.read(),
        after=AFTER.read(),
        limit=JOBS_LIMIT.read(),
    )
    return Jobs(jobs=[JobRow.of(job) for job in page.rows], next=page.next)


@blueprint.get("/jobs/<job_id>")
@operation("Show a job", "The job.", JobRecord)
def show_job(job_id: str) -> JobRecord:
    return JobRecord.of(queue.job_status(job_id, current_owner()))


@blueprint.patch("/jobs/<job_id>")
@operation("Give a job another name", "The job.", JobRecord, body=JobNameBody, lookup=queue.job)
def rename_job(job_id: str, body: JobNameBody) -> JobRecord:
    return JobRecord.of(queue.rename(job_id, body.name, owner=current_owner()))


@blueprint.delete("/jobs/<job_id>")
@operation("Delete a job that has ended, with its items, log and outputs", "The job is deleted.", problems=(409,))
def delete_job(job_id: str) -> None:
    queue.delete(job_id, owner=current_owner())


@blueprint.get("/jobs/<job_id>/items")
@operation(
    "List the items of a job, in the order of the input",
    "A page of items.",
    Items,
    parameters=(ITEM_STATE, VERDICT, ITEMS_AFTER, ITEMS_LIMIT),
)
def list_items(job_id: str) -> Items:
    page = queue.items(
        queue.readable_job(job_id, current_owner()),
        state=next(iter(_states(ITEM_STATES)), None),
        verdict=VERDICT.read() or None,
        after=ITEMS_AFTER.read(),
        limit=ITEMS_LIMIT.read(),
    )
    return Items(items=[ItemRecord.of(row) for row in page.rows], next=page.next)


@blueprint.get("/jobs/<job_id>/log")
@operation("Read the log of a job", "Lines of the log.", Log, parameters=(AFTER, LINES_LIMIT))
def read_log(job_id: str) -> Log:
    limit = LINES_LIMIT.read()
    page = queue.read_log(queue.readable_job(job_id, current_owner()), after=AFTER.read(), limit=limit)
    return Log(lines=[LogLineRecord.of(row) for row in page.rows], next=page.next)


@blueprint.post("/jobs/<job_id>/cancel")
@operation("Ask a job to stop", "The job was asked to stop.", JobRecord, status=202, problems=(409,))
def cancel_job(job_id: str) -> JobRecord:
    return JobRecord.of(queue.cancel(job_id, owner=current_owner()))


@blueprint.post("/jobs/<job_id>/retry")
@operation(
    "Run a job that has ended again",
    "The job is queued.",
    JobRecord,
    status=202,
    parameters=(RETRIED,),
    problems=(409,),
)
def retry_job(job_id: str) -> JobRecord:
    return JobRecord.of(queue.retry(job_id, owner=current_owner(), items=RETRIED.read()))


@blueprint.get("/jobs/<job_id>/approvals")
@operation("List the calls that a job asked about", "The calls.", Approvals)
def list_approvals(job_id: str) -> Approvals:
    rows = queue.approvals_of(queue.readable_job(job_id, current_owner()))
    return Approvals(approvals=[ApprovalRecord.of(row) for row in rows], next=None)


@blueprint.post("/jobs/<job_id>/approvals/<approval_id>")
@operation(
    "Say yes or no to a call",
    "The answer is stored; the job goes on after the last open call.",
    JobRecord,
    status=202,
    body=ApprovalAnswerBody,
    lookup=queue.job,
    problems=(409,),
)
def answer(job_id: str, approval_id: str, body: ApprovalAnswerBody) -> JobRecord:
    owner = current_owner()
    return JobRecord.of(queue.answer_approval(job_id, approval_id, body.approve, body.reason, owner=owner))


@blueprint.post("/files")
@operation("Upload a file", "The file is stored.", FileRecord, status=201, body=Content("multipart/form-data", UPLOAD))
def upload_file() -> FileRecord:
    """The body is streamed to a temporary file by the form parser, then into storage."""
    if request.mimetype != "multipart/form-data":
        raise UnsupportedMediaType("Send the file as the field `file` of a multipart/form-data body.")
    sent = request.files.getlist("file")
    if len(sent) != 1:
        raise parsing.invalid("file", "Send exactly one file, in the field `file`.")
    name = parsing.printable(sent[0].filename or "", 255) or "file"
    return FileRecord.of(engine_files.upload(cast(BinaryIO, sent[0].stream), name, owner=current_owner()))


@blueprint.get("/files/<file_id>")
@operation(
    "Download a file", "The bytes of the file.", Content("*/*", {"contentMediaType": "application/octet-stream"})
)
def download_file(file_id: str) -> Response:
    return files.download(file_id)


def _states(known: tuple[str, ...]) -> tuple[str, ...]:
    asked = tuple(state for state in request.args.getlist("state") if state)
    if not set(asked) <= set(known):
        raise parsing.invalid("state", f"state must be one of {', '.join(known)}.")
    return asked

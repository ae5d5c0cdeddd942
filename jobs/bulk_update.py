"""Change many documents of the library at once.

Tag, move, rename, replace words, delete, summarise by a language model, or index again: all documents that match a filter, or
a list. A dry run shows what would change. The previous state is stored with the job, so that another job can undo it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import chain
from typing import Any, Literal, cast
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy.orm import Session

from jobs.engine import llm, queue
from jobs.engine.db import postgres
from jobs.engine.kits.bulk import Candidate, Selection
from jobs.engine.kits.bulk import selection as bulk_selection
from jobs.engine.library import bulk, edits, upkeep
from jobs.engine.queue import ledger
from jobs.engine.sdk import (
    Context,
    Counts,
    Estimate,
    FieldError,
    Find,
    ItemColumn,
    JobFailed,
    KindParams,
    KindResult,
    NotFound,
    Output,
    figure,
    param,
)

TITLE = "Bulk update"
GROUP = "Files and documents"
WORDS = "tag, move, rename, delete, replace, undo, summarise, library, documents, edit"
QUEUE = "cpu"
NEEDS = ()
REUSE_PROCESS = True
NOUN = ("document", "documents")
RESULT_TEMPLATE = "jobs/results/bulk_update.html"

PAGE = 200  # items of the job to undo
EXAMPLES = 5
AT_ONCE = 8  # documents summarised at a time
DEFAULT_WORDS = 60
OPERATION_WORDS = {
    "tag": "Add tags",
    "untag": "Remove tags",
    "set_meta": "Set fields",
    "move": "Move",
    "rename": "Rename",
    "replace": "Replace text",
    "delete": "Delete",
    "summarise": "Summarise",
    "reindex": "Index again",
    "undo": "Undo",
}


class DocumentChoice(BaseModel):
    collection: str = param("Collection", default="")
    tag: str = param("Tag", default="")
    q: str = param("Words in the title", default="")
    ids: list[str] = param("Only these", "Ids of documents, as in the addresses of their pages.", default=[])
    all: bool = param("All documents of the library", default=False)


class Tags(BaseModel):
    tags: list[str] = param("Tags")


class NewCollection(BaseModel):
    collection: str = param("To the collection", "A new name makes a new collection.")


class NewTitle(BaseModel):
    title: str = param("New title", "{title}, {name} and {collection} stand for those of the document.")


class Replacement(BaseModel):
    field: Literal["title", "text"] = param("In", default="text", words={"title": "The title", "text": "The text"})
    find: str = param("Find")
    replacement: str = param("Replace with", default="", alias="with")


class Fields(BaseModel):
    meta: dict[str, str | float | bool] = param("Fields", "Numbers, and true or false, are stored as such.")


class SummaryOptions(BaseModel):
    words: int = param("Words of a summary", "It is stored in the document's fields.", default=DEFAULT_WORDS)
    again: bool = param("Replace summaries that are there", default=False)


class Undone(BaseModel):
    job: str = param("Job to undo", "The id from the address of its page.")


VALUES: dict[str, type[BaseModel]] = {
    "tag": Tags,
    "untag": Tags,
    "move": NewCollection,
    "rename": NewTitle,
    "replace": Replacement,
    "set_meta": Fields,
    "summarise": SummaryOptions,
    "undo": Undone,
}


class Params(KindParams):
    selection: dict[str, str | list[str] | bool] = param(
        "Which documents",
        "A document must match all of these.",
        default={},
        shape=DocumentChoice,
        only_if={"operation": [name for name in OPERATION_WORDS if name != "undo"]},
        max_length=10,
    )
    operation: Literal[
        "tag", "untag", "move", "rename", "replace", "set_meta", "delete", "summarise", "reindex", "undo"
    ] = param(
        "Operation",
        "Undo restores what an earlier bulk update changed or deleted.",
        default="tag",
        words=OPERATION_WORDS,
    )
    values: dict[str, Any] = param(
        "Values",
        "What the operation needs.",
        default={},
        shapes=("operation", VALUES),
        max_length=10,
    )
    dry_run: bool = param("Dry run", "Show what would change, without changing anything.", default=True)


COLUMNS = (
    ItemColumn("title", "Document", "name", role="yours"),
    ItemColumn("before", "Before", "tree"),
    ItemColumn("after", "After", "tree"),
    ItemColumn("document", "In the library", "document", role="yours"),
)


class Result(KindResult):
    operation: str = figure("Change", type="tag", words=OPERATION_WORDS)
    dry_run: bool = figure("Dry run", type="yes_no", shown="never")
    changed: int = figure("Changed", type="number")
    unchanged: int = figure("Unchanged", type="number", shown="if_any")
    failed: int = figure("Failed", type="number", shown="if_any")
    examples: list[dict[str, Any]] = figure("Examples", shown="never")


EXAMPLE = {
    "selection": {"collection": "samples"},
    "operation": "tag",
    "values": {"tags": ["seen"]},
    "dry_run": True,
}


def check(params: Params, find: Find) -> list[FieldError]:
    error = edits.edit_errors(params.operation, params.values)
    errors = [FieldError("values", error)] if error else []
    if params.operation != "undo" and (error := bulk_selection.selection_errors(params.selection)):
        errors.append(FieldError("selection", error))
    if params.operation == "summarise" and (missing := llm.setup_error()) is not None:
        errors.append(FieldError("operation", missing))
    return errors


def estimate(params: Params, find: Find) -> Estimate | None:
    if params.operation != "summarise":
        return None
    if params.dry_run:
        return Estimate(notes=(f"A dry run writes the summaries of the first {EXAMPLES} documents only.",))
    return Estimate(notes=("Each document without a summary takes one call to the model.",))


def label(params: Params, find: Find) -> str:
    wanted = ", ".join(str(value) for value in params.selection.values() if isinstance(value, str))
    return " ".join(
        filter(None, [OPERATION_WORDS[params.operation].lower(), wanted, "(dry run)" if params.dry_run else ""])
    )


def run(params: Params, context: Context) -> dict[str, Any]:
    chosen = _of_job(params, context) if params.operation == "undo" else _by_filter(params, context)
    summing_up = params.operation == "summarise"
    summary = Summary(params, context)
    counts = context.map(
        summary.of if summing_up else lambda one: _changed(params, context, one),
        chosen.items,
        key=lambda one: str(one.id),
        row=lambda one: {"document": str(one.id), "title": one.title},
        total=chosen.total,
        concurrency=AT_ONCE if summing_up else 1,
        using=llm.open_client() if summing_up else None,
    )
    return _result(params, context, counts)


class Summary:
    """Requests a summary of each document from the model, and stores it in the document's meta."""

    def __init__(self, params: Params, context: Context):
        self._params, self._context = params, context
        self._asked, self._in_order = 0, asyncio.Lock()

    async def of(self, one: Candidate, model: llm.Chat) -> Output:
        async with self._in_order if self._params.dry_run else nullcontext():  # the first ones are the examples
            request = await self._request(one)
            self._asked += 1
            example = self._asked <= EXAMPLES
        if self._params.dry_run and not example:
            return Output({"before": {}, "after": {"summary": "not written in a dry run"}})
        answer = (await model.complete(**request)).given()
        wanted = {"operation": "set_meta", "values": {"meta": {"summary": answer.text.strip()}}}
        params = self._params.model_copy(update=wanted)
        columns = await asyncio.to_thread(_changed, params, self._context, one)
        return Output(columns, bill=answer.bill)

    async def _request(self, one: Candidate) -> dict[str, Any]:
        values = {"words": DEFAULT_WORDS, "again": False} | self._params.values
        return await asyncio.to_thread(upkeep.question, self._context.job.owner, one.id, **values)


def _by_filter(params: Params, context: Context) -> Selection:
    owner, sample = context.job.owner, context.job.sample
    seen = context.once("selected", lambda: bulk_selection.look(owner, params.selection, sample))
    if not seen["count"]:
        context.log("No document matches this selection.", "warning")
    fitting = bulk_selection.chosen(owner, params.selection, seen)
    return Selection(chain(bulk_selection.left(owner, context.job.job_id), fitting.items), fitting.total)


def _of_job(params: Params, context: Context) -> Selection:
    """The documents that a job changed. Raises JobFailed if the job cannot be undone."""
    try:
        job = queue.job(str(params.values["job"]).strip(), context.job.owner)
    except NotFound:
        raise JobFailed(
            "There is no such job. Copy the id from the page of the job to undo.", reason="not_found"
        ) from None
    if (reason := _undo_error(job)) is not None:
        raise JobFailed(reason, reason="cannot_undo")
    return Selection(_images(job), job.done)


def _undo_error(job: queue.JobView) -> str | None:
    if job.kind != "bulk_update":
        return "That job is not a bulk update, so it cannot be undone."
    if not job.ended:
        return "That job has not ended. Stop it or wait until it has ended, then undo it."
    if job.params.get("dry_run", True):
        return "That job was a dry run: it changed nothing."
    if job.params.get("operation") == "undo":
        return "That job is itself an undo. Run the first bulk update again instead."
    if job.params.get("operation") == "reindex":
        return "That job changed no document, only the search index, so there is nothing to undo."
    return None if job.done else "That job changed nothing, so there is nothing to undo."


def _images(job: queue.JobView) -> Iterator[Candidate]:
    after: str | None = None
    while True:
        page = queue.items(job, state="done", after=after, limit=PAGE)
        yield from (Candidate(UUID(one.key), (one.input or {}).get("title", ""), one.output) for one in page.rows)
        if page.next is None:
            return
        after = page.next


def _changed(params: Params, context: Context, one: Candidate) -> dict[str, Any]:
    """Change a document. What an undo brings back is indexed again at once, so that search finds it as before."""
    if params.operation == "reindex":  # idempotent
        return upkeep.reindex(context.job.owner, one.id, dry_run=params.dry_run)
    came = _recorded(params, context, one)
    if one.image is None or params.dry_run:
        return came
    return came | {"search": upkeep.found_again(context.job.owner, one.id)}


def _recorded(params: Params, context: Context, one: Candidate) -> dict[str, Any]:
    """Change a document and store its previous state in one transaction, so that a kill leaves both or neither."""
    job, step = context.job, f"{bulk_selection.STEP}{one.id}"
    with postgres.session() as session:
        connection = session.connection()
        known = None if params.dry_run else ledger.start_step(connection, job.job_id, job.lease, step)
        if known is not None and known.state == "done":
            return dict(known.result)
        came = _change(session, params, job.owner, one)
        session.flush()
        if not params.dry_run:
            ledger.end_step(connection, job.job_id, job.lease, step, came)
    return came


def _change(session: Session, params: Params, owner: str, one: Candidate) -> dict[str, Any]:
    if one.image is not None:
        return edits.undo(session, owner, one.id, one.image["before"], one.image["after"], dry_run=params.dry_run)
    operation = cast(edits.Operation, params.operation)
    return edits.change(session, owner, one.id, operation, params.values, dry_run=params.dry_run)


def _result(params: Params, context: Context, counts: Counts) -> dict[str, Any]:
    first = queue.items(queue.job(context.job.job_id, context.job.owner), state="done", limit=EXAMPLES).rows
    return {
        "operation": params.operation,
        "dry_run": params.dry_run,
        "changed": counts.done,
        "unchanged": counts.skipped,
        "failed": counts.failed,
        "examples": [
            (one.input or {}) | {name: _shown((one.output or {}).get(name)) for name in ("before", "after")}
            for one in first
        ],
        "search": queue.count_by_value(context.job.job_id, "search"),
    }


def _shown(image: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if image is None else {name: bulk.short(value) for name, value in image.items() if name != "thumbnail"}

"""Verdicts, thresholds and decisions in JSON, under /api/v1/jobs/<job>."""

from __future__ import annotations

from flask import Blueprint

from jobs.engine import queue
from jobs.engine.kits import moderation
from webapp.api.operation import operation
from webapp.api.parameters import AFTER, Limit
from webapp.http.identity import current_owner, identity
from webapp.moderation.records import (
    DecisionRecord,
    Decisions,
    NewDecision,
    NewThresholds,
    StandingRecord,
    ThresholdChangeRecord,
    Verdicts,
)

LIMIT = Limit("decisions", 1_000)

blueprint = Blueprint("reviews_api", __name__, url_prefix="/api/v1/jobs/<job_id>")


@blueprint.get("/verdicts")
@operation("Show the verdicts of a job and its thresholds", "The verdicts and the thresholds.", Verdicts)
def show_verdicts(job_id: str) -> Verdicts:
    job = queue.readable_job(job_id, current_owner())
    status = moderation.review_status(job)
    return Verdicts.of(status, changes=[ThresholdChangeRecord.of(one) for one in moderation.threshold_changes(job)])


@blueprint.put("/thresholds")
@operation(
    "Set the thresholds of a job and derive its verdicts again; nothing is judged again",
    "The thresholds and the verdicts as they are now.",
    StandingRecord,
    body=NewThresholds,
    lookup=queue.job,
    problems=(409,),
)
def set_thresholds(job_id: str, body: NewThresholds) -> StandingRecord:
    owner = current_owner()
    return StandingRecord.of(moderation.set_thresholds(job_id, body.thresholds, owner=owner, by=identity().name))


@blueprint.get("/decisions")
@operation(
    "List what people decided about items of a job, the latest first",
    "A page of decisions.",
    Decisions,
    parameters=(AFTER, LIMIT),
)
def list_decisions(job_id: str) -> Decisions:
    job = queue.readable_job(job_id, current_owner())
    page = moderation.list_decisions(job, after=AFTER.read(), limit=LIMIT.read())
    return Decisions(decisions=[DecisionRecord.of(row) for row in page.rows], next=page.next)


@blueprint.post("/decisions")
@operation(
    "Decide about an item",
    "The decision is stored.",
    DecisionRecord,
    status=201,
    body=NewDecision,
    lookup=queue.job,
    problems=(409,),
)
def decide(job_id: str, body: NewDecision) -> DecisionRecord:
    owner, by = current_owner(), identity().name
    return DecisionRecord.of(moderation.decide_item(job_id, body.item, body.verdict, owner=owner, by=by))


@blueprint.delete("/decisions/<decision_id>")
@operation(
    "Take a decision back: the item has the verdict of its scores again, and the decision stays on record",
    "The decision.",
    DecisionRecord,
    problems=(409, 413),
)
def undo_decision(job_id: str, decision_id: str) -> DecisionRecord:
    owner, by = current_owner(), identity().name
    return DecisionRecord.of(moderation.undo_decision(job_id, decision_id, owner=owner, by=by))

"""Verdicts, thresholds and decisions in JSON, under /api/v1/jobs/<id>."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from jobs.engine import queue
from jobs.engine.kits import moderation
from webapp.api import serializers
from webapp.http import parsing
from webapp.http.identity import current_owner, identity

blueprint = Blueprint("reviews_api", __name__, url_prefix="/api/v1/jobs/<id>")


@blueprint.get("/verdicts")
def verdicts(id: str) -> Response:
    job = queue.readable_job(id, current_owner())
    return jsonify(
        _standing(moderation.review_status(job))
        | {"changes": [_change(one) for one in moderation.threshold_changes(job)]}
    )


@blueprint.put("/thresholds")
def set_thresholds(id: str) -> Response:
    """Body: `thresholds`, by category. Verdicts are derived anew from the scores; nothing is judged again."""
    body = parsing.fields(parsing.json_object(), {"thresholds": dict}, required=("thresholds",))
    owner = current_owner()
    return jsonify(_standing(moderation.set_thresholds(id, body["thresholds"], owner=owner, by=identity().name)))


@blueprint.get("/decisions")
def decisions(id: str) -> Response:
    page = moderation.list_decisions(
        queue.readable_job(id, current_owner()),
        after=parsing.text("after", 200),
        limit=parsing.whole_number("limit", 50, 1, 1_000),
    )
    return jsonify(decisions=[_decision(row) for row in page.rows], next=page.next)


@blueprint.post("/decisions")
def decide(id: str) -> Response:
    """Body: `item`, the key of an item, and `verdict`, allow or block."""
    body = parsing.fields(parsing.json_object(), {"item": str, "verdict": str}, required=("item", "verdict"))
    owner = current_owner()
    response = jsonify(
        _decision(moderation.decide_item(id, body["item"], body["verdict"], owner=owner, by=identity().name))
    )
    response.status_code = 201
    return response


@blueprint.delete("/decisions/<decision>")
def undo(id: str, decision: str) -> Response:
    """The item has the verdict again that follows from its scores. The decision stays on record."""
    owner = current_owner()
    return jsonify(_decision(moderation.undo_decision(id, decision, owner=owner, by=identity().name)))


def _standing(standing: Any) -> dict[str, Any]:
    return {
        "thresholds": {name: one.model_dump() for name, one in standing.thresholds.items()},
        "changed_by": standing.changed_by,
        "changed_at": serializers.moment(standing.changed_at),
        "observe_only": standing.observe_only,
        "verdicts": standing.counts,
        "decided": standing.decided,
        "reviewed": standing.reviewed,
        "to_review": standing.to_review,
        "categories": standing.categories,
    }


def _change(row: Any) -> dict[str, Any]:
    return {
        "thresholds": row.thresholds,
        "changed_by": row.changed_by,
        "changed_at": serializers.moment(row.changed_at),
        "before": row.before,
        "after": row.after,
    }


def _decision(row: Any) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "item": row.key,
        "before": row.before,
        "after": row.after,
        "decided_by": row.decided_by,
        "decided_at": serializers.moment(row.decided_at),
        "undone_by": row.undone_by,
        "undone_at": serializers.moment(row.undone_at),
    }

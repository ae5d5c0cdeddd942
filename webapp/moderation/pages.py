"""Reviews of a job's verdicts: changing thresholds, deciding about a text, undoing a decision."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, abort, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from jobs.engine import queue
from jobs.engine.errors import Conflict, InvalidParams, NotFound
from jobs.engine.kits import moderation
from webapp.http.identity import current_owner, identity

blueprint = Blueprint("reviews", __name__)
MOST_CATEGORIES = 100
MOST_ALIKE = 100  # texts of one decision
LIMITS = ("review", "block")
NUMBER = re.compile(r"[0-9]{1,3}(\.[0-9]{0,20})?|\.[0-9]{1,20}", re.ASCII)
PAGE = 50


@blueprint.get("/jobs/<job_id>/thresholds")
def edit(job_id: str) -> str:
    job = queue.job(job_id, current_owner())
    return _form(job, moderation.review_status(job))


@blueprint.post("/jobs/<job_id>/thresholds")
def change(job_id: str) -> BaseResponse:
    """Form fields: `category`, `review` and `block`, repeated in the same order; an empty value means no threshold."""
    owner = current_owner()
    job = queue.job(job_id, owner)
    standing = moderation.review_status(job)
    typed = _typed(request.form.getlist)
    thresholds, errors = _read(typed)
    if not errors:
        try:
            stored = {
                name: one.model_dump() for name, one in standing.thresholds.items()
            }  # also those that the form does not have
            moderation.set_thresholds(job_id, stored | thresholds, owner=owner, by=identity().name)
            return redirect(f"/jobs/{job_id}#verdicts", 303)
        except InvalidParams as error:
            errors = [one.message for one in error.errors]
    response: Response = make_response(_form(job, standing, typed, errors))
    response.status_code = 422
    return response


@blueprint.get("/jobs/<job_id>/decisions")
def index(job_id: str) -> str:
    """All decisions on a job's texts, and all changes of its thresholds."""
    job = queue.job(job_id, current_owner())
    return render_template(
        "moderation/log.html",
        job=job,
        page=moderation.list_decisions(job, after=request.args.get("after"), limit=PAGE),
        changes=moderation.threshold_changes(job),
        first_page="after" not in request.args,
    )


@blueprint.post("/jobs/<job_id>/decisions")
def create(job_id: str) -> BaseResponse:
    """Form fields: `item`, the key of a text, more of them for texts that are alike, and `verdict`, allow or block.

    Redirects to the next text.
    """
    verdict = request.form.get("verdict", "")
    if verdict not in ("allow", "block"):
        abort(400)
    owner = current_owner()
    first, *alike = request.form.getlist("item")[:MOST_ALIKE] or [""]
    moderation.decide_item(job_id, first, verdict, owner=owner, by=identity().name)
    for key in alike:
        with suppress(Conflict, NotFound):
            moderation.decide_item(job_id, key, verdict, owner=owner, by=identity().name)
    return redirect(_back(job_id), 303)


@blueprint.post("/jobs/<job_id>/decisions/<decision_id>/undo")
def undo(job_id: str, decision_id: str) -> BaseResponse:
    owner = current_owner()
    moderation.undo_decision(job_id, decision_id, owner=owner, by=identity().name)
    return redirect(_back(job_id), 303)


def _back(job_id: str) -> str:
    """The address of the list with the button, with the focus before its first text."""
    parameters = {name: value for name in ("verdict", "after") if (value := request.args.get(name))}
    return f"/jobs/{job_id}{f'?{urlencode(parameters)}' if parameters else ''}#queue"


def _typed(listed: Callable[[str], list[str]]) -> dict[str, dict[str, str]]:
    """By category, the form's values as they were typed."""
    names = listed("category")[:MOST_CATEGORIES]
    columns = [[*listed(limit), *[""] * len(names)] for limit in LIMITS]
    return {name: dict(zip(LIMITS, typed, strict=True)) for name, *typed in zip(names, *columns, strict=False)}


def _read(typed: Mapping[str, Mapping[str, str]]) -> tuple[dict[str, Any], list[str]]:
    """Thresholds as JSON, and errors for values that are not numbers."""
    thresholds: dict[str, Any] = {name: {} for name in typed}
    errors = []
    for name, texts in typed.items():
        for limit, text in texts.items():
            if text.strip() and not NUMBER.fullmatch(text.strip()):
                errors.append(f"{name[:80]}: “{text[:20]}” is not a number from 0 to 1, such as 0.5.")
            else:
                thresholds[name][limit] = float(text) if text.strip() else None
    return thresholds, errors


def _form(
    job: queue.JobView,
    standing: moderation.ReviewStatus,
    typed: Mapping[str, Mapping[str, str]] | None = None,
    errors: Sequence[str] = (),
) -> str:
    return render_template(
        "moderation/thresholds.html",
        job=job,
        standing=standing,
        spread=moderation.score_distribution(job),
        typed=typed or {},
        errors=errors,
    )

"""Pages of schedules: the list, one schedule with its runs, and actions on it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from flask import Blueprint, flash, redirect, render_template, request
from werkzeug.wrappers import Response

from jobs.engine import kinds, queue
from jobs.engine.db import models
from jobs.engine.errors import BadInput, FieldError, InvalidParams, NotFound
from jobs.engine.queue import SchedulePlan
from webapp import forms
from webapp.http import parsing
from webapp.http.guards import current_owner
from webapp.jobs import catalogue, drafts, history, submissions, tabs
from webapp.schedules import cron_words, run_times
from webapp.ui import words

blueprint = Blueprint("schedules", __name__)
SHOWN_RUNS = 3


@blueprint.get("/schedules")
def index() -> str:
    """The list; with `HX-Request` only its live part."""
    found = queue.list_schedules(current_owner())
    return render_template(
        "schedules/_list.html" if request.headers.get("HX-Request") else "schedules/list.html",
        schedules=found,
        latest=queue.latest_jobs([one.id for one in found]),
        titles=catalogue.titles(),
        in_words=cron_words.in_words,
        run_time=run_times.run_time,
    )


@dataclass(frozen=True)
class Repeated:
    """What a new schedule is to run: a job again, or a filled-in form that no job was started from. secrets: their labels."""

    kind: str
    params: dict[str, Any]
    label: str
    notify: list[dict[str, str]]
    job: queue.JobView | None = None
    secrets: Mapping[str, str] = field(default_factory=dict)


@blueprint.get("/schedules/new")
def form() -> Any:
    """The form for a schedule of the job `?job=<id>`."""
    return _form(_of_job(request.args.get("job", "")), cron_words.BLANK, words.zone_name())


@blueprint.post("/kinds/<name>/repeat")
def from_form(name: str) -> Any:
    """The same for a filled-in form of a kind, which comes along."""
    draft = submissions.posted(kinds.offered(name))
    if not drafts.check(draft):
        return drafts.page(draft, 422)
    repeated = Repeated(name, draft.params, draft.name, draft.notify)
    return _form(repeated, cron_words.BLANK, draft.zone if words.named_zone(draft.zone) else words.zone_name())


@blueprint.post("/schedules")
def create() -> Any:
    """Create a schedule; with the button `look`, only show the next times."""
    repeated = _of_job(request.form["job"]) if "job" in request.form else _of_form()
    chosen, zone = cron_words.posted(request.form), cron_words.zone_of(request.form)
    try:
        cron = cron_words.cron_of(chosen)
        if "look" in request.form:
            queue.checked_cron(cron, zone)
            return _form(repeated, chosen, zone, cron=cron)
        secrets = {name: given for name in repeated.secrets if (given := request.form.get(f"secret-{name}"))}
        plan = SchedulePlan(
            repeated.kind, repeated.params | secrets, cron, zone, repeated.label, notify=repeated.notify
        )
        return _to(queue.create_schedule(plan, owner=current_owner()))
    except InvalidParams as error:
        return _form(repeated, chosen, zone, errors=error.errors), 422
    except BadInput as error:
        return _form(repeated, chosen, zone, errors=[FieldError("", error.message)]), 422


@blueprint.get("/schedules/<schedule_id>")
def show(schedule_id: str) -> str:
    return _page(queue.schedule(schedule_id, current_owner()))


@blueprint.post("/schedules/<schedule_id>/times")
def change(schedule_id: str) -> Any:
    schedule = queue.schedule(schedule_id, current_owner())
    chosen, zone = cron_words.posted(request.form), cron_words.zone_of(request.form)
    try:
        return _to(
            queue.change_schedule(schedule.id, owner=current_owner(), cron=cron_words.cron_of(chosen), zone=zone)
        )
    except InvalidParams as error:
        return _page(schedule, errors=error.errors, **cron_words.view(chosen, zone)), 422


@blueprint.post("/schedules/<schedule_id>/pause")
def pause(schedule_id: str) -> Response:
    return _to(queue.change_schedule(schedule_id, owner=current_owner(), paused=True))


@blueprint.post("/schedules/<schedule_id>/resume")
def resume(schedule_id: str) -> Response:
    return _to(queue.change_schedule(schedule_id, owner=current_owner(), paused=False))


@blueprint.post("/schedules/<schedule_id>/run")
def run(schedule_id: str) -> Response:
    """Run the schedule's job now. The page's key makes repeated submissions one job."""
    key = parsing.printable(request.form.get("key", ""), 64) or uuid4().hex
    return redirect(f"/jobs/{queue.run_schedule(schedule_id, owner=current_owner(), key=key).id}", 303)


@blueprint.get("/schedules/<schedule_id>/delete")
def ask_delete(schedule_id: str) -> str:
    schedule = queue.schedule(schedule_id, current_owner())
    return render_template(
        "schedules/delete.html", schedule=schedule, title=_title(schedule), in_words=cron_words.in_words
    )


@blueprint.post("/schedules/<schedule_id>/delete")
def delete(schedule_id: str) -> Response:
    queue.delete_schedule(schedule_id, owner=current_owner())
    flash("The schedule is deleted.")
    return redirect("/schedules", 303)


def _of_job(job_id: str) -> Repeated:
    """A job, with the secrets that it was given, which are entered again for its schedule."""
    job = queue.job(job_id, current_owner())
    notify = [{"channel": one.channel, "target": one.target} for one in queue.notifications_of(job)]
    secrets = {name: label for name, label in kinds.secret_params(job.kind).items() if job.params.get(name)}
    return Repeated(job.kind, job.params, "", notify, job, secrets)


def _of_form() -> Repeated:
    """The form of a kind that came along with this one."""
    sent = request.form
    try:
        params, wanted = forms.from_json(sent.get("_pasted", "")), json.loads(sent.get("_notify", "[]"))
        given = [{"channel": str(one["channel"]), "target": str(one["target"])} for one in wanted]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise NotFound from None
    notify = [{"channel": one.channel, "target": one.target} for one in queue.checked_notifications(given)]
    return Repeated(kinds.offered(sent.get("kind", "")).name, params, sent.get("_name", "")[:200], notify)


def _to(schedule: models.Schedule) -> Response:
    return redirect(f"/schedules/{schedule.id}", 303)


def _title(one: Repeated | models.Schedule) -> str:
    return str(catalogue.titles().get(one.kind, one.kind))


def _form(
    repeated: Repeated, chosen: dict[str, str], zone: str, errors: list[FieldError] | None = None, cron: str = ""
) -> str:
    at_field, general = _by_field(errors or [], repeated.secrets)
    return render_template(
        "schedules/new.html",
        repeated=repeated,
        job=repeated.job,
        title=_title(repeated),
        errors=at_field,
        general=general,
        **_runs(cron, zone),
        **cron_words.view(chosen, zone),
    )


def _page(schedule: models.Schedule, errors: list[FieldError] | None = None, **typed: str | None) -> str:
    at_field, _ = _by_field(errors or [])
    page = queue.scheduled_jobs(schedule, after=request.args.get("after"))
    shown = {
        "schedule": schedule,
        "title": _title(schedule),
        "known": _is_known(schedule.kind),
        "when_it_runs": cron_words.in_words(schedule.cron),
        "key": uuid4().hex,
        "errors": at_field,
        "page": page,
        "titles": catalogue.titles(),
        "nouns": catalogue.nouns(),
        "reasons": history.reasons(page.rows),
    }
    times = cron_words.view(cron_words.chosen_of(schedule.cron), schedule.zone) | typed
    times |= _runs("" if schedule.paused_at else schedule.cron, schedule.zone)
    return render_template("schedules/show.html", given=tabs.given(schedule.kind, schedule.params), **shown, **times)


def _runs(cron: str, zone: str) -> dict[str, Any]:
    """The next runs of a schedule, and what the next change of clocks does to them."""
    if not cron:
        return {"runs": [], "change": ""}
    runs = run_times.run_times(queue.upcoming_runs(cron, zone, SHOWN_RUNS), zone)
    return {"runs": runs, "change": run_times.clock_change(cron, zone)}


def _by_field(errors: list[FieldError], secrets: Iterable[str] = ()) -> tuple[dict[str, str], list[str]]:
    """Errors of the form's fields by field, and other errors as sentences."""
    ours = {name: name for name in (*cron_words.BLANK, "zone")} | {name: f"secret-{name}" for name in secrets}
    general = [error.message for error in errors if error.field not in ours]
    return {ours[error.field]: error.message for error in errors if error.field in ours}, general


def _is_known(kind: str) -> bool:
    try:
        return kinds.kind(kind).available
    except NotFound:
        return False

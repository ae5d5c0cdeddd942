"""The list of jobs: filters in the address, pages by key, a polled fragment; deleting one, and bulk actions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any, NamedTuple
from urllib.parse import urlencode
from uuid import UUID, uuid4

from flask import Blueprint, flash, redirect, render_template, request
from werkzeug.wrappers import Response

from jobs.engine import queue
from jobs.engine.errors import BadInput
from webapp.http import parsing
from webapp.http.guards import current_owner
from webapp.http.identity import person
from webapp.jobs import catalogue
from webapp.results import strip
from webapp.ui import saved_views
from webapp.ui import words as ui_words

blueprint = Blueprint("history", __name__)
PAGE = 50
EXPLAINED = 10
CHIPS = ("running", "waiting", "scheduled", "succeeded", "partial", "failed", "cancelled")
BULK = "bulk_jobs"
ACTIONS = ("retry_failed", "retry", "again", "stop", "delete")
FILTERS = ("state", "kind", "by", "since", "q")
STARTERS = {"person": "A person", "schedule": "A schedule"}
_STATES = {"running": ("running", "stopping")}  # a chip that stands for more than one state


class Wanted(NamedTuple):
    """The filters of the list, as they stand in its address; empty is any."""

    state: str = ""
    kind: str = ""
    by: str = ""
    since: str = ""  # a day: 2026-11-16
    q: str = ""


@blueprint.get("/jobs")
def index() -> str:
    """The list; with `HX-Request` only its live part."""
    wanted = _wanted(request.args)
    polled = bool(request.headers.get("HX-Request"))
    return render_template(
        "jobs/_list.html" if polled else "jobs/list.html",
        polled=polled,
        strip=None if polled or any(wanted) or not _at_start() else strip.of_owner(current_owner(), catalogue.titles()),
        **_list(wanted),
        **wanted._asdict(),
        views=saved_views.kept(),
        here=address().partition("?")[2],
        starters=STARTERS,
        every=request.args.get("all") == "1",
        address=address,
        filtered=any(wanted),
        first_page=_at_start(),
    )


@blueprint.post("/jobs/bulk")
def bulk() -> Any:
    """Do one thing to the chosen jobs, or to all that match. Stops are asked for at once; the rest is a job itself, and
    deleting asks first."""
    action = request.form.get("action", "")
    if action not in ACTIONS:
        raise BadInput("Choose what to do with the jobs: retry, stop or delete.")
    every = request.form.get("all") == "1"
    chosen = list(dict.fromkeys(request.form.getlist("job")))[:PAGE]
    if not every and not chosen:
        raise BadInput("No job is selected. Tick some in the list first.")
    wanted = _wanted(request.form)
    if action == "delete" and request.form.get("sure") != "1":
        many = _matching(wanted) if every else len(chosen)
        shown = {"chosen": [] if every else chosen, "every": every, "many": many}
        return render_template("jobs/delete.html", key=uuid4().hex, **wanted._asdict(), **shown)
    if action == "stop":
        return _stopped(wanted, [] if every else chosen, every)
    which = {"all": True, **_as_params(wanted)} if every else {"jobs": chosen}
    key = parsing.printable(request.form.get("key", ""), 64)
    job = queue.submit(
        BULK,
        {"action": action, **which},
        owner=current_owner(),
        idempotency_key=f"bulk-{key}-{action}" if key else None,
    )
    return redirect(f"/jobs/{job.id}", 303)


def _stopped(wanted: Wanted, chosen: list[str], every: bool) -> Response:
    """A stop does not wait in the queues that it may have to clear."""
    owner = current_owner()
    if every:
        spelled = _spelled_out(wanted)
        count = queue.stop_matching(owner=owner, states=_states(spelled.state), **_query(spelled))
    else:
        count = queue.stop_many(chosen, owner=owner)
    jobs = "1 job" if count == 1 else f"{count:,} jobs"
    flash(
        f"A stop is requested for {jobs}."
        if count
        else "None of these jobs can be stopped: they have ended or are stopping."
    )
    return redirect(address(request.form), 303)


@blueprint.post("/jobs/views")
@person
def keep_view() -> Response:
    """Save these filters under a name, or delete a saved name, in this browser."""
    form = request.form
    query = address(form).partition("?")[2]
    changed = (
        saved_views.without(form["forget"]) if "forget" in form else saved_views.with_(form.get("name", ""), query)
    )
    return saved_views.keep(redirect(f"/jobs?{query}" if query else "/jobs", 303), changed)


@blueprint.post("/jobs/<job_id>/pin")
def pin(job_id: str) -> Response:
    """Protect a job from deletion."""
    queue.pin(job_id, True, owner=current_owner())
    return redirect(f"/jobs/{job_id}", 303)


@blueprint.post("/jobs/<job_id>/unpin")
def unpin(job_id: str) -> Response:
    queue.pin(job_id, False, owner=current_owner())
    return redirect(f"/jobs/{job_id}", 303)


@blueprint.get("/jobs/<job_id>/delete")
def ask_delete(job_id: str) -> str:
    job = queue.job(job_id, current_owner())
    return render_template("jobs/job/delete.html", job=job, title=catalogue.titles().get(job.kind, job.kind))


@blueprint.post("/jobs/<job_id>/delete")
def delete(job_id: str) -> Response:
    queue.delete(job_id, owner=current_owner())
    flash("The job is deleted.")
    return redirect("/jobs", 303)


def _at_start() -> bool:
    return not (request.args.get("after") or request.args.get("before"))


def address(given: Mapping[str, str] | None = None, **changed: str | None) -> str:
    """This list with other filters; the page starts anew."""
    given = request.args if given is None else given
    kept = {name: given.get(name) for name in FILTERS} | changed
    query = urlencode({name: value for name, value in kept.items() if value})
    return f"/jobs?{query}" if query else "/jobs"


def reasons(rows: list[queue.JobView]) -> dict[UUID, queue.Waiting | None]:
    """Why the first EXPLAINED waiting jobs wait: one query each, so not for all of a long list."""
    return {job.id: queue.why_waiting(job) for job in [job for job in rows if job.state == "queued"][:EXPLAINED]}


def _wanted(asked: Mapping[str, str]) -> Wanted:
    """The filters that are asked for; what is none of ours is left out."""
    found = {name: asked.get(name, "") for name in FILTERS}
    known = {name: value for name, value in found.items() if value and _is_known(name, value)}
    return Wanted(**{name: known.get(name, "") for name in FILTERS} | {"q": asked.get("q", "").strip()[:200]})


def _spelled_out(wanted: Wanted) -> Wanted:
    """With the filters that stand among the words, such as `kind:nap`, as filters. A control goes before a word."""
    found, words = {}, []
    for word in wanted.q.split():
        name, _, value = word.partition(":")
        if name in FILTERS and name != "q" and _is_known(name, value) and not getattr(wanted, name):
            found[name] = value
        else:
            words.append(word)
    return wanted._replace(**found, q=" ".join(words)) if found else wanted


def _is_known(name: str, value: str) -> bool:
    known: dict[str, Any] = {"state": CHIPS, "kind": catalogue.titles(), "by": STARTERS}
    return value in known[name] if name in known else name == "q" or _moment(value) is not None


def _moment(day: str) -> datetime | None:
    """The first moment of a day, for the viewer."""
    try:
        return datetime.combine(date.fromisoformat(day), time(), ui_words.zone())
    except ValueError:
        return None


def _states(state: str) -> tuple[str, ...]:
    return _STATES.get(state, (state,) if state else ())


def _query(wanted: Wanted) -> dict[str, Any]:
    """The filters except the state, as arguments of queue.list_jobs."""
    return {
        "kind": wanted.kind or None,
        "q": wanted.q or None,
        "since": _moment(wanted.since) if wanted.since else None,
        "by": wanted.by or None,
    }


def _as_params(wanted: Wanted) -> dict[str, Any]:
    """The same for the job that changes all that match."""
    wanted = _spelled_out(wanted)
    since = _moment(wanted.since) if wanted.since else None
    return {
        "states": list(_states(wanted.state)),
        "of_kind": wanted.kind,
        "q": wanted.q,
        "since": since.isoformat() if since else "",
        "by": wanted.by,
    }


def _matching(wanted: Wanted) -> int:
    wanted = _spelled_out(wanted)
    counts = queue.job_counts(current_owner(), **_query(wanted))
    return _count(counts, wanted.state) if wanted.state else _total(counts)


def _list(wanted: Wanted) -> dict[str, Any]:
    owner = current_owner()
    wanted = _spelled_out(wanted)
    page = queue.list_jobs(
        owner,
        states=_states(wanted.state),
        **_query(wanted),
        after=request.args.get("after"),
        before=request.args.get("before"),
        limit=PAGE,
    )
    counts = queue.job_counts(owner, **_query(wanted))
    for_menu = {} if any(_query(wanted).values()) else {"counts": counts}
    return for_menu | {
        "page": page,
        "searched": queue.SEARCHED,
        "chips": [(chip, _count(counts, chip)) for chip in CHIPS],
        "everything": _total(counts),
        "matching": _count(counts, wanted.state) if wanted.state else _total(counts),
        "titles": catalogue.titles(),
        "nouns": catalogue.nouns(),
        "reasons": reasons(page.rows),
    }


def _count(counts: dict[str, int], chip: str) -> int:
    return sum(counts.get(state, 0) for state in _STATES.get(chip, (chip,)))


def _total(counts: dict[str, int]) -> int:
    return sum(_count(counts, chip) for chip in CHIPS)

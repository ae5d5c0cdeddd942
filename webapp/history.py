"""The list of jobs: filters in the address, pages by key, live by a polled fragment; deleting one, and changing many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from flask import Blueprint, redirect, render_template, request
from werkzeug.wrappers import Response

from jobs.engine import commands, queries
from jobs.engine.errors import BadInput
from webapp import kinds
from webapp.access import current_owner

blueprint = Blueprint("history", __name__)
PAGE = 50
EXPLAINED = 10
CHIPS = ("running", "waiting", "scheduled", "succeeded", "partial", "failed", "cancelled")
BULK = "bulk_jobs"
ACTIONS = ("retry_failed", "retry", "stop", "delete")
_STATES = {"running": ("running", "stopping")}  # a chip that stands for more than one state


@blueprint.get("/jobs")
def index() -> str:
    """The list; with `HX-Request` only its live part."""
    state, kind, q = _filters(request.args)
    return render_template(
        "jobs/_list.html" if request.headers.get("HX-Request") else "jobs.html",
        **_list(state, kind, q),
        state=state,
        kind=kind,
        q=q,
        every=request.args.get("all") == "1",
        address=address,
        filtered=bool(state or kind or q),
        first_page=not (request.args.get("after") or request.args.get("before")),
    )


@blueprint.post("/jobs/bulk")
def bulk() -> Any:
    """Do one thing to the chosen jobs, or to all that match. It is a job itself; deleting asks first."""
    action = request.form.get("action", "")
    if action not in ACTIONS:
        raise BadInput("Choose what to do with the jobs: retry, stop or delete.")
    every = request.form.get("all") == "1"
    chosen = list(dict.fromkeys(request.form.getlist("job")))[:PAGE]
    if not every and not chosen:
        raise BadInput("No job is selected. Tick some in the list first.")
    state, kind, q = _filters(request.form)
    if action == "delete" and request.form.get("sure") != "1":
        many = _matching(state, kind, q) if every else len(chosen)
        shown = {"chosen": [] if every else chosen, "every": every, "many": many}
        return render_template("jobs/delete.html", key=uuid4().hex, state=state, kind=kind, q=q, **shown)
    which = {"all": True, "states": list(_states(state)), "of_kind": kind, "q": q} if every else {"jobs": chosen}
    key = request.form.get("key", "")[:64]
    job = commands.submit(
        BULK,
        {"action": action, **which},
        owner=current_owner(),
        idempotency_key=f"bulk-{key}-{action}" if key else None,
    )
    return redirect(f"/jobs/{job.id}", 303)


@blueprint.get("/jobs/<job_id>/delete")
def ask_delete(job_id: str) -> str:
    job = queries.job(job_id, current_owner())
    return render_template("job_delete.html", job=job, title=kinds.titles().get(job.kind, job.kind))


@blueprint.post("/jobs/<job_id>/delete")
def delete(job_id: str) -> Response:
    commands.delete(job_id, owner=current_owner())
    return redirect("/jobs", 303)


def address(**changed: str | None) -> str:
    """This list with other filters; the page starts anew."""
    kept = {name: request.args.get(name) for name in ("state", "kind", "q")} | changed
    query = urlencode({name: value for name, value in kept.items() if value})
    return f"/jobs?{query}" if query else "/jobs"


def reasons(rows: list[Any]) -> dict[Any, Any]:
    """Why the first few jobs wait; to ask it for each of a long list would keep the database busy."""
    return {job.id: queries.waiting(job) for job in [job for job in rows if job.state == "queued"][:EXPLAINED]}


def _filters(asked: Mapping[str, str]) -> tuple[str, str, str]:
    """State, kind and words; what is none of ours is left out."""
    state, kind = asked.get("state", ""), asked.get("kind", "")
    known = state if state in CHIPS else "", kind if kind in kinds.titles() else ""
    return *known, asked.get("q", "").strip()[:200]


def _states(state: str) -> tuple[str, ...]:
    return _STATES.get(state, (state,) if state else ())


def _matching(state: str, kind: str, q: str) -> int:
    counts = queries.job_counts(current_owner(), kind=kind or None, q=q or None)
    return _count(counts, state) if state else _total(counts)


def _list(state: str, kind: str, q: str) -> dict[str, Any]:
    owner = current_owner()
    page = queries.jobs(
        owner,
        states=_states(state),
        kind=kind or None,
        q=q or None,
        after=request.args.get("after"),
        before=request.args.get("before"),
        limit=PAGE,
    )
    counts = queries.job_counts(owner, kind=kind or None, q=q or None)
    for_menu = {} if kind or q else {"counts": counts}
    return for_menu | {
        "page": page,
        "chips": [(chip, _count(counts, chip)) for chip in CHIPS],
        "everything": _total(counts),
        "matching": _count(counts, state) if state else _total(counts),
        "titles": kinds.titles(),
        "nouns": kinds.nouns(),
        "reasons": reasons(page.rows),
    }


def _count(counts: dict[str, int], chip: str) -> int:
    return sum(counts.get(state, 0) for state in _STATES.get(chip, (chip,)))


def _total(counts: dict[str, int]) -> int:
    return sum(_count(counts, chip) for chip in CHIPS)

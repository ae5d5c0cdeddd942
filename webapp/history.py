"""The list of jobs: filters in the address, pages by key, live by a polled fragment; and deleting one."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, redirect, render_template, request
from werkzeug.wrappers import Response

from jobs.engine import commands, queries
from webapp import kinds
from webapp.access import current_owner

blueprint = Blueprint("history", __name__)
PAGE = 50
EXPLAINED = 10
CHIPS = ("running", "waiting", "scheduled", "succeeded", "partial", "failed", "cancelled")
_STATES = {"running": ("running", "stopping")}  # a chip that stands for more than one state


@blueprint.get("/jobs")
def index() -> str:
    """The list; with `HX-Request` only its live part."""
    state = request.args.get("state", "")
    state = state if state in CHIPS else ""
    kind = request.args.get("kind", "")
    kind = kind if kind in kinds.titles() else ""
    q = request.args.get("q", "").strip()[:200]
    return render_template(
        "jobs/_list.html" if request.headers.get("HX-Request") else "jobs.html",
        **_list(state, kind, q),
        state=state,
        kind=kind,
        q=q,
        address=address,
        filtered=bool(state or kind or q),
        first_page=not (request.args.get("after") or request.args.get("before")),
    )


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


def _list(state: str, kind: str, q: str) -> dict[str, Any]:
    owner = current_owner()
    page = queries.jobs(
        owner,
        states=_STATES.get(state, (state,) if state else ()),
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
        "titles": kinds.titles(),
        "nouns": kinds.nouns(),
        "reasons": reasons(page.rows),
    }


def _count(counts: dict[str, int], chip: str) -> int:
    return sum(counts.get(state, 0) for state in _STATES.get(chip, (chip,)))


def _total(counts: dict[str, int]) -> int:
    return sum(_count(counts, chip) for chip in CHIPS)

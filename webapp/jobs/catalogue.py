"""The catalogue, and the empty or prefilled form of a kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request
from werkzeug.wrappers import Response

from jobs.engine import kinds as engine_kinds
from jobs.engine import queue, settings
from jobs.engine.errors import NotFound
from webapp import forms
from webapp.forms import estimates
from webapp.http.guards import current_owner
from webapp.http.identity import person
from webapp.jobs import drafts

blueprint = Blueprint("kinds", __name__)
blueprint.add_app_template_global(estimates.verdict, "estimated")


@blueprint.app_context_processor
def toy_model() -> dict[str, str]:
    """The name of the built-in model where it is the one that answers."""
    current = settings.current()
    return {"toy_model": current.model if "model" in current.built_in else ""}


FIRST = "generate_texts"  # what a newcomer is offered
A_YEAR = 365 * 86400
_LIVE = ("running", "stopping", "waiting")
_ENDED = ("succeeded", "partial", "failed", "cancelled")


@blueprint.get("/")
def index() -> str:
    """The catalogue; with `HX-Request` only the viewer's jobs beside it."""
    if request.headers.get("HX-Request"):
        return render_template("jobs/catalogue/_mine.html", **_mine())
    wanted, group = request.args.get("q", "").strip(), request.args.get("group", "")
    every = engine_kinds.kinds()
    found = [kind for kind in every if _matches(kind, wanted) and group in ("", kind.group)]
    return render_template(
        "jobs/catalogue.html",
        q=wanted,
        group=group,
        groups=Counter(kind.group for kind in every),
        found=found,
        recipes=_recipes(),
        all_kinds=every,
        served=queue.served_queues(),
        wants=partial(_wants, engine_kinds.version()),
        welcome=None if request.cookies.get("welcome") == "hidden" else settings.current(),
        first=next((kind for kind in every if kind.name == FIRST and kind.available), None),
        **_mine(),
    )


@blueprint.post("/welcome/hide")
@person
def hide_welcome() -> Response:
    response = make_response(redirect("/", 303))
    response.set_cookie("welcome", "hidden", max_age=A_YEAR, samesite="Lax", httponly=True)
    return response


@lru_cache(maxsize=200)
def _wants(version: int, name: str) -> str:
    """What a job of this kind needs, in a few words: a table, the model."""
    kind = engine_kinds.kind(name)
    fields = forms.of_kind(kind) if kind.available else ()
    files = [one for one in fields if one.control in ("file", "files")]
    names = {one.name for one in fields}
    found = ["a table" if files[0].accept == "table" else "files"] if files else []
    if not files and names & {"collection", "selection"}:
        found = ["documents"]
    if "model" in names and kind.queue == "io":
        found.append("the model")
    return ", ".join([*found, "mail"] if kind.queue == "mail" else found)


@blueprint.get("/kinds/<name>")
def form(name: str) -> Any:
    """A kind's form: blank, with the example (`?example=1`), with another job's params (`?from=<id>`), or `?field=value`."""
    kind = engine_kinds.offered(name)
    if not kind.available:
        return render_template("jobs/kind_off.html", kind=kind), 503
    return drafts.page(_draft(kind))


@blueprint.get("/kinds/<name>/form.css")
def style_sheet(name: str) -> Response:
    """What the form hides: fields that do not apply. It is the same for everybody."""
    kind = engine_kinds.offered(name)
    sheet = forms.style_sheet(forms.of_kind(kind)) if kind.available else ""
    response = Response(sheet, content_type="text/css; charset=utf-8")
    response.add_etag()
    response.cache_control.no_cache = True
    return response.make_conditional(request)


def titles() -> dict[str, str]:
    """kind -> title, for all kinds, the hidden ones too."""
    return {kind.name: kind.title for kind in engine_kinds.kinds(hidden=True)}


def nouns() -> dict[str, tuple[str, str]]:
    return {kind.name: kind.noun for kind in engine_kinds.kinds(hidden=True)}


def _draft(kind: engine_kinds.Kind) -> drafts.Draft:
    """The form that the address asks for; files that it names come on top of a job's, a recipe's or the example's params."""
    draft = _started(kind)
    if draft is None:
        draft = drafts.blank(kind)
        _prefill(draft, request.args)
    else:
        files = [one for one in draft.fields if one.control in ("file", "files") and one.name in request.args]
        draft.raw |= {one.name: forms.posted([one], request.args)[one.name] for one in files}
    return draft


def _started(kind: engine_kinds.Kind) -> drafts.Draft | None:
    """The form of another job, a recipe or the example, if the address names one."""
    if source := request.args.get("from"):
        job = queue.job(source, current_owner())
        if job.kind != kind.name:
            raise NotFound("That job is of another kind, so its answers do not fit this form.")
        draft = drafts.of_params(kind, job.params)
        draft.parent = str(job.id)
        draft.tell = {one.channel: one.target for one in queue.notifications_of(job)}
        return draft
    if recipe := request.args.get("recipe"):
        if not (recipe.isascii() and recipe.isdigit() and 0 < int(recipe[:4]) <= len(kind.recipes)):
            raise NotFound("There is no such recipe.")
        return drafts.of_params(kind, kind.recipes[int(recipe[:4]) - 1].params)
    if request.args.get("example"):
        return drafts.of_params(kind, kind.example)
    return None


def _prefill(draft: drafts.Draft, given: Mapping[str, str]) -> None:
    """Take over the fields that the address names; a secret never comes by an address."""
    safe = [one for one in draft.fields if one.control != "secret"]
    named = [one for one in safe if one.name in given]
    draft.raw |= {name: text for name, text in forms.posted(named, request.args).items()}
    heads = {one.path[0] for one in safe if one.part} & given.keys()
    whole = {head: value for head in heads if (value := forms.mapping(given[head])) is not None}
    parts = [one for one in safe if one.part and one.path[0] in whole]
    draft.raw |= forms.filled(parts, whole)


def _recipes() -> list[tuple[int, engine_kinds.Kind, engine_kinds.Recipe]]:
    """The recipes of all kinds, the first ones of each first."""
    usable = [kind for kind in engine_kinds.kinds() if kind.available]
    found = [(place, kind, recipe) for kind in usable for place, recipe in enumerate(kind.recipes, 1)]
    return sorted(found, key=lambda one: one[0])


def _matches(kind: engine_kinds.Kind, wanted: str) -> bool:
    return all(part in kind.searched for part in wanted.casefold().split())


def _mine() -> dict[str, Any]:
    """The viewer's running and waiting jobs, and the last that ended."""
    owner = current_owner()
    return {
        "live": queue.list_jobs(owner, states=_LIVE, limit=6).rows,
        "recent": queue.list_jobs(owner, states=_ENDED, limit=6).rows,
        "counts": queue.job_counts(owner),
        "titles": titles(),
        "nouns": nouns(),
        "waiting": queue.why_waiting,
    }

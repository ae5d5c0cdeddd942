"""The page of one item, which is also the drawer over the grid: what went in, what was asked, what came out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from flask import Blueprint, Response, make_response, redirect, render_template, request
from flask.blueprints import BlueprintSetupState
from markupsafe import Markup
from werkzeug.wrappers import Response as BaseResponse

from jobs.engine import kinds, queue
from jobs.engine.db import models
from jobs.engine.display import as_text
from jobs.engine.errors import BadInput, LegworkError, NotFound
from jobs.engine.kinds import ItemColumn
from webapp.http.guards import current_owner
from webapp.results import blocks, columns, grid, values
from webapp.ui import mail_html

blueprint = Blueprint("items", __name__)


@blueprint.record_once
def _install(state: BlueprintSetupState) -> None:
    """What the templates of this package need."""
    state.app.jinja_env.filters.update(label=kinds.label_of, flat=values.flat)
    state.app.jinja_env.globals.update(
        drawn_kinds=_drawn_kinds(state.app.static_folder), file_type=values.file_type, languages=values.LANGUAGES
    )


def _drawn_kinds(folder: str | None) -> frozenset[str]:
    """The kinds that have a sign of their own among the icons."""
    sprite = Path(folder or "", "icons.svg").read_text("utf-8")
    return frozenset(re.findall(r'<symbol id="(\w+)" viewBox="0 0 24 24"', sprite))


class Pair(NamedTuple):
    """A label and its value."""

    label: str
    text: Any


@blueprint.get("/jobs/<job_id>/items/<int(max=999999999999):position>")
def show(job_id: str, position: int) -> Response:
    """One item; with `HX-Request` the article alone, for the drawer."""
    job = queue.readable_job(job_id, current_owner())
    article = article_of(job, position, f"/jobs/{job.id}/items", request.args)
    part = request.headers.get("HX-Request")
    response = make_response(
        render_template(
            "results/_item.html" if part else "results/item.html", job=job, article=article, drawn=bool(part)
        )
    )
    if any(block.show == "html" for block in article["blocks"]):
        response.headers["Content-Security-Policy"] = mail_html.PAGE_POLICY
    return response


@blueprint.post("/jobs/<job_id>/items")
def choose(job_id: str) -> BaseResponse:
    """Do with the chosen rows: `again` names one row to retry; else `do` says retry, copy or download."""
    job = queue.readable_job(job_id, current_owner())  # first: to others there is no such job
    form = request.form
    chosen = grid.places([form["again"]] if "again" in form else form.getlist("row"))
    do = "retry" if "again" in form else form.get("do", "")
    if do not in ("retry", "copy", "download"):
        raise BadInput("Choose what to do with the rows: retry, copy or download.")
    if not chosen:
        raise BadInput("No row is chosen. Tick some in the table first.")
    if do == "retry":
        again = queue.retry_rows(job_id, chosen, owner=current_owner())
        return redirect(f"/jobs/{again.id}", 303)
    rows = urlencode([("row", place) for place in chosen])
    return redirect(f"/jobs/{job.id}/items.{'csv' if do == 'download' else 'tsv'}?{rows}", 303)


@blueprint.get("/jobs/<job_id>/items.tsv")
def copied(job_id: str) -> Response:
    """Chosen rows as text with tabs, as a spreadsheet takes them from the clipboard."""
    job = queue.readable_job(job_id, current_owner())
    chosen = grid.places(request.args.getlist("row"))
    every = [one for one in columns.of_job(job, kind_of(job)) if one.role != "run"]
    lines = [[one.label for one in every]]
    lines += [
        [_in_cell(columns.value_of(item, one.name)) for one in every]
        for place in chosen
        if (item := queue.item_at(job, place)) is not None
    ]
    text = "\n".join("\t".join(line) for line in lines)
    return Response(text + "\n", content_type="text/plain; charset=utf-8")


def _in_cell(value: object) -> str:
    return re.sub(r"[\t\r\n]+", " ", "" if values.is_nothing(value) else as_text(value))


@blueprint.get("/jobs/<job_id>/shown/<name>")
def framed(job_id: str, name: str) -> Response:
    """A page that the job returned, for a frame: `?item=` names the item by its place, or else it is of the result."""
    job = queue.readable_job(job_id, current_owner())
    place = request.args.get("item", "")
    item = _item(job, int(place)) if place.isascii() and place.isdigit() and len(place) < 19 else None
    value = ((item.output if item else job.result) or {}).get(name)
    if not (isinstance(value, dict) and value.get("show") == "html"):
        raise NotFound("This job returned no page of that name.")
    return mail_html.framed(str(value.get("html", "")))


def article_of(job: queue.JobView, position: int, path: str, asked: grid.Asked) -> dict[str, Any]:
    """The variables of an item's article. path, asked: of the grid, whose order decides what is before and after."""
    item, kind = _item(job, position), kind_of(job)
    every = columns.columns_of(job, kind, [*queue.sample(job), item])
    before, after = queue.neighbours(job, item, grid.query_of(job, every, asked))
    here = grid.GridAddress(path, asked)
    made = [one for one in every if one.role == "made" and one.name in (item.output or {})]
    found, pairs = _output(item, made)
    return {
        "item": item,
        "kind": kind,
        "title": kind.title if kind else job.kind,
        "item_noun": kind.noun[0] if kind else "item",
        "item_nouns": kind.noun[1] if kind else "items",
        "name": grid.name_of(item, every),
        "blocks": found,
        "pairs": pairs,
        "given": _pairs(item, [one for one in every if one.role == "yours"]),
        "asked_text": _asked(job, kind, item),
        "before": before and _address(job, before, here),
        "after": after and _address(job, after, here),
        "grid_address": here.of({}),
        "own_address": f"/jobs/{job.id}/items/{position}",
    }


def kind_of(job: queue.JobView) -> kinds.Kind | None:
    """The job's kind; None if it is no longer there."""
    try:
        return kinds.kind(job.kind)
    except NotFound:
        return None


def _item(job: queue.JobView, position: int) -> models.Item:
    found = queue.item_at(job, position)
    if found is None or found.state == "started":
        raise NotFound("There is no such row, or it has not been worked on yet.")
    return found


def _address(job: queue.JobView, item: models.Item, here: grid.GridAddress) -> str:
    return grid.GridAddress(f"/jobs/{job.id}/items/{item.position}", here.asked).of({})


def _output(item: models.Item, made: list[ItemColumn]) -> tuple[list[blocks.Block], list[Pair]]:
    """What was made: texts, tables and pictures as blocks, short values as pairs."""
    found, pairs = [], []
    for one in made:
        value = (item.output or {}).get(one.name)
        if values.is_nothing(value):
            continue
        if (block := blocks.block_of(one, value)) is not None:
            found.append(block)
        else:
            pairs.append(Pair(one.label, values.with_unit(value, one)))
    return found, pairs


def _pairs(item: models.Item, yours: list[ItemColumn]) -> list[Pair]:
    """The input as it was given: a text in full."""
    given = [(one, columns.value_of(item, one.name)) for one in yours]
    return [Pair(one.label, _whole(value, one)) for one, value in given if not values.is_nothing(value)]


def _whole(value: object, column: ItemColumn) -> Any:
    return value if columns.is_long(column) and isinstance(value, str) else values.with_unit(value, column)


def _asked(job: queue.JobView, kind: kinds.Kind | None, item: models.Item) -> Markup | None:
    """The template of the kind's ASKED param with this row's values, which are marked."""
    name = getattr(kind.module, "ASKED", "") if kind and kind.available else ""
    text = job.params.get(name) if name else None
    if not (isinstance(text, str) and text.strip()):
        return None
    try:
        pieces = kinds.parse_template(text).pieces
    except LegworkError:
        return None
    row = item.input or {}
    marked = Markup("<mark>{}</mark>")
    return Markup("").join(
        piece if isinstance(piece, str) else marked.format(kinds.value_of(piece[0], row)) for piece in pieces
    )

"""“Use in…”: the kinds that take a file, the rows of a job or a collection, and their forms with it filled in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from urllib.parse import urlencode

from flask import Blueprint, flash, redirect, render_template, request
from werkzeug.wrappers import Response

from jobs.engine import files as engine_files
from jobs.engine import kinds, queue
from jobs.engine.db import models
from webapp import forms
from webapp.http.guards import current_owner
from webapp.ui import words

blueprint = Blueprint("uses", __name__)
MOST_FILES = 50  # of a job, on its page
MOST_NAME = 200  # characters, before the ending


@dataclass(frozen=True)
class Use:
    """A kind that takes something, and the field of its form that it goes into."""

    kind: kinds.Kind
    field: str


@blueprint.get("/files/<file_id>/use")
def of_file(file_id: str) -> str:
    """The kinds that take this file."""
    file = engine_files.file(file_id, current_owner())
    found = _uses("table" if file.table else "file")
    back = f"/jobs/{file.job_id}" if file.job_id else f"/files/{file_id}/preview"
    return _page(file.name, back, [(file.name, _links(found, file_id))], file if file.job_id else None)


@blueprint.post("/files/<file_id>/keep")
def keep(file_id: str) -> Response:
    """Save a job's file as an upload with a name of its own: it can be chosen in every form, and outlives the job."""
    file = engine_files.file(file_id, current_owner())
    name = request.form.get("name", "").strip()[:MOST_NAME] or file.name
    ending = PurePosixPath(file.name).suffix
    if not name.lower().endswith(ending.lower()):
        name += ending
    with engine_files.open_file(file) as stream:
        saved = engine_files.upload(stream, name, owner=current_owner())
    flash(f"Saved as {saved.name}. Every form that takes such a file offers it, also after the job is deleted.")
    return redirect(f"/files/{saved.id}/use", 303)


@blueprint.get("/jobs/<job_id>/use")
def of_job(job_id: str) -> str:
    """The kinds that take the rows of this job, or one of its files."""
    job = queue.job(job_id, current_owner())
    own = _links(_uses("table"), f"job:{job.id}")
    parts = [(f"Its {words.number(job.finished)} rows, as a table", own)] if job.finished else []
    saved = queue.output_files(job)[:MOST_FILES] if job.ended else []
    parts += [(file.name, _links(_uses("table" if file.table else "file"), str(file.id))) for file in saved]
    return _page(job.label or job.kind, f"/jobs/{job.id}", parts)


@blueprint.get("/use")
def of_collection() -> str:
    """The kinds that take this collection of the library."""
    name = request.args.get("collection", "").strip()[:100]
    found = _links(_uses("collection"), name)
    return _page(name, f"/library?{urlencode({'collection': name})}", [(name, found)])


def _page(what: str, back: str, parts: list[tuple[str, list[tuple[Use, str]]]], file: models.File | None = None) -> str:
    """The page of what can be used; with a job's file, also how to save it as an upload."""
    return render_template("jobs/use.html", what=what, back=back, parts=parts, file=file)


def _links(found: Iterable[Use], value: str) -> list[tuple[Use, str]]:
    return [(use, _address(use, value)) for use in found]


def _address(use: Use, value: str) -> str:
    return f"/kinds/{use.kind.name}?{urlencode({use.field: value})}"


def _uses(what: str) -> tuple[Use, ...]:
    """The kinds that take a table, another file or a collection; those that are made for it first."""
    return _uses_of(kinds.version(), what)


@lru_cache(maxsize=3)
def _uses_of(_version: int, what: str) -> tuple[Use, ...]:
    found = [(_fit(kind, what), kind) for kind in kinds.kinds() if kind.available]
    ordered = sorted((one for one in found if one[0][0]), key=lambda one: what == "table" and one[0][1] != "table")
    return tuple(Use(kind, field) for (field, _), kind in ordered)


def _fit(kind: kinds.Kind, what: str) -> tuple[str, str]:
    """The first field of a kind that takes this, and what it accepts; empty if none does."""
    fields = [one for one in forms.of_kind(kind) if not one.only_if or what == "collection"]
    if what == "collection":
        return next((one.name for one in fields if one.path[-1] == "collection" and not _writes(kind, one)), ""), ""
    taking = [one for one in fields if one.control in ("file", "files")]
    fitting = [one for one in taking if one.accept != "table" or what == "table"]
    return (fitting[0].name, fitting[0].accept) if fitting else ("", "")


def _writes(kind: kinds.Kind, field: forms.Field) -> bool:
    """Whether this collection is one that the kind writes into."""
    return any(one.control in ("file", "files") and one.required for one in forms.of_kind(kind)) or (
        field.path[0] == "values"
    )

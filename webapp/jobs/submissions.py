"""Submit a form: validate it, create the job, redirect to its page. A form with errors comes back as it was filled in."""

from __future__ import annotations

import hmac
import json
from contextlib import suppress
from typing import Any, BinaryIO, cast
from uuid import UUID

from flask import Blueprint, current_app, redirect, request
from werkzeug.datastructures import FileStorage

from jobs.engine import files, kinds, queue
from jobs.engine.errors import BadInput, FieldError, InvalidParams, NotFound, TooLarge, TooMany
from webapp import forms
from webapp.http import parsing
from webapp.http.guards import current_owner
from webapp.jobs import drafts

blueprint = Blueprint("submissions", __name__)
CHANNELS = ("mail", "webhook")

# Fields of the form itself begin with an underscore, as no param can: _key, _parent, _name, _when, _run_at, _zone, _pasted,
# _mail, _webhook.
# The buttons are `sample`, `check`, `upload` and `json`.


@blueprint.post("/kinds/<name>")
def submit(name: str) -> Any:
    """Start the job of a filled-in form; or, by the button that was pressed, only check it, read its table, or take its JSON."""
    kind = kinds.offered(name)
    if "json" in request.form:
        return _pasted(kind)
    draft = posted(kind)
    if "upload" in request.form:
        return drafts.page(draft, 422 if draft.errors else 200)
    complete = drafts.check(draft)
    if "check" in request.form:
        return drafts.page(draft)
    return _start(draft, draft.valid) if complete and draft.valid else drafts.page(draft, 422)


def posted(kind: kinds.Kind) -> drafts.Draft:
    """The draft of a posted form; its new files are stored."""
    form = request.form
    draft = drafts.blank(kind)
    draft.posted = True
    draft.raw = forms.posted(draft.fields, form)
    draft.parent = form.get("_parent", "")
    draft.name = queue.job_name(form.get("_name", "")[:1_000])
    draft.zone = form.get("_zone", "")
    draft.later = form.get("_run_at", "").strip() if form.get("_when") == "later" else ""
    draft.tell = {channel: form.get(f"_{channel}", "").strip()[:2_000] for channel in CHANNELS}
    draft.key = parsing.printable(form.get("_key", ""), 64) or draft.key
    for field in draft.fields:
        if field.control in ("file", "files"):
            _take_files(draft, field)
    return draft


def _take_files(draft: drafts.Draft, field: forms.Field) -> None:
    """Choose the files of a field: uploads of this request first, then earlier uploads picked, then the ones chosen before."""
    picked = [ref for ref in request.form.getlist(f"{field.name}.earlier") if ref]
    uploaded = [ref for part in request.files.getlist(field.name) if (ref := _stored(draft, field, part))]
    dropped = set(request.form.getlist(f"{field.name}.drop"))
    if field.control == "files":
        refs = dict.fromkeys([*draft.raw[field.name], *picked, *uploaded])
        draft.raw[field.name] = [ref for ref in refs if ref not in dropped]
    else:
        before = str(draft.raw[field.name])
        draft.raw[field.name] = next(iter(uploaded or picked), "" if before in dropped else before)


def _stored(draft: drafts.Draft, field: forms.Field, part: FileStorage) -> str | None:
    if not part.filename:
        return None
    try:
        return str(files.upload(cast(BinaryIO, part.stream), part.filename, owner=current_owner()).id)
    except (TooLarge, BadInput) as error:
        draft.errors.append(FieldError(field.name, str(error)))
        return None


def _start(draft: drafts.Draft, valid: kinds.ValidParams) -> Any:
    about = None if _sample() else draft.expected()
    try:
        job = queue.submit(
            valid.kind.name,
            valid,
            owner=current_owner(),
            sample=_sample(),
            run_at=draft.run_at,
            idempotency_key=_key(draft),
            parent=_parent(draft),
            notify=draft.targets,
            name=draft.name,
            estimated=about.as_json() if about else None,
        )
    except InvalidParams as error:
        draft.errors += error.errors
        return drafts.page(draft, 422)
    except TooMany as error:
        draft.errors.append(FieldError("", error.message))
        return drafts.page(draft, 429)
    return redirect(f"/jobs/{job.id}", 303)


def _parent(draft: drafts.Draft) -> UUID | None:
    """The job that this one repeats, if it is there and the viewer's."""
    if not draft.parent:
        return None
    with suppress(NotFound):
        return queue.job(draft.parent, current_owner()).id
    return None


def _sample() -> int | None:
    asked = request.form.get("sample", "")
    return (
        min(int(asked), queue.MOST_SAMPLE)
        if asked.isascii() and asked.isdigit() and 0 < len(asked) < 6 and int(asked)
        else None
    )


def _key(draft: drafts.Draft) -> str:
    """The same form sent twice is one job; the same page sent again with other words is another job."""
    body = json.dumps([draft.params, _sample(), draft.later, draft.notify, draft.name], sort_keys=True, default=str)
    key = str(current_app.secret_key).encode()  # it may hold a secret, which nobody is to guess from this
    return f"{draft.key}-{hmac.digest(key, body.encode(), 'sha256').hex()[:16]}"


def _pasted(kind: kinds.Kind) -> Any:
    """The form, filled from pasted JSON."""
    text = request.form.get("_pasted", "")
    try:
        draft = drafts.of_params(kind, forms.from_json(text))
        draft.posted = True
    except ValueError as error:
        draft = posted(kind)
        draft.pasted = text
        draft.errors.append(FieldError("pasted", str(error)))
        return drafts.page(draft, 422)
    return drafts.page(draft)

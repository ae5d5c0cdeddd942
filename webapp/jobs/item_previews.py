"""Preview one item of a job before it is started, such as the message of any row of a mailing."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, make_response, render_template, request
from flask.typing import ResponseReturnValue

from jobs.engine import kinds
from jobs.engine.errors import BadInput, FieldError, NotFound
from webapp.http.guards import current_owner
from webapp.jobs import drafts, submissions
from webapp.ui import mail_html

blueprint = Blueprint("item_previews", __name__)


@blueprint.post("/kinds/<name>/preview")
def show(name: str) -> ResponseReturnValue:
    """The form comes along in hidden fields, so that it can be started from here or gone back to."""
    kind = kinds.offered(name)
    if not kind.has_preview:
        raise NotFound("This kind of job has no preview.")
    draft = submissions.posted(kind)
    if not drafts.check(draft):
        return drafts.page(draft, 422)
    place = _place()
    try:
        shown = kinds.preview(kind.name, draft.params, place, owner=current_owner())
    except BadInput as error:
        if place == 1:
            draft.errors.append(FieldError("", error.message))
            return drafts.page(draft, 422)
        shown = {"trouble": error.message}
    page = render_template(
        "mail/preview.html", kind=kind, draft=draft, place=place, shown=_safe(shown or {}), about=draft.about
    )
    response = make_response(page)
    response.headers["Content-Security-Policy"] = mail_html.PAGE_POLICY
    return response


def _place() -> int:
    asked = request.form.get("_place", "")
    return int(asked) if asked.isascii() and asked.isdigit() and 0 < len(asked) < 8 and int(asked) else 1


def _safe(shown: dict[str, Any]) -> dict[str, Any]:
    return shown | {"html": mail_html.clean(shown["html"]) if shown.get("html") else ""}

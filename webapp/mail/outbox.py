"""The outbox, with mail that was stored instead of sent: the list, one message, its attachments; deleting all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO
from urllib.parse import urlencode

from flask import Blueprint, Response, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from jobs.engine import mail, settings
from webapp.http.guards import current_owner
from webapp.jobs import files
from webapp.ui import mail_html

blueprint = Blueprint("outbox", __name__, url_prefix="/outbox")
PAGE = 50
CHUNK = 256 * 1024


@blueprint.get("")
def index() -> str:
    q = request.args.get("q", "").strip()[:200]
    page = mail.outbox_messages(
        current_owner(), q=q or None, after=request.args.get("after"), before=request.args.get("before"), limit=PAGE
    )
    return render_template(
        "mail/list.html",
        page=page,
        q=q,
        count=mail.outbox_count(current_owner()),
        address=_address,
        set_up=bool(settings.current().smtp_url),
    )


@blueprint.get("/<id>")
def show(id: str) -> Response:
    """One message; its HTML is shown in an iframe."""
    message = mail.outbox_message(id, current_owner())
    response = make_response(
        render_template("mail/message.html", message=message, opened=mail.open_outbox_message(message))
    )
    response.headers["Content-Security-Policy"] = mail_html.PAGE_POLICY
    return response


@blueprint.get("/<id>/html")
def html(id: str) -> Response:
    return mail_html.framed(mail.open_outbox_message(mail.outbox_message(id, current_owner())).html)


@blueprint.get("/<id>/message.eml")
def source(id: str) -> Response:
    """The message as it would have been sent, as a file."""
    message = mail.outbox_message(id, current_owner())
    return files.attachment(_chunks(mail.outbox_source(message)), "message/rfc822", f"{message.subject[:80]}.eml")


@blueprint.get("/<id>/parts/<int:place>")
def part(id: str, place: int) -> Response:
    """An attachment of the message."""
    found, content = mail.outbox_part(mail.outbox_message(id, current_owner()), place)
    return files.attachment([content], found.media_type, found.name)


@blueprint.get("/delete")
def ask_delete() -> str:
    return render_template("mail/delete.html", count=mail.outbox_count(current_owner()))


@blueprint.post("/delete")
def delete() -> BaseResponse:
    mail.clear_outbox(owner=current_owner())
    return redirect("/outbox", 303)


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    with stream:
        while chunk := stream.read(CHUNK):
            yield chunk


def _address(**changed: str | None) -> str:
    """The address of another page of this list."""
    parameters = {"q": request.args.get("q")} | changed
    query = urlencode({name: value for name, value in parameters.items() if value})
    return f"/outbox?{query}" if query else "/outbox"

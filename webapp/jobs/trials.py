"""Trials: the first rows of a form, answered by the model at once and streamed into a page, without a job."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from flask import Blueprint, Response, stream_template
from flask.typing import ResponseReturnValue
from markupsafe import escape

from jobs.engine import chat, kinds
from jobs.engine.errors import BadInput, FieldError, LegworkError, NotFound
from webapp.http import client_gone
from webapp.http.guards import current_owner
from webapp.jobs import drafts, submissions

blueprint = Blueprint("trials", __name__)
FLUSHED = 2_048  # characters of the page that are worth a write of their own


@blueprint.post("/kinds/<name>/try")
def show(name: str) -> ResponseReturnValue:
    """What the model says to the first rows. The form comes along, to be started from here or gone back to."""
    kind = kinds.offered(name)
    if not kind.has_questions:
        raise NotFound("This kind of job is tried out as a job.")
    draft = submissions.posted(kind)
    if not drafts.check(draft):
        return drafts.page(draft, 422)
    try:
        trials = chat.try_out(kind.name, draft.params, drafts.SAMPLE_ROWS, owner=current_owner())
    except BadInput as error:
        draft.errors.append(FieldError("", error.message))
        return drafts.page(draft, 422)
    connection = client_gone.connection()
    try:
        page = stream_template("jobs/trial.html", kind=kind, draft=draft, trials=trials, heard=_Heard(connection))
    except BaseException:
        trials.close()
        raise
    response = Response(_flushed(page, trials), content_type="text/html; charset=utf-8")
    response.headers["X-Accel-Buffering"] = "no"
    response.call_on_close(trials.close)  # also where nobody reads on
    return response


class _Left(Exception):
    """The reader has left."""


class _Heard:
    """The pieces of an answer, for as long as somebody reads them."""

    def __init__(self, connection: socket.socket | None) -> None:
        self._connection = connection

    def __call__(self, trial: chat.Trial) -> Iterator[str]:
        for piece in trial.pieces():
            if not piece and self._connection is not None and client_gone.has_left(self._connection):
                raise _Left
            yield piece


def _flushed(page: Iterator[str], trials: chat.TrialRun) -> Iterator[str]:
    """The page in fewer and larger writes, but nothing held back while an answer is waited for."""
    held = ""
    try:
        for part in page:
            held += str(part)  # Markup would take what stands before it for text
            if len(held) >= FLUSHED or any(not row.live.ended for row in trials.rows):
                yield held
                held = ""
        yield held
    except _Left:
        return
    except LegworkError as error:  # the page has begun: it can only say so
        yield f"{held}<p>{escape(error.message)}</p>"
    finally:
        trials.close()

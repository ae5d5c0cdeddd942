"""OpenAI's own wire format, for programs that speak it: the provider's bytes are passed on as they come.

Nothing is kept and nobody can come back to it: a reader that leaves ends the provider's request.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, jsonify

from jobs.engine import llm
from jobs.engine.accounts import Identity
from jobs.engine.errors import LegworkError, TooMany
from jobs.engine.llm import StreamStopped
from webapp.http import client_gone, identity, parsing
from webapp.http.identity import current_owner

blueprint = Blueprint("completions", __name__, url_prefix="/v1")
MOST_OPEN = 100  # at a time, for one person in one process
LOOK_SECONDS = 1.0
_STATUSES = {
    "provider_busy": 429, "too_many": 429, "provider_refused": 400, "provider_away": 502, "provider_unwell": 502,
    "provider_broke": 502, "provider_silent": 504, "no_model": 404, "invalid_params": 422, "malformed": 400,
    "not_signed_in": 401, "forbidden": 403, "not_found": 404,
}  # fmt: skip
_open: Counter[str] = Counter()


@blueprint.get("/models")
def models() -> Response:
    return jsonify(object="list", data=[_model(name) for name in llm.models()])


@blueprint.get("/models/<path:name>")
def model(name: str) -> Response:
    if name not in llm.models():
        raise LegworkError(f"There is no model {parsing.printable(name)!r} here.", reason="no_model")
    return jsonify(_model(name))


@blueprint.post("/chat/completions")
def complete() -> Response:
    body = parsing.json_object()
    if not isinstance(body.get("messages"), list) or not body["messages"]:
        raise parsing.invalid("messages", "messages must be a list with at least one message.")
    if not isinstance(body.get("stream", False), bool | None) or not isinstance(body.get("model", ""), str | None):
        raise parsing.invalid("stream", "stream must be true or false, and model a text.")
    if _open[current_owner()] >= MOST_OPEN:
        raise TooMany(f"{MOST_OPEN} answers are on their way to you already. Wait for one to end.")
    passing = _Passing(body, identity.identity())
    passing.open()
    if body.get("stream"):
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        response = Response(passing.chunks(), headers=headers, content_type="text/event-stream; charset=utf-8")
        response.call_on_close(passing.end)  # also where nobody takes the first chunk
        return response
    return Response(passing.whole(), content_type="application/json")


@blueprint.errorhandler(LegworkError)
def in_their_words(error: LegworkError) -> Response:
    """An error as OpenAI's clients read it."""
    response = jsonify(_problem(error))
    response.status_code = _STATUSES.get(error.reason, 503 if error.retryable else 502)
    if response.status_code == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="Legwork"'
    if (seconds := getattr(error, "retry_after", None)) is not None:
        response.headers["Retry-After"] = str(round(seconds + 0.5))
    return response


def count_open() -> int:
    """How many answers this process passes on."""
    return _open.total()


class _Passing:
    """One answer on its way through. A watcher ends it when its reader has left."""

    def __init__(self, body: dict[str, Any], who: Identity) -> None:
        self._stream = llm.stream_chat(body)
        self._who = who
        self._owner = who.owner
        self._connection = client_gone.connection()
        self._ended = threading.Event()

    def open(self) -> None:
        _open[self._owner] += 1
        threading.Thread(target=self._watch, name="reader of a completion", daemon=True).start()
        try:
            self._stream.open()
        except BaseException as error:
            self.end()
            if isinstance(error, StreamStopped):
                raise _left() from None
            raise

    def chunks(self) -> Iterator[bytes]:
        try:
            yield from self._stream.chunks()
        except StreamStopped:
            return
        except LegworkError as error:
            yield f"data: {json.dumps(_problem(error))}\n\n".encode()
        finally:
            self.end()

    def whole(self) -> bytes:
        try:
            return self._stream.whole()
        except StreamStopped:
            raise _left() from None
        finally:
            self.end()

    def end(self) -> None:
        if not self._ended.is_set():
            self._ended.set()
            _open[self._owner] -= 1
        self._stream.release()

    def _watch(self) -> None:
        """End it where its reader has left, or the provider is silent."""
        while not self._ended.wait(LOOK_SECONDS):
            self._stream.end_silent()
            left = self._connection is not None and client_gone.has_left(self._connection)
            if left or not identity.still(self._who):
                return self._stream.close()


def _left() -> LegworkError:
    return LegworkError("The reader has left.", reason="left")


def _problem(error: LegworkError) -> dict[str, Any]:
    return {"error": {"message": error.message, "type": error.reason, "param": None, "code": error.reason}}


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": llm.describe().host or "legwork"}

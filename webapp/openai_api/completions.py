"""OpenAI's own wire format, for programs that speak it: the provider's bytes are passed on as they come.

Nothing is kept and nobody can come back to it: a reader that leaves ends the provider's request.
"""

from __future__ import annotations

import json
import queue
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from flask import Response

from jobs.engine import accounts, llm
from jobs.engine.accounts import Identity
from jobs.engine.errors import LegworkError, TooMany, Transient
from jobs.engine.llm import StreamStopped
from webapp.http import client_gone, identity, parsing
from webapp.http.identity import current_owner
from webapp.openai_api import wire
from webapp.openai_api.wire import blueprint

MOST_OPEN = 100  # at a time, for one person in one process
LOOK_SECONDS = 1.0
LONGEST_END = 8_000  # bytes
HEARTBEAT_SECONDS = 15.0  # routers give up after 30 s without a byte
_open: Counter[str] = Counter()


@blueprint.post("/chat/completions")
def complete() -> Response:
    body = parsing.json_object()
    if not isinstance(body.get("messages"), list) or not body["messages"]:
        raise parsing.invalid("messages", "messages must be a list with at least one message.")
    if not isinstance(body.get("stream", False), bool | None) or not isinstance(body.get("model", ""), str | None):
        raise parsing.invalid("stream", "stream must be true or false, and model a text.")
    if _open[current_owner()] >= MOST_OPEN:
        raise TooMany(f"{MOST_OPEN} answers are on their way to you already. Wait for one to end.")
    accounts.check_allowance(current_owner())
    passing = _Passing(body, identity.identity())
    passing.open()
    if body.get("stream"):
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        response = Response(passing.chunks(), headers=headers, content_type="text/event-stream; charset=utf-8")
        response.call_on_close(passing.end)  # also where nobody takes the first chunk
        return response
    return Response(passing.whole(), content_type="application/json")


def count_open() -> int:
    """How many answers this process passes on."""
    return _open.total()


class _Silence:
    """Nothing came for HEARTBEAT_SECONDS."""


class _Passing:
    """One answer on its way through. A watcher ends it when its reader has left."""

    def __init__(self, body: dict[str, Any], who: Identity) -> None:
        self._stream = llm.stream_chat(body)
        self._who = who
        self._owner = who.owner
        self._connection = client_gone.connection()
        self._ended = threading.Event()
        self._came: queue.SimpleQueue[bytes | BaseException | None] = queue.SimpleQueue()
        self._first: bytes | BaseException | _Silence | None = None
        self._last = b""  # of what came

    def open(self) -> None:
        """Ask the provider. Raises what it refuses with, if that comes before a heartbeat is due."""
        _open[self._owner] += 1
        for work, name in ((self._watch, "reader of a completion"), (self._carry, "writer of a completion")):
            threading.Thread(target=work, name=name, daemon=True).start()
        try:
            self._first = self._next()
            if isinstance(self._first, BaseException):
                raise self._first
        except BaseException as error:
            self.end()
            if isinstance(error, StreamStopped):
                raise _left() from None
            raise

    def _carry(self) -> None:
        """Read the provider's answer into the queue: first an empty piece for its head, at the end None or what it failed with."""
        try:
            self._stream.open()
            self._came.put(b"")
            pieces = 0
            for chunk in self._stream.chunks():
                self._came.put(chunk)
                pieces += chunk.count(b"data:")
                self._last = (self._last + chunk)[-LONGEST_END:]
            self._came.put(None)
            self._charge(pieces)
        except (StreamStopped, LegworkError) as error:
            self._came.put(error)
        finally:
            self._came.put(StreamStopped())

    def _charge(self, pieces: int) -> None:
        """Add the answer to its reader's month: by the counts at its end, else by its pieces."""
        place = self._last.rfind(b'"usage"')
        with suppress(ValueError):
            end = self._last[self._last.find(b"{", place) :].decode(errors="replace")
            self._stream.usage = json.JSONDecoder().raw_decode(end)[0] if place >= 0 else {}
        with suppress(LegworkError):
            accounts.charge(self._owner, llm.bill_of(self._stream, pieces))

    def _next(self) -> bytes | BaseException | _Silence | None:
        """What came next; nothing within HEARTBEAT_SECONDS is a _Silence."""
        try:
            return self._came.get(timeout=HEARTBEAT_SECONDS)
        except queue.Empty:
            return _Silence()

    def chunks(self) -> Iterator[bytes]:
        """The events; a comment where the provider says nothing between two of them for long."""
        between, came = True, self._first
        try:
            while came is not None:
                if isinstance(came, bytes) and came:
                    yield came
                    between = came.endswith(b"\n\n")
                elif isinstance(came, _Silence) and between:
                    yield b": waiting\n\n"
                elif isinstance(came, LegworkError):
                    yield f"data: {json.dumps(wire.problem(came))}\n\n".encode()
                    return
                elif isinstance(came, StreamStopped):
                    return
                came = self._next()
        finally:
            self.end()

    def whole(self) -> bytes | Iterator[bytes]:
        """The body; where it takes longer than a heartbeat, with blanks before it, which JSON allows."""
        body = bytearray()
        try:
            for piece in self._pieces():
                if isinstance(piece, _Silence):
                    return self._late(body)
                body += piece
        except BaseException as error:
            self.end()
            if isinstance(error, StreamStopped):
                raise _left() from None
            raise
        self.end()
        return bytes(body)

    def _late(self, body: bytearray) -> Iterator[bytes]:
        """The same with the head sent: an error can only break the connection then, which a client takes for one."""
        try:
            yield b" "
            for piece in self._pieces():
                if isinstance(piece, _Silence):
                    yield b" "
                else:
                    body += piece
            yield bytes(body)
        finally:
            self.end()

    def _pieces(self) -> Iterator[bytes | _Silence]:
        came, self._first = self._first or self._next(), None
        size = 0
        while came is not None:
            if isinstance(came, BaseException):
                raise came
            yield came
            size += 0 if isinstance(came, _Silence) else len(came)
            if size > llm.LONGEST_ANSWER:
                raise Transient("The provider's answer was longer than any answer can be.", reason="provider_unwell")
            came = self._next()

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

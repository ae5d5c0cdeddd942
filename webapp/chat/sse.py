"""Answers as Server-Sent Events: from any place, to any number of readers, in any web process.

Each event's id is the offset, in characters, behind what it brings; a reader that comes back names the last one in
`Last-Event-ID` and gets what follows, without a gap or a repeat. Events without a name bring text: `{"at", "text",
"tokens"}`. `html` and `reasoning` are only for our page: the text between two offsets as HTML, and how much the model has
thought so far. `end` says how the answer ended.
"""

from __future__ import annotations

import re
import socket
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import orjson
from flask import Response, request

from jobs.engine import chat
from jobs.engine.accounts import Identity
from jobs.engine.chat import LiveText
from jobs.engine.errors import DatabaseUnavailable, NotFound, TooMany
from webapp.chat.records import AnswerEnd
from webapp.http import client_gone, identity
from webapp.ui.markdown import Painter

HEARTBEAT_SECONDS = 15.0
CATCH_UP_SECONDS = 3.0  # a reader that comes from another process may be a little ahead of this one
STUCK_SECONDS = 60.0  # a reader that takes nothing for so long is let go
MOST_OPEN = 400  # streams of one person in one process, which serves a thousand connections

SIGNED_OUT = {
    "state": "signed_out",
    "reason": "signed_out",
    "message": "You were signed out. The answer is still being written; sign in again to read it.",
}

_open: Counter[str] = Counter()


def respond(answer_id: str, *, painted: bool = False) -> Response:
    """The stream of an answer of this request's owner, from where its reader was."""
    who = identity.identity()
    owner = who.owner
    answer = chat.find_answer(answer_id, owner)
    if _open[owner] >= MOST_OPEN:
        raise TooMany(f"{MOST_OPEN} streams are open for you already. Close some pages, then try again.")
    if (connection := client_gone.connection()) is not None:
        connection.settimeout(STUCK_SECONDS)
    painter = Painter(len(answer.sources or ()), str(answer.id)) if painted else None
    events = _AnswerReader(answer, who, painter, connection).events(_last_seen())
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    content_type = "text/event-stream; charset=utf-8"
    return Response(_counted(events, owner), headers=headers, content_type=content_type, direct_passthrough=True)


def count_open() -> int:
    """How many streams this process sends."""
    return _open.total()


class _ClientGone(Exception):
    """The reader has left."""


class _SignedOut(Exception):
    """The reader may read no more."""


class _AnswerReader:
    def __init__(self, answer: Any, who: Identity, painter: Painter | None, connection: socket.socket | None) -> None:
        self._answer = answer
        self._who = who
        self._painter = painter
        self._connection = connection
        self._seen = self._reasoned = 0
        self._said = time.monotonic()

    def events(self, seen: int) -> Iterator[bytes]:
        yield b"retry: 1000\n\n"
        self._seen = seen
        try:
            while self._answer.state == "writing":
                yield from self._written()
                self._answer = self._look()
            text = self._answer.text
            seen = self._seen if self._seen <= len(text) else 0
            if text[seen:]:
                yield _text(seen, text[seen:], self._answer.completion_tokens or 0)
            yield _event("end", len(text), AnswerEnd.of(self._answer).model_dump(mode="json"))
        except _ClientGone:
            return
        except _SignedOut:
            yield _event("end", self._seen, SIGNED_OUT)

    def _written(self) -> Iterator[bytes]:
        """What one run writes, as events."""
        with chat.read_answer(self._answer) as live:
            if not live.reaches(self._seen, CATCH_UP_SECONDS):
                self._seen = 0
            while not live.ended or live.length > self._seen:
                if not identity.still(self._who):
                    raise _SignedOut
                yield from self._next(live)
                if self._painter and self._painter.due_in(self._seen) == 0:
                    yield from self._painted(live, self._painter)

    def _next(self, live: LiveText) -> Iterator[bytes]:
        """What comes next, waited for."""
        due = self._painter.due_in(live.length) if self._painter and self._seen == live.length else None
        text = live.wait(self._seen, due)
        if text:
            self._seen += len(text)
            self._said = time.monotonic()
            yield _text(self._seen - len(text), text, live.tokens)
        elif due is None and not live.ended:
            yield from self._waited(live.reasoned)

    def _painted(self, live: LiveText, painter: Painter) -> Iterator[bytes]:
        for part in painter.paint(live.after(painter.settled)[: self._seen - painter.settled]):
            yield _event("html", self._seen, {"from": part.start, "to": part.end, "html": part.html})

    def _waited(self, reasoned: int) -> Iterator[bytes]:
        """A sign of life now and then; the end where nobody is there to see it."""
        if self._connection is not None and client_gone.has_left(self._connection):
            raise _ClientGone
        if self._painter and reasoned > self._reasoned:
            self._reasoned = reasoned
            yield _event("reasoning", self._seen, {"characters": reasoned})
        if time.monotonic() - self._said >= HEARTBEAT_SECONDS:
            self._said = time.monotonic()
            yield b": still writing\n\n"

    def _look(self) -> Any:
        """The row, after its run ended here; a reader whose row cannot be read comes back by itself."""
        try:
            return chat.answer_status(self._answer.id, owner=self._who.owner)
        except (DatabaseUnavailable, NotFound):
            raise _ClientGone from None


def _counted(events: Iterator[bytes], owner: str) -> Iterator[bytes]:
    _open[owner] += 1
    try:
        yield from events
    finally:
        _open[owner] -= 1


def _text(at: int, text: str, tokens: int) -> bytes:
    data = b'{"at": %d, "text": %s, "tokens": %d}' % (at, orjson.dumps(text), tokens)
    return b"id: %d\ndata: %s\n\n" % (at + len(text), data)


def _event(name: str, offset: int, data: dict[str, Any]) -> bytes:
    return b"event: %s\nid: %d\ndata: %s\n\n" % (name.encode(), offset, orjson.dumps(data))


def _last_seen() -> int:
    """The offset that the reader names; the start where it names none that makes sense."""
    named = request.headers.get("Last-Event-ID") or request.args.get("after") or ""
    return int(named) if re.fullmatch(r"[0-9]{1,9}", named) else 0

"""Reads request bodies with timeouts, and refuses those that are too slow, incomplete or malformed.

Gunicorn waits for a body forever, treats an incomplete one as complete, and raises its own exceptions for a malformed one.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from gevent import Timeout
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import BadRequest, RequestTimeout

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

PATIENCE_SECONDS = 25.0  # for the next STEP bytes, or the rest
STEP = 64 * 1024

TOO_SLOW = "The body came too slowly and was discarded. Send it again over a faster connection."
CUT_OFF = "The body ended before its Content-Length and was discarded. Send it again."
MALFORMED = "The chunks of the body are malformed."

Application = Callable[[dict[str, Any], "StartResponse"], Iterable[bytes]]


class Incoming:
    """WSGI middleware that reads bodies with timeouts."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        length = environ.get("CONTENT_LENGTH")
        environ["wsgi.input"] = TimedBody(environ["wsgi.input"], int(length) if length else None)
        return self._application(environ, start_response)


class TimedBody(io.RawIOBase):
    """The server's stream. `length` is in bytes; None if the body is chunked.

    Reading raises RequestTimeout (408), and BadRequest (400) for an incomplete or malformed body.
    """

    def __init__(self, stream: Any, length: int | None) -> None:
        self._stream = stream
        self._missing = length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._next(min(len(buffer), STEP))
        if self._missing is not None:
            if buffer and not data and self._missing:
                raise BadRequest(CUT_OFF)
            self._missing -= len(data)
        buffer[: len(data)] = data
        return len(data)

    def _next(self, size: int) -> bytes:
        try:
            with Timeout(PATIENCE_SECONDS, RequestTimeout(TOO_SLOW)):
                return bytes(self._stream.read(size))
        except ParseException:
            raise BadRequest(MALFORMED) from None

"""The body of a request as it comes in: one that is sent too slowly, cut off or malformed is refused, and holds nothing up.

The server waits for a body forever, takes one that breaks off for whole, and raises errors of its own for a malformed one.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Any

from gevent import Timeout
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import BadRequest, RequestTimeout

PATIENCE_SECONDS = 25.0  # for the next STEP bytes, or for the last ones
STEP = 64 * 1024

TOO_SLOW = "The body came too slowly. Nothing of it was kept; send it again over a better connection."
CUT_OFF = "The body ended before its Content-Length. Nothing of it was kept; send it again."
MALFORMED = "The chunks of the body are malformed."

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Incoming:
    """A WSGI application that reads bodies with an end to its patience."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        length = environ.get("CONTENT_LENGTH")
        environ["wsgi.input"] = TimedBody(environ["wsgi.input"], int(length) if length else None)
        return self._application(environ, start_response)


class TimedBody(io.RawIOBase):
    """The server's stream. `length` is in bytes; None where the body is chunked.

    Reading raises RequestTimeout (408), and BadRequest (400) for one that is cut off or malformed.
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

"""Reads request bodies with timeouts, and refuses those that are too slow, too many at a time, incomplete or malformed.

All of a body may be waited for PATIENCE_SECONDS, and longer as it comes at LEAST_SPEED or faster: a large upload may take hours,
a small body may not. Gunicorn waits forever, treats an incomplete body as complete, and raises its own exceptions for a malformed
one.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from gevent import Timeout
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import BadRequest, RequestTimeout, TooManyRequests

from webapp.http.address_limit import MOST_BODIES, AddressLimit
from webapp.http.proxies import CLAIMED

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

PATIENCE_SECONDS = 25.0  # for the next STEP bytes, or the rest; and for all, besides what LEAST_SPEED allows
LEAST_SPEED = 20_000  # bytes a second, on average
STEP = 64 * 1024

TOO_SLOW = "The body came too slowly and was discarded. Send it again over a faster connection."
CUT_OFF = "The body ended before its Content-Length and was discarded. Send it again."
TOO_MANY = "Your address is sending as many requests as it may at a time. Wait until some have ended, then try again."
MALFORMED = "The chunks of the body are malformed."

Application = Callable[[dict[str, Any], "StartResponse"], Iterable[bytes]]


class Incoming:
    """WSGI middleware that reads bodies with timeouts."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._reading = AddressLimit(MOST_BODIES)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        length = environ.get("CONTENT_LENGTH")
        body = TimedBody(
            environ["wsgi.input"], int(length) if length else None, lambda: self._reading.one(_client(environ))
        )
        environ["wsgi.input"] = body
        return self._application(environ, start_response)


def _client(environ: dict[str, Any]) -> str:
    return str(
        environ.get(CLAIMED) or environ.get("REMOTE_ADDR", "")
    )  # by the time a body is read, that of the client behind a proxy


class TimedBody(io.RawIOBase):
    """The server's stream. `length` is in bytes; None if the body is chunked. `reading` counts those that are waited for.

    Reading raises RequestTimeout (408), TooManyRequests (429), and BadRequest (400) for an incomplete or malformed body.
    """

    def __init__(self, stream: Any, length: int | None, reading: Callable[[], AbstractContextManager[bool]]) -> None:
        self._stream = stream
        self._missing = length
        self._reading = reading
        self._received = 0
        self._waited = 0.0  # seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._next(min(len(buffer), STEP))
        if self._missing is not None:
            if buffer and not data and self._missing:
                raise BadRequest(CUT_OFF)
            self._missing -= len(data)
        buffer[: len(data)] = data
        self._received += len(data)
        return len(data)

    def _next(self, size: int) -> bytes:
        left = PATIENCE_SECONDS + self._received / LEAST_SPEED - self._waited
        if left <= 0:
            raise RequestTimeout(TOO_SLOW)
        began = time.monotonic()
        try:
            with self._reading() as fits, Timeout(min(left, PATIENCE_SECONDS), RequestTimeout(TOO_SLOW)):
                if not fits:
                    raise TooManyRequests(TOO_MANY)
                return bytes(self._stream.read(size))
        except ParseException:
            raise BadRequest(MALFORMED) from None
        finally:
            self._waited += time.monotonic() - began

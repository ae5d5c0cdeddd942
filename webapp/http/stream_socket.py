"""A reader's connection, written to by the greenlet that has something for it.

A server that is asked for a stream sends what its application's greenlet yields: for each token of an answer that greenlet
would have to be woken by the one that reads from the provider, which costs more than the token's own way. So long as the
reader's greenlet waits, what came is sent without it, framed as the server frames it. What the connection does not take at
once is left to the reader's greenlet, which may wait; nobody else is held up by a reader that is slow.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable
from typing import Any

from flask import Response
from gevent.socket import socket as Socket
from gunicorn.http.wsgi import Response as Answer


class SocketLine:
    """The connection of one reader. `send` is for any greenlet while the reader's own waits, and never waits itself;
    `flush` is for the reader's own."""

    def __init__(self, connection: socket.socket | None) -> None:
        self.open = False  # whether the answer's head was handed over to be sent in a framing that is known here
        self._connection = connection
        self._left = b""

    def begin(self, write: Any) -> None:
        """Look at what the server gives to write with."""
        answer = getattr(write, "__self__", None)
        plain = type(self._connection) is Socket  # whatever else there is, TLS say, has more to do than to write
        self.open = plain and isinstance(answer, Answer) and answer.sock is self._connection and answer.chunked

    def send(self, data: bytes) -> bool:
        """Send this behind all that was sent. Where the connection does not take all of it, False: `flush` has to follow."""
        assert self._connection is not None
        assert not self._left
        chunk = b"%X\r\n%b\r\n" % (len(data), data)
        try:
            sent = os.write(self._connection.fileno(), chunk)  # the socket's own send would wait
        except OSError:  # there is no room, or nobody any more: flush() says which
            sent = 0
        self._left = chunk[sent:]
        return not self._left

    def flush(self) -> None:
        """Send what was left, waited for as long as the connection's timeout says. Raises OSError."""
        if self._left:
            assert self._connection is not None
            left, self._left = self._left, b""
            self._connection.sendall(left)


class Lined(Response):
    """A response whose reader's line is told of the server's way to write."""

    line: SocketLine

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        def started(*arguments: Any) -> Any:
            write = start_response(*arguments)
            self.line.begin(write)
            return write

        return super().__call__(environ, started)

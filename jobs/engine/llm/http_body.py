"""The body of an HTTP answer as it comes, unframed by hand: a stream's events are small, and the standard library takes
four calls and as much time again for each of them."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse, IncompleteRead

READ_BYTES = 65_536
LONGEST_LINE = 16_384  # of a chunk's head, or of a trailer

_SIZE = re.compile(rb"\s*([0-9a-fA-F]{1,8})\s*(?:;.*)?", re.DOTALL)


class ResponseBody:
    """What follows a head that was read: chunked, of a length, or up to the connection's end (RFC 9112, section 6.3)."""

    def __init__(self, response: HTTPResponse, connection: socket.socket | None = None) -> None:
        """connection: where the response comes over, for reads without the layers between."""
        self._response = response  # one that nobody holds is closed
        self._file = response.fp
        self._read: Callable[[int], bytes] = self._first
        self._connection = connection
        self._chunked = bool(response.chunked)
        self._length = None if self._chunked else response.length
        self._held = b""  # half of a line of the framing
        self._left = 0  # bytes of the chunk, with the line end behind it
        self._trailing = False
        self.ended = self._file is None or self._length == 0
        self.reusable = not response.will_close  # once it has ended: nothing stands behind it

    def read(self) -> bytes:
        """The next bytes, waited for; empty at the end. Raises OSError or HTTPException where the connection breaks."""
        while not self.ended:
            data = self._read(READ_BYTES)
            if not data:
                self._broke_off()
            elif not self._chunked:
                return self._counted(data)
            elif unframed := self._unframed(data):
                return unframed
        return b""

    def _first(self, most: int) -> bytes:
        """What came with the head, or else what comes next: after that nothing is held in the file's buffer."""
        if self._connection is not None:
            self._read = self._connection.recv
        return self._file.read1(most)

    def _broke_off(self) -> None:
        if self._chunked or self._length:
            raise IncompleteRead(b"")
        self.ended = True

    def _counted(self, data: bytes) -> bytes:
        if self._length is not None:
            self.reusable = self.reusable and len(data) <= self._length
            data = data[: self._length]
            self._length -= len(data)
            self.ended = self._length == 0
        return data

    def _unframed(self, data: bytes) -> bytes:
        parts: list[bytes] = []
        data, self._held = self._held + data, b""
        while data and not self.ended:
            if self._left > 2:
                parts.append(data[: self._left - 2])
                taken = len(parts[-1])
            elif self._left:
                taken = min(self._left, len(data))
            else:
                data = self._line(data)
                continue
            self._left -= taken
            data = data[taken:]
        if self.ended and data:
            self.reusable = False
        return b"".join(parts)

    def _line(self, data: bytes) -> bytes:
        """Take the line that says how long the next chunk is, or a trailer; what stands behind it."""
        line, found, rest = data.partition(b"\r\n")
        if len(line) > LONGEST_LINE:
            raise HTTPException("a line of the framing is too long")
        if not found:
            self._held = data
            return b""
        if self._trailing:
            self.ended = not line
            return rest
        size = _SIZE.fullmatch(line)
        if size is None:
            raise HTTPException("a chunk does not say how long it is")
        self._left = int(size[1], 16)
        self._trailing = not self._left
        self._left += 2 if self._left else 0
        return rest

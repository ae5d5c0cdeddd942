"""Many readers of streams in one loop, with the moment at which each token came."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from itertools import pairwise

BY_BYTES = (b'"content": "', b'"text": "')  # one of them stands in each event that brings text
SO_FAR = re.compile(rb'"tokens": (\d+)}')  # in those of ours, which may bring several tokens


class Reader(asyncio.Protocol):
    """One request whose answer is a stream. `times`: seconds of the monotonic clock, once for each arrival of text."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self.times: list[float] = []
        self.tokens = 0
        self.bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self.bytes += len(data)
        found = sum(map(data.count, BY_BYTES))
        if found:
            self.times.append(time.monotonic())
            so_far = SO_FAR.findall(data)
            self.tokens = int(so_far[-1]) if so_far else self.tokens + found

    def connection_lost(self, _: Exception | None) -> None:
        self.transport.close()


async def opened(port: int, requests: Sequence[bytes], at_once: int = 8) -> list[Reader]:
    """A reader for each request, each with its first text."""
    loop, slots = asyncio.get_running_loop(), asyncio.Semaphore(at_once)

    async def open_one(request: bytes) -> Reader:
        async with slots:
            _, reader = await loop.create_connection(lambda: Reader(request), "127.0.0.1", port)
            deadline = time.monotonic() + 60
            while not reader.times:
                if time.monotonic() > deadline or reader.transport.is_closing():
                    raise TimeoutError("a stream did not begin")
                await asyncio.sleep(0.002)
            return reader

    return list(await asyncio.gather(*map(open_one, requests)))


def gaps(readers: Sequence[Reader], since: float, until: float) -> list[float]:
    """Milliseconds between one arrival of text and the next, within these moments."""
    found = []
    for reader in readers:
        times = [moment for moment in reader.times if since <= moment <= until]
        found += [1000 * (after - before) for before, after in pairwise(times)]
    return found


def post(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()

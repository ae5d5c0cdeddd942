"""A provider that costs as little as it can, so that what is measured is what stands before it.

python -m tests.bench.peers.tokens      prints its port

`POST /v1/chat/completions` streams what the model's name says: "tokens-300-100" is 300 tokens, 100 ms apart, the first
at once. "hold-300-100" sends one token, then one each HOLD_SECONDS until `POST /go`, so that all streams begin together.
An answer is chunked, and its connection stays open.
"""

from __future__ import annotations

import asyncio
import json
import random

HOLD_SECONDS = 5.0
TOKEN = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_790_000_000, "model": "tokens"}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
WORDS = (" word", " token", " more", " of", " it")


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _event(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return _chunk(b"data: " + json.dumps(TOKEN | {"choices": [choice]}).encode() + b"\n\n")


EVENTS = [_event({"content": word}) for word in WORDS]
END = _event({}, "stop") + _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"


class Tokens(asyncio.Protocol):
    """One connection: requests one after another."""

    held: set[Tokens] = set()  # noqa: RUF012 - all connections share it

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._got = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_lost(self, _: Exception | None) -> None:
        self.held.discard(self)
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, found, body = self._got.partition(b"\r\n\r\n")
        if not found:
            return
        named = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        length = int(named[0].partition(b":")[2]) if named else 0
        if len(body) >= length:
            self._got = body[length:]
            self._answer(head, body[:length])

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"POST /go"):
            self.transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            for stream in list(self.held):
                stream.go()
            return
        if head.startswith(b"GET"):
            self.transport.write(b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"data":[]}')
            return
        how, tokens, milliseconds = json.loads(body)["model"].split("-")
        self._left, self._seconds = int(tokens), int(milliseconds) / 1000
        self._hold = how == "hold"
        self.transport.write(HEAD + EVENTS[0])
        self._left -= 1
        if self._hold:
            self.held.add(self)
        self._later()

    def go(self) -> None:
        self.held.discard(self)
        self._hold = False
        if self._timer is not None:
            self._timer.cancel()
        self._due = asyncio.get_running_loop().time() + random.uniform(0, self._seconds)
        self._timer = asyncio.get_running_loop().call_at(self._due, self._next)

    def _later(self) -> None:
        loop = asyncio.get_running_loop()
        self._due = loop.time() + (HOLD_SECONDS if self._hold else self._seconds)
        self._timer = loop.call_at(self._due, self._next)

    def _next(self) -> None:
        loop = asyncio.get_running_loop()
        if self._left <= 0:
            self.transport.write(END)
            return
        self._left -= 1
        self.transport.write(EVENTS[self._left % len(EVENTS)])
        self._due = max(self._due + (HOLD_SECONDS if self._hold else self._seconds), loop.time())
        self._timer = loop.call_at(self._due, self._next)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Tokens, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())

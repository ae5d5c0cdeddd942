"""The framing of a provider's answers, undone by hand, and the connections that are kept for the next one."""

from __future__ import annotations

import http.client
import io
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from jobs.engine.errors import Transient
from jobs.engine.llm import keep_alive
from jobs.engine.llm.http_body import ResponseBody
from jobs.engine.llm.keep_alive import Provider
from jobs.engine.llm.stream import Stream
from jobs.engine.llm.stream_text import StreamedReply

CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENT = b'data: {"choices": [{"delta": {"content": "one "}, "finish_reason": null}]}\n\n'
LAST = b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'


class _Dripping(io.RawIOBase):
    """Bytes as a socket gives them: so many at a time."""

    def __init__(self, data: bytes, step: int) -> None:
        self._data, self._step = data, step

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        step = min(self._step, len(buffer))
        some, self._data = self._data[:step], self._data[step:]
        buffer[: len(some)] = some
        return len(some)


class _Socket:
    def __init__(self, data: bytes, step: int) -> None:
        self._file = io.BufferedReader(_Dripping(data, step))

    def makefile(self, _mode: str) -> io.BufferedReader:
        return self._file


_answers: list[http.client.HTTPResponse] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Close what a test began: Python 3.13 tells of an answer that the collector finds after its file."""
    yield
    while _answers:
        _answers.pop().close()


def body_of(answer: bytes, step: int = 10**6) -> ResponseBody:
    response = http.client.HTTPResponse(_Socket(answer, step))  # type: ignore[arg-type]
    _answers.append(response)
    response.begin()
    return ResponseBody(response)


def whole(body: ResponseBody) -> bytes:
    return b"".join(iter(body.read, b""))


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@pytest.mark.parametrize("step", [1, 2, 3, 7, 64, 10**6])
def test_chunks_come_out_whole_however_they_come_in(step: int) -> None:
    sent = [b"a", EVENT, b"\r\n", b"0\r\n\r\n", b"x" * 5_000]
    body = body_of(CHUNKED + b"".join(map(chunk, sent)) + b"0\r\n\r\n", step)
    assert whole(body) == b"".join(sent)
    assert body.ended and body.reusable


@pytest.mark.parametrize("step", [1, 10**6])
def test_extensions_and_trailers_are_passed_over(step: int) -> None:
    body = body_of(CHUNKED + b"1;name=value\r\na\r\n0\r\nDigest: x\r\nOther: y\r\n\r\n", step)
    assert whole(body) == b"a" and body.ended and body.reusable


def test_a_body_of_a_length_and_one_up_to_the_end() -> None:
    body = body_of(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde", 2)
    assert whole(body) == b"abcde" and body.reusable
    body = body_of(b"HTTP/1.1 200 OK\r\n\r\nabcde", 2)
    assert whole(body) == b"abcde" and body.ended and not body.reusable
    assert not body_of(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").read()


def test_a_connection_with_more_on_it_is_not_used_again() -> None:
    body = body_of(CHUNKED + chunk(b"a") + b"0\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert whole(body) == b"a" and not body.reusable
    body = body_of(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab")
    assert whole(body) == b"a" and not body.reusable


@pytest.mark.parametrize(
    "answer",
    [
        CHUNKED + b"5\r\nab",
        CHUNKED + chunk(b"a"),
        CHUNKED + b"-5\r\nabcde\r\n",
        CHUNKED + b"0x5\r\nabcde\r\n",
        CHUNKED + b"\r\n",
        CHUNKED + b"fffffffff\r\n",
        CHUNKED + b"1" * 20_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
    ],
)
def test_a_body_that_is_broken_is_not_taken_for_whole(answer: bytes) -> None:
    with pytest.raises(http.client.HTTPException):
        whole(body_of(answer))


class _Server:
    """Answers each request with what it is told to, and counts connections."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.connections = 0
        self.open: list[socket.socket] = []
        self.answers: list[bytes] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def provider(self) -> Provider:
        return Provider(f"http://127.0.0.1:{self.listening.getsockname()[1]}/v1", "", 5, 5)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            self.connections += 1
            self.open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):  # the test may end first
            asked = b""
            while some := connection.recv(65_536):
                asked += some
                if not asked.endswith(b"}"):
                    continue
                asked = b""
                answer = self.answers.pop(0)
                if not answer:
                    return
                connection.sendall(answer)


@pytest.fixture
def server() -> Iterator[_Server]:
    server = _Server()
    yield server
    server.listening.close()
    for connection in server.open:
        connection.close()


GOOD = CHUNKED + chunk(EVENT) + chunk(LAST) + b"0\r\n\r\n"


def asked(server: _Server) -> int:
    """How many events came."""
    stream = Stream(server.provider, {"model": "m", "messages": []})
    try:
        stream.open()
        return sum(len(events) for events in stream.events())
    finally:
        stream.release()


def test_the_next_answer_uses_the_same_connection(server: _Server) -> None:
    server.answers = [GOOD] * 3
    assert [asked(server) for _ in range(3)] == [2, 2, 2]
    assert server.connections == 1


def test_a_kept_connection_that_was_closed_is_made_anew(server: _Server) -> None:
    server.answers = [GOOD, b"", GOOD, GOOD]  # the second request is read, and its connection closed without a word
    assert [asked(server), asked(server)] == [2, 2]
    assert server.connections == 2
    server.open[-1].shutdown(socket.SHUT_RDWR)
    assert asked(server) == 2 and server.connections == 3


def test_what_broke_off_or_was_ended_is_not_kept(server: _Server) -> None:
    server.answers = [CHUNKED + chunk(EVENT) + b"5\r\n", GOOD, GOOD]
    stream = Stream(server.provider, {"model": "m", "messages": []})
    stream.open()
    assert len(next(stream.events())) == 1
    stream.close()
    stream.release()
    assert asked(server) == 2 and server.connections == 2


def test_events_before_a_bad_one_count(server: _Server) -> None:
    server.answers = [CHUNKED + chunk(EVENT + b"data: {not json\n\n") + b"0\r\n\r\n"]
    stream = Stream(server.provider, {"model": "m", "messages": []})
    stream.open()
    events = stream.events()
    assert len(next(events)) == 1
    with pytest.raises(Transient, match="not part of an answer"):
        next(events)
    stream.release()


def test_the_halves_of_a_character_are_put_together(server: _Server) -> None:
    halves = [b'data: {"choices": [{"delta": {"content": "%s"}}]}\n\n' % half for half in (rb"a\ud83d", rb"\ude42 b")]
    server.answers = [CHUNKED + b"".join(map(chunk, [*halves, LAST])) + b"0\r\n\r\n"]
    stream = Stream(server.provider, {"model": "m", "messages": []})
    stream.open()
    assert "".join(text for text, _ in StreamedReply(stream).texts()) == "a🙂 b"
    stream.release()


@pytest.mark.slow
def test_idle_connections_are_closed_after_a_while(server: _Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keep_alive, "IDLE_SECONDS", 0.2)
    server.answers = [GOOD]
    before = keep_alive.count()
    asked(server)
    assert keep_alive.count() == before + 1
    deadline = time.monotonic() + 20
    while keep_alive.count() or any(thread.name == "idle connections" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.02)

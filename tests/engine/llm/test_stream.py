"""Streams of the provider over real connections: read however they come, kept for the next one, ended from here."""

from __future__ import annotations

import base64
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from jobs.engine.errors import LegworkError, Transient
from jobs.engine.llm import connections
from jobs.engine.llm.connections import Provider
from jobs.engine.llm.stream import Stream, StreamStopped

CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
EVENT = b'data: {"choices": [{"delta": {"content": "one "}, "finish_reason": null}]}\n\n'
LAST = b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    connections.close_idle()


class _Server:
    """Answers each request with the next of `answers`, a few bytes at a time with `step`; an empty one closes."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.open: list[socket.socket] = []
        self.requests: list[bytes] = []
        self.answers: list[bytes] = []
        self.step = 10**6
        self.close = False  # after an answer
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def provider(self) -> Provider:
        return Provider(f"http://127.0.0.1:{self.listening.getsockname()[1]}/v1", "", 5, 5)

    def _accept(self) -> None:
        with suppress(OSError):  # the test has ended
            while True:
                connection, _ = self.listening.accept()
                self.open.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            asked = b""
            while some := connection.recv(65_536):
                asked += some
                if not asked.endswith(b"}") and not asked.startswith(b"CONNECT"):
                    continue
                self.requests.append(asked)
                asked, answer = b"", self.answers.pop(0)
                for first in range(0, len(answer), self.step):
                    connection.sendall(answer[first : first + self.step])
                if not answer or self.close:
                    return


@pytest.fixture
def server() -> Iterator[_Server]:
    server = _Server()
    yield server
    server.listening.close()
    for connection in server.open:
        connection.close()


GOOD = CHUNKED + chunk(EVENT) + chunk(LAST) + b"0\r\n\r\n"


def begun(provider: Provider) -> Stream:
    stream = Stream(provider, {"model": "m", "messages": []})
    stream.open()
    return stream


def asked(provider: Provider) -> str:
    stream = Stream(provider, {"model": "m", "messages": []})
    try:
        stream.open()
        return "".join(text for text, _ in stream.texts())
    finally:
        stream.release()


@pytest.mark.parametrize(
    "answer",
    [
        GOOD,
        CHUNKED + b"".join(chunk(bytes([byte])) for byte in EVENT + LAST) + b"0\r\n\r\n",
        CHUNKED
        + b"%x;name=value\r\n%s\r\n" % (len(EVENT), EVENT)
        + chunk(LAST)
        + b"0\r\nDigest: x\r\nOther: y\r\n\r\n",
        STREAM + b"Content-Length: %d\r\n\r\n" % len(EVENT + LAST) + EVENT + LAST,
        STREAM + b"Connection: close\r\n\r\n" + EVENT + LAST,
    ],
)
def test_a_body_is_read_whole_however_it_is_framed(server: _Server, answer: bytes) -> None:
    server.answers = [answer]
    server.step = 7
    assert asked(server.provider) == "one "


@pytest.mark.parametrize(
    "answer",
    [
        CHUNKED + chunk(EVENT) + b"5\r\nab",
        CHUNKED + chunk(EVENT),
        CHUNKED + chunk(EVENT) + b"no number\r\n",
        CHUNKED + chunk(EVENT) + b"1" * 100_000,
        STREAM + b"Content-Length: 900\r\n\r\n" + EVENT,
        STREAM + b"Connection: close\r\n\r\n" + EVENT,
    ],
)
def test_a_body_that_is_broken_is_not_taken_for_whole(server: _Server, answer: bytes) -> None:
    server.answers, server.close = [answer], True
    with pytest.raises(Transient) as error:
        asked(server.provider)
    assert error.value.reason == "provider_broke"


def test_text_is_not_held_back_until_a_body_is_whole(server: _Server) -> None:
    server.answers = [STREAM + b"Content-Length: 90000\r\n\r\n" + EVENT]
    stream = begun(server.provider)
    assert next(stream.texts()) == ("one ", 1)
    stream.close()
    stream.release()


def test_the_next_answer_uses_the_same_connection(server: _Server) -> None:
    server.answers = [GOOD] * 3
    assert [asked(server.provider) for _ in range(3)] == ["one "] * 3
    assert len(server.open) == 1


def test_a_kept_connection_that_was_closed_is_made_anew(server: _Server) -> None:
    server.answers = [GOOD, b"", GOOD, GOOD]  # the second request is read, and its connection closed without a word
    assert [asked(server.provider), asked(server.provider)] == ["one "] * 2
    assert len(server.open) == 2
    server.open[-1].shutdown(socket.SHUT_RDWR)
    assert asked(server.provider) == "one " and len(server.open) == 3


def test_a_fresh_connection_that_was_closed_is_not_asked_again(server: _Server) -> None:
    server.answers = [b"", GOOD]
    with pytest.raises(Transient) as error:
        asked(server.provider)
    assert error.value.reason == "provider_away" and len(server.open) == 1


def test_what_broke_off_or_was_ended_is_not_kept(server: _Server) -> None:
    server.answers = [CHUNKED + chunk(EVENT) + b"5\r\n", GOOD]
    stream = begun(server.provider)
    texts = stream.texts()
    assert next(texts) == ("one ", 1)
    stream.close()
    with pytest.raises(StreamStopped):
        next(texts)
    stream.release()
    assert asked(server.provider) == "one " and len(server.open) == 2


def test_a_stop_after_the_end_leaves_the_next_answer_alone(server: _Server) -> None:
    server.answers = [GOOD, GOOD]
    first = begun(server.provider)
    assert [text for text, _ in first.texts()] == ["one "]
    first.release()
    second = begun(server.provider)
    first.close()
    assert [text for text, _ in second.texts()] == ["one "] and len(server.open) == 1
    second.release()


def test_a_stop_ends_a_request_that_has_no_answer_yet(server: _Server) -> None:
    server.answers = [b"HTTP/1.1 200 OK\r\n"]  # and no more
    stream = Stream(server.provider, {"model": "m", "messages": []})
    threading.Thread(target=lambda: (until(lambda: stream.connected), stream.close()), daemon=True).start()
    with pytest.raises(StreamStopped):
        stream.open()
    stream.release()


def test_events_before_a_bad_one_count(server: _Server) -> None:
    server.answers = [CHUNKED + chunk(EVENT + b"data: {not json\n\n") + b"0\r\n\r\n"]
    stream = begun(server.provider)
    texts = stream.texts()
    assert next(texts) == ("one ", 1)
    with pytest.raises(Transient, match="not part of an answer"):
        next(texts)
    stream.release()


@pytest.mark.parametrize(
    "body",
    [
        b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"error": {"message": "WX-55", "code": 502}}c\r\ndata: [DONE]\n',
        b'{"error": {"message": "WX-55"}}',
        chunk(b'{"error": {"message": "WX-55"}}\n') + b"0\r\n\r\n",
        chunk(b'event: error\ndata: {"type": "error", "message": "WX-55"}\n\n') + b"0\r\n\r\n",
    ],
)
def test_an_error_that_is_no_event_keeps_its_words(server: _Server, body: bytes) -> None:
    server.answers, server.close = [CHUNKED + body], True
    with pytest.raises(LegworkError, match="WX-55"):
        asked(server.provider)


def test_the_halves_of_a_character_are_put_together(server: _Server) -> None:
    halves = [b'data: {"choices": [{"delta": {"content": "%s"}}]}\n\n' % half for half in (rb"a\ud83d", rb"\ude42 b")]
    server.answers = [CHUNKED + b"".join(map(chunk, [*halves, LAST])) + b"0\r\n\r\n"]
    assert asked(server.provider) == "a🙂 b"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_is_asked_with_its_login(server: _Server, scheme: str) -> None:
    """For https it is asked for a tunnel, which this one does not open."""
    login, address = "user:secret", server.provider.base_url.removeprefix("http://").removesuffix("/v1")
    provider = Provider(f"{scheme}://model.example/v1", "", 5, 5, f"http://{login}@{address}")
    server.answers = [GOOD if scheme == "http" else b"HTTP/1.1 403 Forbidden\r\n\r\n"]
    if scheme == "http":
        assert asked(provider) == "one "
    else:
        with pytest.raises(Transient, match="could not be reached"):
            asked(provider)
    line, *headers = server.requests[0].split(b"\r\n")
    wanted = b"POST http://model.example/v1/chat/completions" if scheme == "http" else b"CONNECT model.example:443"
    assert line.startswith(wanted)
    assert b"proxy-authorization: basic " + base64.b64encode(login.encode()).lower() in [one.lower() for one in headers]


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)

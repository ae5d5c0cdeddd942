"""A reader's connection, written to past the server: framed as the server frames, in order, and never waited for."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from gevent.socket import socket as Socket
from gevent.socket import socketpair
from gunicorn.config import Config
from gunicorn.http.wsgi import Response as Answer

from webapp.http.stream_socket import Lined, SocketLine

Pair = tuple[Any, Any]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socketpair()
    for each in (ours, theirs):
        each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
    yield ours, theirs
    ours.close()
    theirs.close()


def answer(sock: Any, version: tuple[int, int] = (1, 1), method: str = "GET") -> Answer:
    request = SimpleNamespace(version=version, method=method, should_close=lambda: False)
    return Answer(request, sock, Config())


def begun(line: SocketLine, given: Answer, body: list[bytes], **headers: str) -> SocketLine:
    """The line, after the server was handed the answer's head."""
    response = Lined(iter(body), content_type="text/event-stream", headers=headers, direct_passthrough=True)
    response.line = line
    for part in response({"REQUEST_METHOD": given.req.method}, given.start_response):
        given.write(part)
    return line


def test_what_is_sent_stands_between_what_the_server_sends(pair: Pair) -> None:
    ours, theirs = pair
    server = answer(ours)
    line = begun(SocketLine(ours), server, [b"one "])
    assert line.open
    assert line.send(b"two ")
    assert line.send("drei, größer ".encode())
    server.write(b"four")
    server.close()
    with http.client.HTTPResponse(theirs) as response:
        response.begin()
        assert response.read() == "one two drei, größer four".encode()


def test_a_reader_that_takes_nothing_is_not_waited_for(pair: Pair) -> None:
    ours, theirs = pair
    line = begun(SocketLine(ours), answer(ours), [b"begin "])
    sent = [b"begin "]
    while True:
        sent.append(b"%d " % len(sent) * 100)
        if not line.send(sent[-1]):
            break
    server = gevent.spawn(lambda: (line.flush(), line.send(b"end"), ours.shutdown(socket.SHUT_WR)))
    got = b"".join(iter(lambda: theirs.recv(1_000), b""))
    server.get()
    chunks = got.partition(b"\r\n\r\n")[2]
    for part in (*sent, b"end"):
        size, _, chunks = chunks.partition(b"\r\n")
        assert int(size, 16) == len(part)
        assert chunks.startswith(part + b"\r\n")
        chunks = chunks[len(part) + 2 :]
    assert not chunks


def test_a_reader_that_has_left_is_noticed_by_its_own_greenlet(pair: Pair) -> None:
    ours, theirs = pair
    line = begun(SocketLine(ours), answer(ours), [b"begin "])
    theirs.close()
    assert not line.send(b"more")
    with pytest.raises(BrokenPipeError):
        line.flush()


def test_only_a_plain_chunked_answer_is_written_to_past_the_server(pair: Pair) -> None:
    ours, theirs = pair
    assert begun(SocketLine(ours), answer(ours), []).open
    assert not begun(SocketLine(ours), answer(ours, version=(1, 0)), []).open
    assert not begun(SocketLine(ours), answer(ours, method="HEAD"), []).open
    assert not begun(SocketLine(ours), answer(ours), [], **{"Content-Length": "2"}).open
    assert not begun(SocketLine(theirs), answer(ours), []).open
    assert not begun(SocketLine(None), answer(ours), []).open


def test_another_server_is_left_alone(pair: Pair) -> None:
    line = SocketLine(pair[0])
    response = Lined([b"one"], direct_passthrough=True)
    response.line = line
    assert list(response({"REQUEST_METHOD": "GET"}, lambda *_: lambda _: None)) == [b"one"]
    assert not line.open


def test_a_connection_of_another_make_is_left_alone() -> None:
    class Secure(Socket):
        """Stands for TLS."""

    for made in (Secure(), socket.socket()):
        with made:
            assert not begun(SocketLine(made), answer(made), []).open

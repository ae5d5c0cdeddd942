"""The one way out: what may be asked, and that the asked one cannot make us do more."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from jobs.engine.errors import BadInput, Transient
from jobs.engine.sandbox import http

INSIDE = [
    "http://127.0.0.1/", "http://127.1/", "http://0x7f000001/", "http://2130706433/", "http://0177.0.0.1/", "http://0/",
    "http://[::ffff:127.0.0.1]/", "http://[::1]/", "http://localhost/", "http://①②⑦.0.0.1/",
    "http://169.254.169.254/latest/meta-data", "http://[fe80::1]/", "http://100.64.0.1/", "http://[fd00::1]/",
    "http://10.0.0.1/", "http://192.168.1.1/", "http://172.16.0.1/", "http://[64:ff9b::7f00:1]/", "http://[64:ff9b:1::1]/",
    "http://[2002:7f00:1::]/", "http://224.0.0.1/", "http://[ff02::1]/", "http://255.255.255.255/", "http://240.0.0.1/",
    "http://[fec0::1]/", "http://[3fff::1]/",
]  # fmt: skip
CROOKED = [
    "file:///etc/passwd", "gopher://127.0.0.1/", "ftp://example.org/", "javascript:alert(1)", "", "//example.org/", "http://",
    "http://a@127.0.0.1/", "http://a:b@example.org/", "http://127.0.0.1\\@example.com/", "http://example.org /",
    "http://example.org/\r\nX: y", "http://example.org:0/", "http://example.org:99999/", "http://" + "a" * 3_000 + ".org/",
    "http://[::1/", "http://exa_mple..org%00/",
]  # fmt: skip


@pytest.fixture(autouse=True)
def settings(environment: Callable[..., None]) -> Callable[..., None]:
    return environment


class Hook:
    """An address that answers as it is told, and remembers what it was sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.sent.append(({name.lower(): value for name, value in self.headers.items()}, body))
                status, headers, answer = hook.answers.pop(0) if hook.answers else (200, {}, b"ok")
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                return None

        return Handler


@pytest.fixture
def hook() -> Iterator[Hook]:
    opened = Hook()
    yield opened
    opened.close()


@pytest.mark.slow
@pytest.mark.parametrize("url", INSIDE)
def test_what_leads_inside_is_refused(url: str) -> None:
    with pytest.raises(BadInput):
        http.post(url, b"", {})


@pytest.mark.slow
@pytest.mark.parametrize("url", CROOKED)
def test_what_is_no_plain_address_is_refused_without_asking(url: str) -> None:
    with pytest.raises(BadInput):
        http.check(url)


# One address of each range that IANA's special-purpose registries name, and some at their edges.
NOT_PUBLIC = """
    0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.254 169.254.169.254 172.16.0.1 172.31.255.255
    192.0.0.1 192.0.0.9 192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.1.2.3 240.0.0.1
    255.255.255.255 :: ::1 ::127.0.0.1 ::8.8.8.8 ::ffff:10.0.0.1 ::ffff:127.0.0.1 ::ffff:0:127.0.0.1 64:ff9b::7f00:1
    64:ff9b::a00:1 64:ff9b:1::1 100::1 100:0:0:1::1 200::1 2001::1 2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1::
    2002:808:808:: 3fff::1 3fff:fff::1 4000::1 5f00::1 fc00::1 fd00::1 fe00::1 fe80::1 febf::1 fec0::1 feff::1 ff02::1
"""
PUBLIC = "1.1.1.1 8.8.8.8 93.184.215.14 ::ffff:8.8.8.8 2001:4860:4860::8888 2606:2800:21f:cb07::1 2a00:1450:4001::1"
NEVER = [
    "0.0.0.0",
    "169.254.169.254",
    "224.0.0.1",
    "240.0.0.1",
    "::",
    "64:ff9b::7f00:1",
    "2002::1",
    "fe80::1",
    "fec0::1",
]


@pytest.mark.parametrize("address", NEVER)
def test_with_private_addresses_allowed_these_still_are_not(settings: Callable[..., None], address: str) -> None:
    settings(OUTGOING_PRIVATE="1")
    assert not http.allowed(ipaddress.ip_address(address))


def test_only_public_addresses_are_allowed() -> None:
    tried = [ipaddress.ip_address(one) for one in f"{NOT_PUBLIC} {PUBLIC}".split()]
    assert [one for one in tried if http.allowed(one)] == [ipaddress.ip_address(one) for one in PUBLIC.split()]


def test_a_name_is_judged_by_all_that_it_stands_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver with an answer of its own: there is no name of ours in the world's."""
    places = [("93.184.215.14", 80), ("10.0.0.7", 80)]
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in places]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(BadInput, match="inside this machine"):
        http.post("http://two-faced.example/", b"", {})


def test_the_judged_address_is_the_one_that_is_asked(
    settings: Callable[..., None], hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings(OUTGOING_PRIVATE="1")
    port = int(hook.url.split(":")[2].split("/")[0])
    asked: list[str] = []

    def resolve(host: str, *_: object, **__: object) -> list[object]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1" if len(asked) == 1 else "10.0.0.7", port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert http.post(f"http://rebinding.example:{port}/", b"x", {}).status == 200
    assert asked == ["rebinding.example"]
    assert hook.sent[0][0]["host"] == f"rebinding.example:{port}"


def test_a_body_goes_out_and_the_answer_comes_back(settings: Callable[..., None], hook: Hook) -> None:
    settings(OUTGOING_PRIVATE="1")
    hook.answers = [(307, {"Location": "/other"}, b""), (201, {}, b"made")]
    reply = http.post(hook.url, b"hello", {"x-a": "b"})
    assert (reply.status, reply.body) == (201, b"made")
    assert [body for _, body in hook.sent] == [b"hello", b"hello"]
    assert hook.sent[1][0]["x-a"] == "b"


def test_each_hop_is_judged(settings: Callable[..., None], hook: Hook) -> None:
    settings(OUTGOING_PRIVATE="1")
    hook.answers = [(307, {"Location": "http://169.254.169.254/"}, b"")]
    with pytest.raises(BadInput):
        http.post(hook.url, b"", {})
    hook.answers = [(307, {"Location": "file:///etc/passwd"}, b"")]
    with pytest.raises(BadInput):
        http.post(hook.url, b"", {})
    hook.answers = [(307, {"Location": "/again"}, b"")] * 9
    with pytest.raises(BadInput, match="leads on"):
        http.post(hook.url, b"", {})


def test_a_long_answer_is_cut(settings: Callable[..., None], hook: Hook) -> None:
    settings(OUTGOING_PRIVATE="1")
    hook.answers = [(200, {}, b"x" * 10_000_000)]
    assert len(http.post(hook.url, b"", {}).body) == http.MOST_BYTES


def test_an_answer_that_drips_is_left(settings: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    settings(OUTGOING_PRIVATE="1")
    monkeypatch.setattr(http, "MOST_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_drip, args=(server,), daemon=True).start()
        with pytest.raises(Transient, match="did not answer"):
            http.post(f"http://127.0.0.1:{server.getsockname()[1]}/", b"", {})


def _drip(server: socket.socket) -> None:
    stream, _ = server.accept()
    with stream:
        stream.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(600):
            try:
                stream.sendall(b"x")
            except OSError:
                return
            time.sleep(0.05)


def test_nobody_there_may_pass(settings: Callable[..., None]) -> None:
    settings(OUTGOING_PRIVATE="1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Transient):
        http.post(f"http://127.0.0.1:{port}/", b"", {})
    with pytest.raises(Transient):
        http.post("http://no-such-name.invalid/", b"", {})

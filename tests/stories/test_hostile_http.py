"""What breaks the rules of HTTP, sent to a running app byte by byte: refused in a word, nothing made, nobody else held up."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPResponse
from urllib.parse import urlsplit

import pytest

from tests.stories.app_process import NO_MODEL, App, running
from tests.stories.site_client import Site, until

SECRET = "lw_not-to-be-written-down-anywhere-at-all"
MOST_UPLOADED = 1_000_000
FORM = "application/x-www-form-urlencoded"
FILES = "multipart/form-data; boundary=b"
NAPS = "/api/v1/kinds/nap/jobs"
SLOW = 40  # of each sort
HELD_SECONDS = 90.0  # generous: they are let go after 30


@pytest.fixture(scope="module")
def served() -> Iterator[App]:
    specimens = NO_MODEL | {"EXTRA_KINDS": "tests.sample_kinds"}
    with running("web", MAX_UPLOAD_MB=str(MOST_UPLOADED // 1_000_000), **specimens) as app:
        yield app


class Answer:
    """The first answer on a connection. `again`: whether another one follows it."""

    def __init__(self, connection: socket.socket) -> None:
        answer = HTTPResponse(connection)
        answer.begin()
        self.status = answer.status
        self.headers = answer.headers
        self.body = answer.read()

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")


Send = Callable[[bytes], Answer]


@contextlib.contextmanager
def connected(app: App) -> Iterator[socket.socket]:
    where = urlsplit(app.url)
    with socket.create_connection((where.hostname, where.port), timeout=60) as connection:
        yield connection


@pytest.fixture
def send(served: App) -> Send:
    """Sends these bytes on a connection of their own, and gives the answer."""

    def answered(sent: bytes) -> Answer:
        with connected(served) as connection:
            connection.sendall(sent)
            return Answer(connection)

    return answered


def head(line: str, *headers: str, host: str = "localhost") -> bytes:
    return "\r\n".join([f"{line} HTTP/1.1", f"Host: {host}", *headers, "", ""]).encode("latin-1")


@pytest.fixture(scope="module")
def crowd(served: App) -> Iterator[list[Slow]]:
    """Those who never come to an end: with a body that stops, one that trickles, one that is slow, and headers that trickle."""
    stalled = head(f"POST {NAPS}", "Content-Type: application/json", "Content-Length: 500000") + b'{"naps": '
    trickled = head("POST /kinds/nap", f"Content-Type: {FORM}", "Content-Length: 500000")
    steady = head("POST /kinds/nap", f"Content-Type: {FORM}", "Content-Length: 1900000")
    sorts = [
        (stalled, b""),
        (trickled, b"x"),
        (steady, b"x" * 7_000),
        (b"GET /jobs HTTP/1.1\r\nHost: localhost\r\nX-Long: ", b"x"),
    ]
    with contextlib.ExitStack() as stack:
        yield [Slow(stack.enter_context(connected(served)), *sort) for sort in sorts for _ in range(SLOW)]


class Slow(threading.Thread):
    """A client that begins, and then sends a byte each second, or nothing. `said`: what it heard until it was let go."""

    def __init__(self, connection: socket.socket, begins: bytes, goes_on: bytes) -> None:
        super().__init__(daemon=True)
        self._connection, self._goes_on = connection, goes_on
        self.said = b""
        self._connection.sendall(begins)
        self._connection.settimeout(1)
        self.start()

    def run(self) -> None:
        until_when = time.monotonic() + HELD_SECONDS
        while time.monotonic() < until_when:
            try:
                heard = self._connection.recv(10_000)
            except TimeoutError:
                self._go_on()
            except OSError:
                return
            else:
                self.said += heard
                if not heard:
                    return

    def _go_on(self) -> None:
        with contextlib.suppress(OSError):  # let go meanwhile: the next look says so
            self._connection.sendall(self._goes_on)


@pytest.fixture(autouse=True)
def unharmed(served: App, site: Site, crowd: list[Slow]) -> Iterator[None]:
    """After each test all processes are those from before it, no job was made, and the logs tell neither faults nor secrets."""

    def standing() -> set[int]:
        return {each.pid for each in served.processes() if each.role == "web"}

    jobs, processes, written = site.jobs(), standing(), _written(served)
    yield
    assert site.jobs() == jobs
    assert standing() >= processes
    more = _written(served)[len(written) :]
    for word in ("Traceback", "fault ", SECRET):
        assert word not in more, more[-3000:]


def _written(app: App) -> str:
    return (app.data_dir / "log" / "web.log").read_text()


def refused(answer: Answer, *statuses: int) -> None:
    assert answer.status in statuses, answer.text[:500]
    assert "Traceback" not in answer.text
    assert answer.text.strip()


# How much.

TOO_LONG = [
    (NAPS, "application/json", 1_000_001),
    ("/v1/chat/completions", "application/json", 1_000_001),
    ("/api/v1/files", FILES, 10**12),
    ("/kinds/nap", FORM, 2_000_001),
    ("/kinds/nap", FILES, 10**12),
    ("/login", FILES, 10**12),
]


@pytest.mark.parametrize(("path", "media_type", "length"), TOO_LONG)
def test_a_body_that_says_it_is_too_long_is_refused_before_it_is_sent(
    send: Send, path: str, media_type: str, length: int
) -> None:
    refused(send(head(f"POST {path}", f"Content-Type: {media_type}", f"Content-Length: {length}")), 413)


@pytest.mark.parametrize(("path", "media_type", "length"), TOO_LONG)
def test_one_that_does_not_say_is_refused_where_it_gets_too_long(
    served: App, path: str, media_type: str, length: int
) -> None:
    begin = b""
    if media_type == FILES:
        begin = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
    with connected(served) as connection:
        connection.sendall(head(f"POST {path}", f"Content-Type: {media_type}", "Transfer-Encoding: chunked"))
        for part in (begin, *[b"x" * 100_000] * 45):
            with contextlib.suppress(ConnectionError):  # it need not be read to its end
                connection.sendall(b"%x\r\n%s\r\n" % (len(part), part) if part else b"")
        refused(Answer(connection), 413)


@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        (head(f"GET /{'x' * 10_000}"), (404, 414)),
        (head(f"GET /jobs?q={'x' * 10_000}"), (400, 414, 422)),
        (head("GET /jobs", f"X-Long: {'x' * 100_000}"), (431,)),
        (head("GET /jobs", *[f"X-{number}: x" for number in range(1_000)]), (431,)),
        (head("GET /jobs", f"Cookie: {'a=b; ' * 50_000}"), (431,)),
    ],
    ids=["path", "query", "header", "headers", "cookies"],
)
def test_an_address_and_headers_have_an_end(send: Send, sent: bytes, statuses: tuple[int, ...]) -> None:
    refused(send(sent), *statuses)


def test_a_thousand_ranges_are_not_a_thousand_answers(served: App, site: Site) -> None:
    content = b"0123456789" * 50_000
    file = site.upload("long.txt", content)
    for asked in ("0-," * 1_000, "0-0," * 1_000, ",".join(f"{n}-{n + 1}" for n in range(600)), "9-0", "-0", "x"):
        answer = site.send("GET", f"/api/v1/files/{file}", Range=f"bytes={asked}")
        assert answer.status in (200, 416)
        assert len(answer.body) <= len(content)


# What is asked for.


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost, evil.example", "localhost\r\nHost: evil.example", "", "[::1", "a" * 5_000, "\xe9"],
    ids=["another", "two in one", "two", "none", "half", "long", "odd"],
)
def test_a_host_that_is_not_ours_is_refused(send: Send, host: str) -> None:
    for path in ("/", "/api/v1/kinds", "/login"):
        answer = send(head(f"GET {path}", host=host))
        refused(answer, 400)
        assert "evil" not in answer.text
        assert "Location" not in answer.headers


def test_an_address_with_a_host_of_its_own_changes_nothing(send: Send) -> None:
    for target in ("http://evil.example/jobs", "//evil.example/jobs", "http://evil.example/login?next=/jobs"):
        answer = send(head(f"GET {target}"))
        assert answer.status < 500
        assert "//evil.example" not in answer.text + str(answer.headers)
    refused(send(b"GET /jobs HTTP/1.1\r\nConnection: close\r\n\r\n"), 400)


@pytest.mark.parametrize(
    "path",
    [
        *("/static/..%2f..%2f..%2fetc/passwd", "/static/%252e%252e%252fetc/passwd", "/static/..;/..;/etc/passwd"),
        *("/static/../../../../etc/passwd", "/../../etc/passwd", "/static//etc/passwd", "/static/..\\..\\etc\\passwd"),
        *("/static/%2e%2e/%2e%2e/webapp/http/guards.py", "/static/\x00", "/static/legwork.css%00.txt", "/%00", "/%ff"),
        *("/jobs/%00", "/jobs/%ed%a0%80", "/\xff\xfe", "/kinds/..%2f..%2fjobs", "/files/..%2f..%2fsecret_key"),
    ],
)
def test_a_path_leads_to_nothing_of_the_machine(send: Send, path: str) -> None:
    answer = send(head(f"GET {path}"))
    refused(answer, 308, 400, 404)
    assert "root:" not in answer.text
    assert "import annotations" not in answer.text
    if answer.status == 308:
        refused(send(head(f"GET {urlsplit(answer.headers['Location']).path}")), 400, 404)


@pytest.mark.parametrize(
    "query", ["%00", "%ff", "%ed%a0%80", "\xff", "%", "%zz", "&&&==", "%0d%0aSet-Cookie:x=y", "+" * 3_000]
)
@pytest.mark.parametrize("path", ["/jobs?q=", "/api/v1/jobs?q=", "/login?next=", "/search?q=", "/kinds/nap?from="])
def test_a_query_that_is_no_text_is_no_fault_of_ours(send: Send, path: str, query: str) -> None:
    answer = send(head(f"GET {path}{query}"))
    assert answer.status in (200, 302, 303, 400, 404, 422), answer.text
    assert "Traceback" not in answer.text
    assert "x=y" not in str(answer.headers.get_all("Set-Cookie"))


def test_another_method_is_not_smuggled_in(send: Send, site: Site) -> None:
    job = site.submit("nap", naps=1)  # it waits: there is no worker
    for header in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        refused(send(head(f"POST /api/v1/jobs/{job}?_method=DELETE", f"{header}: DELETE", "Content-Length: 0")), 405)
        assert send(head(f"GET /api/v1/jobs/{job}?_method=DELETE", f"{header}: DELETE")).status == 200
    for method in ("BREW", "PROPFIND", "TRACE", "CONNECT", "PUT"):
        refused(send(head(f"{method} /api/v1/jobs/{job}")), 400, 405)
    for method in ("get", "G T", "G\x00T", "", "X" * 100):
        refused(send(head(f"{method} /jobs")), 400, 405)
    assert site.job(job)["state"] == "queued"
    assert site.send("POST", f"/api/v1/jobs/{job}/cancel").status == 202
    assert site.send("DELETE", f"/api/v1/jobs/{job}").status == 204


# Where a request begins and ends.

HIDDEN = "GET /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"
LENGTH = f"Content-Length: {len(HIDDEN)}"
CHUNKED = "Transfer-Encoding: chunked"


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Length: 0", LENGTH),
        (LENGTH, LENGTH),
        (LENGTH, CHUNKED),
        (CHUNKED, "Content-Length: 5"),
        (f"Content-Length: 0, {len(HIDDEN)}",),
        ("Content-Length: -1",),
        ("Content-Length: +5",),
        ("Content-Length: 0x5",),
        ("Content-Length: 5 5",),
        (f"Content-Length: {'9' * 5_000}",),
        ("Transfer-Encoding: xchunked",),
        ("Transfer-Encoding: chunked, identity",),
        (CHUNKED, CHUNKED),
        ("Transfer-Encoding : chunked",),
        ("Transfer-Encoding:\x0bchunked",),
        ("Content_Length: 0", LENGTH, LENGTH),
        ("X: y\nContent-Length: 0",),
        ("X: y", " folded"),
        ("X: a\x00b",),
        (f"Authorization: Bearer {SECRET}\x00",),
        (f"Bearer {SECRET}",),
    ],
    ids=lambda headers: " | ".join(headers)[:60].encode("unicode_escape").decode(),
)
def test_a_request_of_two_lengths_is_none(served: App, headers: tuple[str, ...]) -> None:
    sent = head("POST /kinds/nap", f"Content-Type: {FORM}", *headers) + HIDDEN.encode()
    only_refused(everything(served, sent), 400, 413, 501)


@pytest.mark.parametrize(
    "chunks",
    [
        b"zz\r\nabc\r\n0\r\n\r\n", b"-1\r\nabc\r\n", b"5\r\nabcdefgh\r\n0\r\n\r\n", b"0x3\r\nabc\r\n0\r\n\r\n",
        b"3;" + b"x" * 100_000 + b"\r\nabc\r\n0\r\n\r\n", b"3\nabc\n0\n\n", b"\r\n\r\n",
    ],
    ids=lambda chunks: repr(chunks[:20]),
)  # fmt: skip
def test_chunks_that_are_none_are_refused(served: App, chunks: bytes) -> None:
    for path, media_type in ((NAPS, "application/json"), ("/kinds/nap", FORM), ("/api/v1/files", FILES)):
        sent = head(f"POST {path}", f"Content-Type: {media_type}", CHUNKED) + chunks + HIDDEN.encode()
        only_refused(everything(served, sent), 400)


def test_a_body_that_breaks_off_is_not_taken_for_whole(served: App) -> None:
    """The fixture sees that no job was made."""
    whole = json.dumps({"naps": 1}).encode()
    upload = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.csv"\r\n\r\na,b\n1,2\n'
    kept = _blobs(served)
    for path, media_type, body in ((NAPS, "application/json", whole), ("/api/v1/files", FILES, upload)):
        begin = (f"POST {path}", f"Content-Type: {media_type}")
        cut = everything(served, head(*begin, f"Content-Length: {len(body) + 5}") + body, ends=True)
        only_refused(cut, 400)
        chunk = b"%x\r\n%s" % (len(body) + 5, body)
        only_refused(everything(served, head(*begin, CHUNKED) + chunk, ends=True), 400)
    assert _blobs(served) == kept


def _blobs(app: App) -> list[str]:
    return [path.name for path in (app.data_dir / "files").rglob("*") if path.is_file()]


def everything(app: App, sent: bytes, *, ends: bool = False) -> bytes:
    """All that the server says until it closes the connection. `ends`: we close our half first."""
    with connected(app) as connection:
        connection.sendall(sent)
        if ends:
            with contextlib.suppress(OSError):  # it closed at once
                connection.shutdown(socket.SHUT_WR)
        heard = b""
        with contextlib.suppress(ConnectionResetError):  # it closed while bytes of ours were on their way
            while part := connection.recv(65_536):
                heard += part
        return heard


def only_refused(heard: bytes, *statuses: int) -> None:
    """There is one answer, a refusal: what was hidden in the body is not answered."""
    assert heard.count(b"HTTP/1.1 ") == 1, heard
    assert int(heard.split()[1]) in statuses, heard


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x00" * 5_000, b"\r\n" * 5_000, b"GET\r\n\r\n", b"GET /jobs HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"*1\r\n$8\r\nFLUSHALL\r\n\r\n", b"USER a b c d\r\n\r\n", b"GET /jobs\r\n\r\n",
    ],
    ids=lambda sent: repr(sent[:12]),
)  # fmt: skip
def test_another_protocol_is_not_spoken(served: App, sent: bytes) -> None:
    answer = everything(served, sent, ends=True)
    assert b" 200 " not in answer.split(b"\r\n")[0]
    assert b"Traceback" not in answer


# How long. The crowd has been there since before the first test, and held none of them up.


def test_who_does_not_come_to_an_end_is_let_go(crowd: list[Slow], site: Site) -> None:
    assert site.get("/jobs")
    until(lambda: not any(one.is_alive() for one in crowd), "the end of those who are slow", HELD_SECONDS + 5)
    stalled, bodies, headers = crowd[:SLOW], crowd[: 3 * SLOW], crowd[3 * SLOW :]
    assert {one.said.split()[1] for one in bodies} == {b"408"}
    assert {one.said for one in headers} == {b""}
    assert b"was discarded" in stalled[0].said

"""What somebody who has not signed in can do to a site that others reach: store nothing, and hold nobody up."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from tempfile import gettempdir
from urllib.parse import urlsplit

import pytest

from tests.stories.app_process import NO_MODEL, App, running
from tests.stories.test_hostile_http import FILES, FORM, Answer, head, refused
from webapp.http.address_limit import MOST_BODIES, MOST_CONNECTIONS
from webapp.http.guards import MAX_STRANGERS_BYTES

ENOUGH = 100_000
PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
PATHS = [
    "/login",
    "/logout",
    "/theme",
    "/first/x",
    "/kinds/nap",
    "/api/v1/files",
    "/v1/chat/completions",
    "/nowhere",
    "/rq/",
]
OTHERS = "127.0.0.2"  # another address of this machine: that of other people


@pytest.fixture(scope="module")
def served() -> Iterator[App]:
    """With an address that is not loopback's, everybody signs in; the link for the first account is left alone."""
    with running("web", TRUSTED_HOSTS="legwork.example.org", **NO_MODEL) as app:
        yield app


def connected(app: App, source: str = "127.0.0.1") -> socket.socket:
    where = urlsplit(app.url)
    return socket.create_connection((where.hostname, where.port), timeout=60, source_address=(source, 0))


def _files(app: App) -> set[Path]:
    """The storage, and temporary files of the web process with a byte in them: there a body goes that is too large for memory."""
    opened = [fd for each in app.processes("web") for fd in Path(f"/proc/{each.pid}/fd").iterdir()]
    kept = {
        fd.readlink()
        for fd in opened
        if fd.exists() and str(fd.readlink()).startswith(gettempdir()) and fd.stat().st_size
    }
    return kept | set((app.data_dir / "files").rglob("*"))


@pytest.mark.parametrize("media_type", [FILES, FORM, "application/json", "text/plain"])
@pytest.mark.parametrize("path", PATHS)
def test_a_large_body_of_nobody_is_not_taken(served: App, path: str, media_type: str) -> None:
    before = _files(served)
    for length in (f"Content-Length: {150_000_000}", "Transfer-Encoding: chunked"):
        with connected(served) as connection:
            connection.sendall(head(f"POST {path}", f"Content-Type: {media_type}", length))
            for part in (PART, *[b"x" * ENOUGH] * 10):
                with contextlib.suppress(OSError):  # it need not be read to its end
                    chunk = b"%x\r\n%s\r\n" % (len(part), part)
                    connection.sendall(chunk if "chunked" in length else part)
            assert _files(served) - before == set()
            with contextlib.suppress(ConnectionResetError):
                refused(Answer(connection), 303, 401, 400, 404, 405, 413)


def test_a_form_of_nobody_may_be_small(served: App) -> None:
    body = b"name=x&password=" + b"x" * (MAX_STRANGERS_BYTES - 16)
    for more, status in ((b"", 400), (b"x", 413)):
        with connected(served) as connection:
            length = f"Content-Length: {len(body + more)}"
            connection.sendall(head("POST /login", f"Content-Type: {FORM}", length) + body + more)
            assert Answer(connection).status == status  # 400: it has no CSRF token


def test_one_address_holds_up_nobody_else(served: App) -> None:
    slow = head("POST /login", f"Content-Type: {FORM}", "Content-Length: 60000") + b"name="
    with contextlib.ExitStack() as stack:
        many = [stack.enter_context(connected(served)) for _ in range(1_100)]
        for one in many:
            with contextlib.suppress(OSError):  # closed already
                one.sendall(slow)
        other = stack.enter_context(connected(served, OTHERS))
        other.sendall(head("GET /healthz", "Connection: close"))
        assert Answer(other).status == 200
        statuses = [_status(one) for one in many]
    assert statuses.count("closed") >= len(many) - MOST_CONNECTIONS
    assert statuses.count("408") <= MOST_BODIES
    assert statuses.count("429") > 0


def _status(connection: socket.socket) -> str:
    try:
        return connection.recv(1_000).decode().split()[1]
    except (OSError, IndexError):
        return "closed"

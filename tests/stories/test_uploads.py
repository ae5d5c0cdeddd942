"""An upload over a bad line: cut again and again, its web process killed in the middle, and still whole."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import socket
import time
from urllib.parse import urlsplit

from tests.stories.app_process import App
from tests.stories.site_client import Site, until

MB = 1_000_000
CONTENT = os.urandom(MB) * 30


def send_piece(app: App, path: str, offset: int, most: int) -> int:
    """Send at most so many of the next bytes, then cut the connection. Returns how many went out."""
    address = urlsplit(app.url)
    head = (
        f"PATCH {path} HTTP/1.1\r\nHost: {address.netloc}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: {offset}\r\n"
        f"Content-Type: application/offset+octet-stream\r\nContent-Length: {len(CONTENT) - offset}\r\n"
        "Expect: 100-continue\r\n\r\n"
    )
    sent = 0
    with socket.create_connection((address.hostname or "", address.port or 0)) as line:
        line.sendall(head.encode())
        assert line.recv(1000).startswith(
            b"HTTP/1.1 100"
        )  # a process has it: what is sent now is not lost with the line
        with contextlib.suppress(OSError):  # the process was killed
            while sent < most and (piece := CONTENT[offset + sent : offset + min(sent + 65_536, most)]):
                line.sendall(piece)
                sent += len(piece)
        if offset + sent == len(CONTENT):
            assert line.recv(1000).startswith(b"HTTP/1.1 204")
    return sent


def offset_of(site: Site, path: str) -> int:
    """How much is stored, once what was on its way has come."""
    before, now = -1, 0
    while before != now:
        before, now = now, int(site.send("HEAD", path, Tus_Resumable="1.0.0").headers["Upload-Offset"])
        time.sleep(0.1)
    return now


def test_an_upload_survives_cuts_and_the_death_of_the_web(served: App, site: Site) -> None:
    begun = site.send("POST", "/api/v1/uploads", Upload_Length=str(len(CONTENT)), Tus_Resumable="1.0.0")
    path = begun.headers["Location"]
    random.seed(3)
    went_out = cuts = offset = 0
    while offset < len(CONTENT):
        most = MB if cuts == 2 else random.randint(1, 6 * MB)  # what is on its way to a process that is killed is lost
        went_out += send_piece(served, path, offset, most)
        cuts += 1
        if cuts == 3:
            for web in [one for one in served.processes("web") if one.parent != served.pid]:
                os.kill(web.pid, 9)
            until(lambda: site.send("GET", "/readyz").status == 200, "the web again")
        offset = offset_of(site, path)
    file = site.api(f"/uploads/{path.rpartition('/')[2]}")["file"]
    assert file["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert cuts > 5
    assert went_out <= 1.1 * len(CONTENT)
    params = {"files": [file["id"]], "sql": "select 1"}
    assert site.try_submit("query_data", params).status == 422  # it is found; it is no table

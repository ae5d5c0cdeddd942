"""The web process is killed in the middle of an upload, of submissions, and of a download."""

from __future__ import annotations

import hashlib
import http.client
import os
import random
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from urllib.parse import urlsplit

from tests.chaos.installation import House
from tests.chaos.killer import serving
from tests.chaos.verdicts import Verdict
from tests.stories.site_client import until

BYTES = 12_000_000
SUBMISSIONS = 20


def cuts(house: House, chance: random.Random) -> list[Verdict]:
    return [_upload(house, chance), _submissions(house, chance), _download(house, chance)]


def _upload(house: House, chance: random.Random) -> Verdict:
    data = chance.randbytes(BYTES)
    boundary = "cut"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="cut.bin"\r\n\r\n'.encode()
    with closing(_connect(house)) as connection:
        connection.putrequest("POST", "/api/v1/files")
        connection.putheader("Content-Type", f"multipart/form-data; boundary={boundary}")
        connection.putheader("Content-Length", str(len(head) + len(data) + 100))
        connection.endheaders(head + data[: BYTES // 2])
        _kill_web(house)
        with suppress(OSError, http.client.HTTPException):
            connection.send(data[BYTES // 2 :])
            connection.getresponse()
    house.site.get("/readyz")
    kept = house.site.get(f"/api/v1/files/{house.site.upload('cut.bin', data)}").body
    return Verdict("An upload that is cut off", f"sent again: {len(kept):,} of {BYTES:,} bytes", kept == data)


def _submissions(house: House, chance: random.Random) -> Verdict:
    key, before = f"cut-{chance.random()}", len(house.site.jobs())

    def submit(number: int) -> str:
        if number == SUBMISSIONS // 2:
            _kill_web(house)
        return house.site.submit_keyed(f"{key}-{number}", "nap", naps=1)

    with ThreadPoolExecutor(4) as pool:
        ids = set(pool.map(submit, range(SUBMISSIONS)))
    ended = house.site.all_ended(list(ids))
    there = len(house.site.jobs()) - before
    well = sum(job["state"] == "succeeded" for job in ended)
    figure = f"{well} of {SUBMISSIONS} succeeded, {there} jobs for {SUBMISSIONS} keys"
    return Verdict("Submissions that are cut off and sent again", figure, well == there == SUBMISSIONS)


def _download(house: House, chance: random.Random) -> Verdict:
    job = house.site.ended(house.site.submit_keyed(f"cut-{chance.random()}", "keepsake", bytes=BYTES))
    (file,) = job["files"]
    with closing(_connect(house)) as connection:
        connection.request("GET", file["url"])
        answer = connection.getresponse()
        got = answer.read(1_000_000)
        _kill_web(house)
        with suppress(OSError, http.client.HTTPException):
            while piece := answer.read1(65_536):  # what was on its way
                got += piece
    rest = house.site.send("GET", file["url"], Range=f"bytes={len(got)}-").body if len(got) < BYTES else b""
    whole = hashlib.sha256(got + rest).hexdigest() == file["sha256"]
    return Verdict("A download that is cut off", f"gone on with at {len(got):,} of {BYTES:,} bytes", whole)


def _connect(house: House) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(house.app.url).netloc, timeout=60)


def _kill_web(house: House) -> None:
    def there() -> list[int]:
        return [each.pid for each in serving(house.app.processes())]

    until(there, "a web process")
    for pid in there():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

"""Legwork from outside: a client of its pages and its API that knows nothing but HTTP, and what /proc tells of a process."""

from __future__ import annotations

import io
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from email.message import Message
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

from werkzeug.datastructures import FileStorage
from werkzeug.test import stream_encode_multipart

PATIENCE = 90.0  # generous: the machine may be busy
ENDED = ("succeeded", "partial", "failed", "cancelled")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Site:
    """One client; it keeps cookies and follows no redirect."""

    def __init__(self, url: str):
        self.url = url
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()), _Stay())

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """Any request; every status comes back as an answer. Headers are written with _ for -."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.url + path, body, named, method=method)
        try:
            with self._opener.open(request, timeout=60) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())

    def get(self, path: str) -> Answer:
        answer = self.send("GET", path)
        assert answer.status == 200, f"{path}: {answer.status}\n{answer.text[:2000]}"
        return answer

    def post(self, path: str, fields: Mapping[str, Any]) -> Answer:
        """A form, as a browser sends it."""
        stream, _, boundary = stream_encode_multipart(fields)
        with closing(stream):
            return self.send("POST", path, stream.read(), Content_Type=f"multipart/form-data; boundary={boundary}")

    # The API.

    def api(self, path: str) -> Any:
        return self.get(f"/api/v1{path}").json

    def try_submit(self, kind: str, params: Mapping[str, Any], query: str = "", **headers: str) -> Answer:
        body = json.dumps(params).encode()
        return self.send("POST", f"/api/v1/kinds/{kind}/jobs{query}", body, Content_Type="application/json", **headers)

    def submit(self, kind: str, query: str = "", **params: Any) -> str:
        """Start a job; its id."""
        answer = self.try_submit(kind, params, query)
        assert answer.status == 202, answer.text
        return str(answer.json["id"])

    def submit_many(self, count: int, kind: str, **params: Any) -> list[str]:
        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(lambda _: self.submit(kind, **params), range(count)))

    def upload(self, name: str, data: bytes) -> str:
        """Keep a file; its id."""
        answer = self.post("/api/v1/files", {"file": file(name, data)})
        assert answer.status == 201, answer.text
        return str(answer.json["id"])

    def tell(self, job: str, verb: str) -> Answer:
        """cancel, retry, retry?items=failed."""
        answer = self.send("POST", f"/api/v1/jobs/{job}/{verb}")
        assert answer.status == 202, answer.text
        return answer

    def job(self, job: str) -> dict[str, Any]:
        return dict(self.api(f"/jobs/{job}"))

    def ended(self, job: str, seconds: float = PATIENCE) -> dict[str, Any]:
        """The job as it is when it has ended."""
        until(lambda: self.job(job)["state"] in ENDED, f"the end of job {job}", seconds)
        return self.job(job)

    def jobs(self, query: str = "") -> list[dict[str, Any]]:
        return list(self._pages(f"/jobs?limit=200{query}", "jobs"))

    def items(self, job: str, state: str = "") -> list[dict[str, Any]]:
        return list(self._pages(f"/jobs/{job}/items?limit=1000{f'&state={state}' if state else ''}", "items"))

    def all_ended(self, jobs: list[str], seconds: float = PATIENCE) -> list[dict[str, Any]]:
        """These jobs, when all of them have ended."""
        wanted = set(jobs)

        def found() -> list[dict[str, Any]]:
            return [job for job in self.jobs() if job["id"] in wanted]

        def over() -> bool:
            return sum(job["state"] in ENDED for job in found()) == len(wanted)

        until(over, f"the end of {len(jobs)} jobs", seconds, look=0.5)
        return found()

    def done(self, job: str, least: int) -> None:
        """Wait until so many items of a job are done."""
        until(lambda: self.job(job)["progress"]["done"] >= least, f"{least} done items of job {job}")

    def _pages(self, path: str, plural: str) -> Iterator[dict[str, Any]]:
        after = ""
        while True:
            page = self.api(path + after)
            yield from page[plural]
            if page["next"] is None:
                return
            after = f"&after={urllib.parse.quote(page['next'], safe='')}"


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """A redirect is an answer like any other."""


def until(condition: Callable[[], object], what: str, seconds: float = PATIENCE, look: float = 0.2) -> None:
    """Wait for something to become true; fail naming it if it does not."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come about within {seconds:.0f} s"
        time.sleep(look)


def environment_of(pid: int) -> dict[str, str]:
    """What a process was told by its environment."""
    pairs = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def file(name: str, data: bytes) -> FileStorage:
    """A file as a field of a form."""
    return FileStorage(io.BytesIO(data), name)


def table(rows: int) -> bytes:
    """A CSV whose rows make prompts that are all different."""
    return b"n,word\n" + b"".join(f"{n},w{n:04}\n".encode() for n in range(1, rows + 1))

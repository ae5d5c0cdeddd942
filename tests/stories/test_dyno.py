"""A push to a Procfile platform, emulated: a router, webs on ports of their own, disks of their own, 20 connections, TLS.

Each dyno is the Procfile's line with the platform's variables, a port and a folder of its own. The router picks any web and adds
X-Forwarded-*. Postgres lets the role have 20 connections; Redis has a self-signed certificate. A stop sends SIGTERM to all
processes of a dyno at once.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from jobs.engine.embedded import service
from jobs.engine.embedded.redis import Redis
from tests import prepared_postgres
from tests.conftest import OURS
from tests.stories.app_process import CODE, free_port
from tests.stories.certificates import certify
from tests.stories.site_client import Answer, Site, until

NAME, PASSWORD, SECRET = "site.example.org", "four plain words here", "s" * 40
CONNECTIONS, READERS, SECONDS = 20, 30, 10.0
FIRST_BYTE_SECONDS = 30.0  # after which the router answers by itself
ROWS = "".join(f"{number},{number % 7}\n" for number in range(200_000))
PLATFORM = {"DYNO": "web.1", "WEB_CONCURRENCY": "2", "SECRET_KEY": "k" * 40, "FIRST_ACCOUNT_SECRET": SECRET}


class Dyno:
    """One container: a line of the Procfile in a session of its own, with a folder that goes with it."""

    def __init__(self, platform: Platform, line: str):
        self.port = free_port()
        self.folder = platform.folder / f"dyno{next(platform.numbers)}"
        self.folder.mkdir()
        own = {"PORT": str(self.port), "DATA_DIR": str(self.folder)}
        self.log = self.folder / "log"
        command = ["/bin/sh", "-c", f"exec {line}"]
        with self.log.open("wb") as said:
            self.process = subprocess.Popen(
                command, env=platform.environ | own, cwd=CODE, stdout=said, stderr=said, start_new_session=True
            )

    def stop(self) -> None:
        """SIGTERM to every process; SIGKILL to what is left after 30 s."""
        for number, seconds in ((signal.SIGTERM, 30.0), (signal.SIGKILL, 10.0)):
            if self.process.poll() is not None:
                break
            for pid in _session(self.process.pid):
                _signal(pid, number)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                continue
        shutil.rmtree(self.folder, ignore_errors=True)


class Platform:
    """The router with its one client, who is signed in or not, and the dynos."""

    def __init__(self, folder: Path, environ: dict[str, str]):
        self.folder, self.environ = folder, environ
        self.numbers = itertools.count(1)
        self.webs: list[Dyno] = []
        self.workers: list[Dyno] = []
        self.cookies: dict[str, str] = {}

    def run(self, line: str) -> subprocess.CompletedProcess[str]:
        command = ["/bin/sh", "-c", f"exec {line}"]
        return subprocess.run(command, env=self.environ, cwd=CODE, capture_output=True, text=True, timeout=120)

    def start_web(self) -> None:
        self.webs.append(web := Dyno(self, _line("web")))
        until(lambda: _answers(web), f"web on port {web.port}")

    def start_worker(self) -> None:
        self.workers.append(Dyno(self, f"{_line('worker')} --processes 2"))

    def headers(self) -> dict[str, str]:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        forwarded = {"X_Forwarded_For": "203.0.113.9", "X_Forwarded_Proto": "https"}
        return forwarded | {"Host": NAME, "Referer": f"https://{NAME}/", "Cookie": cookies}

    def send(
        self, method: str, path: str, fields: dict[str, str] | None = None, data: bytes | None = None, **more: str
    ) -> Answer:
        """Through the router to any web."""
        headers, body = self.headers() | more, data
        if fields is not None:
            headers["Content_Type"], body = "application/x-www-form-urlencoded", urlencode(fields).encode()
        began = time.monotonic()
        answer = Site(f"http://127.0.0.1:{random.choice(self.webs).port}").send(method, path, body, **headers)
        assert time.monotonic() - began < FIRST_BYTE_SECONDS, f"{path}: the router would have given up"
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer

    def token(self, page: str) -> str:
        return str(re.findall(r'name="csrf_token" value="([^"]*)"', self.send("GET", page).text)[-1])

    def form(self, page: str, action: str, **fields: str) -> Answer:
        return self.send("POST", action, {"csrf_token": self.token(page), **fields})

    def upload(self, name: str, content: bytes) -> str:
        """By the tus protocol, with the line cut in the middle; the id of the file."""
        tus = {"Tus_Resumable": "1.0.0", "X_CSRFToken": self.token("/kinds/nap")}
        named = b64encode(name.encode()).decode()
        begun = self.send(
            "POST", "/api/v1/uploads", **tus, Upload_Length=str(len(content)), Upload_Metadata=f"filename {named}"
        )
        assert begun.status == 201, begun.text
        path = urlsplit(begun.headers["Location"]).path
        tus["Content_Type"] = "application/offset+octet-stream"
        self._cut(path, content, tus | {"Upload_Offset": "0", "Content_Length": str(len(content))})
        until(lambda: self._offset(path) > 0, "the first bytes of the upload")
        while (offset := self._offset(path)) < len(content):
            rest = self.send("PATCH", path, data=content[offset:], **tus, Upload_Offset=str(offset))
            assert rest.status in (204, 409), rest.text  # 409: what was on its way came meanwhile
        return str(self.send("GET", path).json["file"]["id"])

    def _offset(self, path: str) -> int:
        return int(self.send("HEAD", path, Tus_Resumable="1.0.0").headers["Upload-Offset"])

    def _cut(self, path: str, content: bytes, headers: dict[str, str]) -> None:
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in (self.headers() | headers).items()]
        with socket.create_connection(("127.0.0.1", self.webs[0].port)) as line:
            line.sendall(
                "\r\n".join([f"PATCH {path} HTTP/1.1", *lines, "", ""]).encode() + content[: len(content) // 2]
            )

    def check_pages(self) -> None:
        """Every web shows the list of jobs."""
        for _ in range(20):
            answer = self.send("GET", "/jobs")
            logs = [dyno.log.read_text()[-1000:] for dyno in self.webs]
            assert answer.status == 200, (answer.text.split("<main", 1)[-1][:1000], logs)

    def started(self) -> str:
        """A simulation, started by its form; its id."""
        answer = self.form("/kinds/nap", "/kinds/nap", naps="40", seconds="0.2", concurrency="1", job="", witness="")
        assert answer.status == 303, answer.text[:2000]
        return answer.headers["Location"].rpartition("/")[2]

    def job(self, job: str) -> dict[str, Any]:
        answer = self.send("GET", f"/api/v1/jobs/{job}")
        return dict(answer.json) if answer.status == 200 else {"state": f"HTTP {answer.status}"}

    def close(self) -> None:
        for dyno in [*self.webs, *self.workers]:
            dyno.stop()


@pytest.fixture
def platform(open_folder: Path) -> Iterator[Platform]:
    folder = open_folder / "dynos"
    folder.mkdir()
    database, broker = prepared_postgres.copy_to(folder / "postgres"), Redis(folder / "redis")
    port, certificate, authority = free_port(), folder / "redis.pem", folder / "authority.pem"
    certify("127.0.0.1", certificate, authority)
    proxy = None
    try:
        for each in (database, broker):
            each.launch()
            each.wait_ready()
        database.execute(f"CREATE ROLE dyno LOGIN CONNECTION LIMIT {CONNECTIONS}", "postgres")
        database.execute("CREATE DATABASE dyno OWNER dyno", "postgres")
        database.execute("CREATE EXTENSION vector", "dyno")
        tls = ("tests.stories.tls_proxy", "127.0.0.1", str(port), str(certificate), str(broker.socket))
        proxy = service.spawn([sys.executable, "-m", *tls], folder / "tls.log", death_signal=signal.SIGKILL, cwd=CODE)
        environ = {name: value for name, value in os.environ.items() if name not in OURS} | PLATFORM
        environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environ["PYTHONPATH"] = str(CODE)  # as the platform sets it; other packages install a folder `tests`, too
        environ["DATABASE_URL"] = database.url_of("dyno").replace("//legwork@", "//dyno@")
        environ |= {"REDIS_URL": f"rediss://127.0.0.1:{port}/0", "EXTRA_KINDS": "tests.sample_kinds"}
        environ["FILES_IN_DATABASE_MB"] = "20"  # the default there, where no DATA_DIR is set as it is here
        platform = Platform(folder, environ)
        try:
            yield platform
        finally:
            platform.close()
    finally:
        if proxy is not None:
            proxy.kill()
            proxy.wait()
        broker.stop()
        database.stop()


def test_a_push_a_scaling_and_restarts(platform: Platform) -> None:
    done = platform.run(_line("release"))
    assert done.returncode == 0, done.stderr
    for _ in range(2):
        platform.start_web()
    for _ in range(3):
        platform.start_worker()

    # The site asks for its secret until there is an account; then both webs know who is signed in.
    assert platform.send("GET", "/login").headers["Location"] == "/first"
    made = platform.form("/first", "/first", secret=SECRET, name="ada", password=PASSWORD)
    assert made.status == 303, made.text[:2000]
    assert "__Host-legwork" in platform.cookies
    platform.check_pages()

    # Thirty readers and twelve jobs at twenty connections.
    jobs = [platform.started() for _ in range(12)]
    statuses = _read(platform, jobs)
    assert set(statuses) == {200}, statuses

    # A file that one web took in two parts is read by a worker with another disk.
    file = platform.upload("rows.csv", ROWS.encode())
    query = {"files": [file], "sql": "select count(*) as n from rows"}
    submitted = platform.send(
        "POST",
        "/api/v1/kinds/query_data/jobs",
        data=json.dumps(query).encode(),
        Content_Type="application/json",
        X_CSRFToken=platform.token("/kinds/nap"),
    )
    assert submitted.status == 202, submitted.text
    until(lambda: platform.job(submitted.json["id"])["state"] == "succeeded", "the end of the query")

    # A restart while jobs run: another port, other disks, the same people.
    jobs += [platform.started() for _ in range(4)]
    web, worker = platform.webs.pop(), platform.workers.pop()
    worker.stop()
    platform.start_worker()
    web.stop()
    platform.start_web()
    platform.check_pages()
    until(lambda: all(platform.job(job)["state"] == "succeeded" for job in jobs), "the end of all jobs", 180)
    for job in jobs:
        assert platform.job(job)["progress"]["done"] == 40
        assert "lost" not in platform.send("GET", f"/jobs/{job}?tab=attempts").text.split("<main", 1)[-1].lower()


def _read(platform: Platform, jobs: list[str]) -> Counter[int]:
    """What READERS who ask as fast as they can are answered within SECONDS."""
    statuses: Counter[int] = Counter()
    over = time.monotonic() + SECONDS

    def read() -> None:
        while time.monotonic() < over:
            path = random.choice(["/jobs", f"/jobs/{random.choice(jobs)}", f"/api/v1/jobs/{random.choice(jobs)}"])
            statuses[platform.send("GET", path).status] += 1

    readers = [threading.Thread(target=read) for _ in range(READERS)]
    for one in readers:
        one.start()
    for one in readers:
        one.join()
    return statuses


def _line(name: str) -> str:
    return re.findall(rf"^{name}: (.*)$", (CODE / "Procfile").read_text(), re.M)[0]


def _answers(web: Dyno) -> bool:
    assert web.process.poll() is None, web.log.read_text()
    try:
        return Site(f"http://127.0.0.1:{web.port}").send("GET", "/readyz").status == 200
    except OSError:
        return False


def _session(leader: int) -> list[int]:
    """The processes of a session, by id."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                after = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(after[3]) == leader:
                found.append(int(entry.name))
    return found


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return

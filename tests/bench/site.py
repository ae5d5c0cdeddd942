"""A web process to measure, under the server's own settings, and how to ask it."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psutil

from tests.engine.workers import CODE


@dataclass
class Server:
    port: int
    process: psutil.Process  # the one that serves

    @property
    def seconds(self) -> float:
        """Of the processor, so far."""
        used = self.process.cpu_times()
        return float(used.user + used.system)


def posted(here: http.client.HTTPConnection, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """The JSON that a POST gives, of something made or taken."""
    here.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    response = here.getresponse()
    found = json.load(response)
    if response.status not in (201, 202):
        raise RuntimeError(f"{path}: {response.status} {found}")
    return dict(found)


@contextmanager
def kept(port: int) -> Iterator[http.client.HTTPConnection]:
    """A connection for many requests."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def served(app: str, variables: dict[str, str]) -> Iterator[Server]:
    """One web process under the server's own settings."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "--config",
        "python:webapp.gunicorn",
        "--worker-connections",
        "3000",
        app,
    ]
    environ = os.environ | variables | {"PORT": str(port), "WEB_CONCURRENCY": "1"}
    with subprocess.Popen(command, cwd=CODE, env=environ, stderr=subprocess.DEVNULL) as process:
        try:
            until(lambda: answers(port))
            yield Server(port, psutil.Process(process.pid).children()[0])
        finally:
            for each in [*psutil.Process(process.pid).children(), process]:
                each.kill()


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the web process did not come up")
        time.sleep(0.05)


def answers(port: int) -> bool:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False

"""The least that a web process can do with a stream: hand the provider's bytes on. No row, no reader but the one.

PROVIDER_PORT=… gunicorn --config python:webapp.gunicorn tests.bench.peers.pass_through:app
"""

from __future__ import annotations

import http.client
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any


def app(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    if environ["REQUEST_METHOD"] != "POST":
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    start_response("200 OK", [("Content-Type", "text/event-stream")])
    return _passed_on(body)


def _passed_on(body: bytes) -> Iterator[bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", int(os.environ["PROVIDER_PORT"]), timeout=60)
    try:
        connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        while chunk := response.read1(65_536):
            yield chunk
    finally:
        connection.close()

"""What a collector and a Sentry are told, by real processes over real HTTP."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from jobs.engine import settings, tracing
from jobs.engine.errors import SettingsError
from jobs.engine.queue import commands, queries
from tests.engine.workers import CODE, ended, running, until

KEY = "sk-of-the-provider"
LEAKY = '''"""Fail, and tell all."""

from jobs.engine.kinds.params import KindParams, param

TITLE, GROUP, QUEUE, NEEDS, NOUN = "Leak", "Data and numbers", "cpu", (), ("leak", "leaks")


class Params(KindParams):
    word: str = param("A word", default="", widget="secret")


EXAMPLE = {}


def run(params, context):
    kept_in_a_variable = "only a variable"
    raise RuntimeError(f"no entry with {params.word} nor with KEY")
'''.replace("KEY", KEY)


class Collector:
    """Takes what is sent to it: `events` by Sentry's way, `spans` by OpenTelemetry's."""

    def __init__(self, port: int):
        self.events: list[dict[str, Any]] = []
        self.spans: list[Any] = []
        self.bodies: list[bytes] = []
        self.wanted: set[str | None] = set()  # what came with spans in the header x-key
        self.dsn = f"http://somebody@127.0.0.1:{port}/1"
        self.address = f"http://127.0.0.1:{port}"

    def take(self, path: str, body: bytes, key: str | None) -> None:
        self.bodies.append(body)
        if path == "/v1/traces":
            self.wanted.add(key)
            told = json.loads(body)["resourceSpans"]
            self.spans += [span for one in told for scope in one["scopeSpans"] for span in scope["spans"]]
        elif path == "/api/1/envelope/":
            lines = body.splitlines()
            self.events += [json.loads(line) for line in lines if b'"exception"' in line or b'"logentry"' in line]


@pytest.fixture
def collector() -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            zipped = self.headers.get("Content-Encoding") == "gzip"
            taken.take(self.path, gzip.decompress(body) if zipped else body, self.headers["x-key"])
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Not into the output."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        taken = Collector(server.server_port)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield taken
        server.shutdown()


@pytest.mark.slow
def test_jobs_are_told_with_their_id_and_without_secrets(
    environment: Callable[..., None], collector: Collector, tmp_path: Path
) -> None:
    (tmp_path / "leaky").mkdir()
    (tmp_path / "leaky" / "__init__.py").touch()
    (tmp_path / "leaky" / "leak.py").write_text(LEAKY)
    environment(
        EXTRA_KINDS="tests.sample_kinds,leaky",
        OPENAI_API_KEY=KEY,
        PYTHONPATH=str(tmp_path),
        SENTRY_DSN=collector.dsn,
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.address,
    )
    sys.path.insert(0, str(tmp_path))
    try:
        with running("--processes", "1", "--queues", "cpu"):
            until(queries.served_queues)
            well = ended(commands.submit("nap", {}, owner="local"))
            leak = ended(commands.submit("leak", {"word": "swordfish"}, owner="local"))
            until(lambda: len(collector.spans) == 2)
    finally:
        sys.path.remove(str(tmp_path))
    assert (well.state, leak.state) == ("succeeded", "failed")
    assert {span["traceId"]: span["name"] for span in collector.spans} == {
        well.id.hex: "job nap",
        leak.id.hex: "job leak",
    }
    assert {span["name"]: span["status"] for span in collector.spans} == {"job nap": {}, "job leak": {"code": 2}}
    assert {values(span)["legwork.job"] for span in collector.spans} == {str(well.id), str(leak.id)}
    assert all(int(span["startTimeUnixNano"]) < int(span["endTimeUnixNano"]) for span in collector.spans)
    (event,) = collector.events
    assert event["tags"] == {"role": "worker", "job": str(leak.id)}
    (raised,) = event["exception"]["values"]
    assert raised["value"] == "no entry with ••• nor with •••"
    told = b"".join(collector.bodies)
    assert b"swordfish" not in told
    assert KEY.encode() not in told
    assert raised["stacktrace"]["frames"][-1]["function"] == "run"
    assert "vars" not in raised["stacktrace"]["frames"][-1]


@pytest.mark.slow
def test_requests_and_faults_of_the_web_are_told(environment: Callable[..., None], collector: Collector) -> None:
    environment(
        EXTRA_KINDS="tests.sample_kinds",
        SENTRY_DSN=collector.dsn,
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.address,
        OTEL_EXPORTER_OTLP_HEADERS="x-key=secret%20of%20ours",
    )
    with web() as told:
        job = told["job"]
    until(lambda: len(collector.spans) >= 3 and collector.events)
    about = {span["name"]: values(span) for span in collector.spans}
    assert set(about) == {"POST /api/v1/kinds/<kind>/jobs", "GET /jobs/<job_id>", "GET /fault"}
    submitted = about["POST /api/v1/kinds/<kind>/jobs"]
    assert (submitted["http.response.status_code"], submitted["legwork.job"]) == ("202", job)
    by_name = {span["name"]: span for span in collector.spans}
    assert by_name["GET /fault"]["status"] == {"code": 2}
    assert (by_name["GET /jobs/<job_id>"]["traceId"], by_name["GET /jobs/<job_id>"]["parentSpanId"]) == (
        "a" * 32,
        "b" * 16,
    )
    assert collector.wanted == {"secret of ours"}
    (event,) = collector.events
    assert event["exception"]["values"][0]["type"] == "ZeroDivisionError"
    assert event["tags"] == {"role": "web"}


def values(span: dict[str, Any]) -> dict[str, str]:
    """The attributes of a span; figures are written as text."""
    return {one["key"]: next(iter(one["value"].values())) for one in span["attributes"]}


@contextmanager
def web() -> Iterator[dict[str, Any]]:
    """A web process that was asked for three pages, one of which fails, and its health."""
    script = """
import json
from webapp.wsgi import app
app.add_url_rule("/fault", "fault", lambda: 1 / 0)
from webapp.http import identity
identity.close(app, "fault", "anybody")
client = app.test_client()
job = client.post("/api/v1/kinds/nap/jobs", json={}).json["id"]
client.get(f"/jobs/{job}", headers={"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"})
client.get("/fault")
client.get("/healthz")
print(json.dumps({"job": job}), flush=True)
input()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=CODE, env=dict(os.environ), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin
    assert process.stdout
    with process:
        yield json.loads(process.stdout.readline())
        process.stdin.write(b"\n")


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(
        SettingsError, match=r"SENTRY_DSN is set, but the package sentry-sdk is not installed\. Install it"
    ):
        settings.read({"SENTRY_DSN": "http://somebody@127.0.0.1:9/1"})
    assert settings.read({}).sentry_dsn == ""


@pytest.mark.slow
def test_a_collector_that_is_away_holds_no_job_up(
    environment: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    environment(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    span = tracing.attempt(uuid4(), "nap", 1)
    assert span
    for _ in range(3):
        tracing.send([span])
    assert len([line for line in caplog.messages if "does not take spans" in line]) == 1  # and was asked once

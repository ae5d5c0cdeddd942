"""Spans to an OpenTelemetry collector, as OTLP over HTTP in JSON, where OTEL_EXPORTER_OTLP_ENDPOINT is set.

By hand, because redis-py 8.1 imports 61 modules of OpenTelemetry's package wherever it is installed, with tracing off too:
60 ms and 3.8 MB in each process that imports redis; the exporter takes another 40 ms and 2 MB.
A span that cannot be sent is dropped. Nothing waits for a collector longer than a second, or twice within half a minute.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import queue
import re
import secrets
import socket
import threading
import time
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import unquote
from uuid import UUID

from jobs import __version__
from jobs.engine import settings

SECONDS = 1.0  # for the collector to answer, and between two deliveries of a web process
AWAY_SECONDS = 30.0  # for which a collector that did not answer is left alone
MOST = 2_000  # spans that wait in a web process
SERVER, CONSUMER = 2, 5  # OTLP's numbers: of a request, of work taken from a queue
FAILED = 2

log = logging.getLogger("legwork.spans")

_PARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_waiting: queue.Queue[Span] = queue.Queue(MOST)
_some = threading.Event()
_away_until = 0.0


@dataclass
class Span:
    """A span. `about`: its attributes; `trace` and `parent` in hex."""

    name: str
    kind: int
    about: dict[str, str | int]
    trace: str = field(default_factory=lambda: secrets.token_hex(16))
    parent: str = ""
    began: int = field(default_factory=time.time_ns)
    ended: int = 0
    failed: bool = False

    def end(self, about: Mapping[str, str | int], *, failed: bool) -> None:
        self.ended, self.failed = time.time_ns(), failed
        self.about.update(about)


def attempt(job_id: UUID, kind: str, number: int) -> Span | None:
    """Begin the span of an attempt, in a trace that has the job's id; None where tracing is off."""
    if not settings.current().otlp_endpoint:
        return None
    about: dict[str, str | int] = {"legwork.job": str(job_id), "legwork.kind": kind, "legwork.attempt": number}
    return Span(f"job {kind}", CONSUMER, about, trace=job_id.hex)


def request(name: str, about: dict[str, str | int], traceparent: str = "") -> Span | None:
    """Begin the span of a request, in the client's trace if it sends `traceparent`; None if that says not to sample."""
    found = _PARENT.fullmatch(traceparent)
    if found and not int(found[3], 16) & 1:
        return None
    return Span(name, SERVER, about, trace=found[1], parent=found[2]) if found else Span(name, SERVER, about)


def send(spans: list[Span]) -> None:
    """Send spans to the collector, now."""
    global _away_until
    if not spans or time.monotonic() < _away_until:
        return
    chosen = settings.current()
    pairs = [pair.split("=", 1) for pair in chosen.otlp_headers.split(",") if "=" in pair]
    headers = {name.strip(): unquote(value.strip()) for name, value in pairs} | {"Content-Type": "application/json"}
    address = f"{chosen.otlp_endpoint.rstrip('/')}/v1/traces"
    asked = urllib.request.Request(address, _body(spans), headers)  # noqa: S310 - http or https: a setting
    try:
        urllib.request.urlopen(asked, timeout=SECONDS).close()  # noqa: S310
    except (OSError, ValueError) as error:
        _away_until = time.monotonic() + AWAY_SECONDS
        log.warning("the collector does not take spans, %d are dropped: %s", len(spans), error)


def send_later(span: Span) -> None:
    """Send a span within about a second, or when this process ends. For processes that no longer fork."""
    _deliver_on()
    with suppress(queue.Full):
        _waiting.put_nowait(span)
    _some.set()


@cache
def _deliver_on() -> None:
    atexit.register(_send_waiting)
    threading.Thread(target=_deliver, name="spans", daemon=True).start()


def _deliver() -> None:
    while _some.wait():
        time.sleep(SECONDS)
        _some.clear()
        _send_waiting()


def _send_waiting() -> None:
    spans = []
    with suppress(queue.Empty):
        while True:
            spans.append(_waiting.get_nowait())
    send(spans)


def _body(spans: list[Span]) -> bytes:
    instance = f"{socket.gethostname()}-{os.getpid()}"
    resource = {"service.name": "legwork", "service.version": __version__, "service.instance.id": instance}
    scoped = {"scope": {"name": "legwork"}, "spans": [_written(span) for span in spans]}
    return json.dumps(
        {"resourceSpans": [{"resource": {"attributes": _attributes(resource)}, "scopeSpans": [scoped]}]}
    ).encode()


def _written(span: Span) -> dict[str, Any]:
    return {
        "traceId": span.trace,
        "spanId": secrets.token_hex(8),
        **({"parentSpanId": span.parent} if span.parent else {}),
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": str(span.began),
        "endTimeUnixNano": str(span.ended),
        "attributes": _attributes(span.about),
        "status": {"code": FAILED} if span.failed else {},
    }


def _attributes(about: Mapping[str, str | int]) -> list[dict[str, Any]]:
    return [
        {"key": name, "value": {"stringValue": value} if isinstance(value, str) else {"intValue": str(value)}}
        for name, value in about.items()
    ]

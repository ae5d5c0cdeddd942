"""What our web process adds to a stream: to its first token, to the gaps between tokens, to the processor's time.

Held against a direct call to the same provider, and against the same server handing the same bytes on
(peers/pass_through.py), in the same run.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.bench import reading
from tests.bench.figures import Figure, Target
from tests.bench.idle import _point
from tests.bench.site import Server, kept, posted, served
from tests.engine.workers import CODE

INTERVAL = 100  # ms between the tokens of a stream
LONG = 100_000  # tokens: more than a measure takes
PAGES = ("/", "/jobs", "/chat", "/healthz")


def figures(quick: bool, repeat: int) -> list[Figure]:
    counts, seconds = (50, 200) if quick else (50, 200, 1_000), 4 if quick else 8
    with _provider() as provider:
        found = _first_tokens(provider, 30 if quick else 100)
        found += _costs(provider, counts, seconds, repeat)
        found += _others(provider, seconds)
    return found


def _first_tokens(provider: int, count: int) -> list[Figure]:
    """Each in turn with a direct call over a connection that is kept, as a program of one's own would have it."""
    direct: list[float] = []
    ours: dict[str, list[float]] = {"a conversation": [], "/v1/chat/completions": []}
    body = json.dumps({"model": f"tokens-3-{INTERVAL}", "stream": True, "messages": _said("Hello")}).encode()
    with _site(provider) as site, kept(provider) as there, kept(site.port) as here:
        _talk_first(here)
        for turn in range(count + 5):
            times = (
                _completion_first(there, body),
                _talk_first(here),
                _completion_first(here, body),
            )
            if turn >= 5:
                direct.append(times[0])
                ours["a conversation"].append(times[1] - times[0])
                ours["/v1/chat/completions"].append(times[2] - times[0])
            time.sleep(0.02)
    return [
        Figure(f"first token of {what}, added to a direct call, {which}", "ms", [_point(values, share)], target=target)
        for what, values in ours.items()
        for which, share, target in (("p50", 0.5, Target("ours", "<=", 10)), ("p95", 0.95, None))
    ] + [Figure("first token of a direct call, p50", "ms", [_point(direct, 0.5)])]


def _talk_first(here: http.client.HTTPConnection) -> float:
    """Milliseconds from sending the message to the first text of its answer."""
    talk = posted(here, "/api/v1/chat", {"model": f"tokens-3-{INTERVAL}"})
    began = time.perf_counter()
    answer = posted(here, f"/api/v1/chat/{talk['id']}/messages", {"text": "Hello"})
    here.request("GET", answer["stream"])
    return _first_text(here, began)


def _completion_first(there: http.client.HTTPConnection, body: bytes) -> float:
    began = time.perf_counter()
    there.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
    return _first_text(there, began)


def _first_text(connection: http.client.HTTPConnection, began: float) -> float:
    response = connection.getresponse()
    first = 0.0
    while chunk := response.read1(65_536):
        if not first and any(mark in chunk for mark in reading.BY_BYTES):
            first = 1000 * (time.perf_counter() - began)
    return first


@dataclass
class Run:
    """What some streams took: milliseconds between tokens, and of the processor for each 1,000."""

    p50: float
    p95: float
    cost: float
    rate: float


def _costs(provider: int, counts: Sequence[int], seconds: int, repeat: int) -> list[Figure]:
    runs: dict[tuple[str, int], list[Run]] = {}
    for _ in range(repeat):
        for count in counts:
            for name, serve, ask in (("ours", _site, _asked), ("raw", _raw, _raw_asked), ("v1", _site, _raw_asked)):
                with serve(provider) as server:
                    run = asyncio.run(_measured(provider, server, ask(server, count), seconds))
                print(f"  {name}, {count} streams: {run}", flush=True)
                runs.setdefault((name, count), []).append(run)

    def of(name: str, count: int, part: str) -> list[float]:
        return [getattr(run, part) for run in runs[name, count]]

    raw, few, many = "raw bytes", counts[0], counts[-1]
    what = f"streams of {1000 // INTERVAL} tokens a second"
    return [
        Figure(f"{few} {what}, gap p95", "ms", of("ours", few, "p95"), {raw: of("raw", few, "p95")}),
        Figure(f"{many:,} {what}, gap p95", "ms", of("ours", many, "p95"), {raw: of("raw", many, "p95")}),
        Figure(
            f"gap p95 of {many:,} streams beside that of {few}",
            "ms",
            of("ours", many, "p95"),
            {f"{few} streams": of("ours", few, "p95")},
            Target("ratio", "<=", 2),
        ),
        *(
            Figure(
                f"1,000 tokens of {count:,} {name}",
                "ms of the processor",
                of(key, count, "cost"),
                {raw: of("raw", count, "cost")},
                Target("ratio", "<=", 1.5),
                best="lowest",
            )
            for key, name in (("ours", "conversations"), ("v1", "streams of /v1"))
            for count in counts[1:]
        ),
    ]


async def _measured(provider: int, server: Server, requests: Sequence[bytes], seconds: int) -> Run:
    readers = await reading.opened(server.port, requests)
    await asyncio.to_thread(_go, provider)
    await asyncio.sleep(2)
    began, used, tokens = time.monotonic(), server.seconds, sum(reader.tokens for reader in readers)
    await asyncio.sleep(seconds)
    ended, used = time.monotonic(), server.seconds - used
    tokens = sum(reader.tokens for reader in readers) - tokens
    found = reading.gaps(readers, began, ended)
    for reader in readers:
        reader.transport.abort()
    return Run(_point(found, 0.5), _point(found, 0.95), 1e6 * used / tokens, tokens / (ended - began))


def _asked(site: Server, count: int) -> list[bytes]:
    """The requests for the streams of as many answers, which are being written."""
    with kept(site.port) as here:
        found = []
        for _ in range(count):
            talk = posted(here, "/api/v1/chat", {"model": f"hold-{LONG}-{INTERVAL}"})
            answer = posted(here, f"/api/v1/chat/{talk['id']}/messages", {"text": "Hello"})
            found.append(reading.get(answer["stream"]))
        return found


def _raw_asked(_: Server, count: int) -> list[bytes]:
    body = json.dumps({"model": f"hold-{LONG}-{INTERVAL}", "stream": True, "messages": _said("Hello")}).encode()
    return [reading.post("/v1/chat/completions", body)] * count


def _others(provider: int, seconds: int, streams: int = 300, uploads: int = 100) -> list[Figure]:
    """What other pages take while streams are open and slow uploads come in."""
    with _site(provider) as site:
        asked = _asked(site, streams)
        alone = _page_times(site, seconds)
        stop = threading.Event()
        slow = [threading.Thread(target=_upload_slowly, args=(site.port, stop)) for _ in range(uploads)]
        for thread in slow:
            thread.start()

        async def busy() -> list[float]:
            readers = await reading.opened(site.port, asked)
            await asyncio.to_thread(_go, provider)
            times = await asyncio.to_thread(_page_times, site, seconds)
            for reader in readers:
                reader.transport.abort()
            return times

        times = asyncio.run(busy())
        stop.set()
        for thread in slow:
            thread.join()
    return [
        Figure(
            f"a page while {streams} streams and {uploads} slow uploads are open, p95",
            "ms",
            [_point(times, 0.95)],
            {"the same page alone": [_point(alone, 0.95)]},
            Target("ours", "<=", 500),
            best="lowest",
        )
    ]


def _page_times(site: Server, seconds: int) -> list[float]:
    """Milliseconds of each page in turn, asked for so long."""
    times = []
    ends = time.monotonic() + seconds
    with kept(site.port) as here:
        while time.monotonic() < ends:
            for page in PAGES:
                began = time.perf_counter()
                here.request("GET", page)
                here.getresponse().read()
                times.append(1000 * (time.perf_counter() - began))
    return times


def _upload_slowly(port: int, stop: threading.Event) -> None:
    """A file of a megabyte, a piece each fifth of a second."""
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="slow.csv"\r\n\r\n'
    request = (
        f"POST /api/v1/files HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    )
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(f"{request}Content-Length: 1000000\r\n\r\n".encode() + head)
        while not stop.wait(0.2):
            connection.sendall(b"number,name\n" * 100)


def _go(provider: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", provider, timeout=10)
    connection.request("POST", "/go", b"", {"Content-Length": "0"})
    connection.getresponse().read()
    connection.close()


def _said(words: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": words}]


@contextmanager
def _provider() -> Iterator[int]:
    command = [sys.executable, "-m", "tests.bench.peers.tokens"]
    with subprocess.Popen(command, cwd=CODE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield int(process.stdout.readline())
        finally:
            process.kill()


def _site(provider: int) -> Any:
    variables = {"OPENAI_BASE_URL": f"http://127.0.0.1:{provider}/v1", "OPENAI_MODEL": f"tokens-3-{INTERVAL}"}
    return served("tests.bench.peers.wide_site:app", variables)


def _raw(provider: int) -> Any:
    return served("tests.bench.peers.pass_through:app", {"PROVIDER_PORT": str(provider)})

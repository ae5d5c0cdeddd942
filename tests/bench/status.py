"""How often a second one web process can say how a job is doing, over connections that are kept."""

from __future__ import annotations

import asyncio
import re
import time

from jobs.engine.db import postgres
from jobs.engine.db.models import Job
from jobs.engine.queue import ledger
from jobs.engine.queue.ledger import Batch, Outcome
from tests.bench import installation
from tests.bench.figures import Figure, Target
from tests.bench.site import kept, served

CONNECTIONS = 64
SECONDS = 4.0

_LENGTH = re.compile(rb"content-length: (\d+)", re.I)
_VERSION = re.compile(rb"etag: (\S+)", re.I)


def figures(redis_url: str, repeat: int) -> list[Figure]:
    """Requests a second: our fragment, new and unchanged, and our JSON, beside what others answer with."""
    job = installation.submit("nap", naps=100)
    _half_done(job)
    page, api = f"/jobs/{job.id}/progress", f"/api/v1/jobs/{job.id}"
    others = {"rq-dashboard": f"/rq/0/data/job/{job.id}.json", "a bare RQ route": f"/job/{job.id}"}
    rates: dict[str, list[float]] = {}
    with (
        served("webapp.wsgi:app", {}) as ours,
        served("tests.bench.peers.rq_status:app", {"REDIS_URL": redis_url}) as rq,
    ):
        asked = {"new": (ours.port, page), "json": (ours.port, api), "unchanged": (ours.port, page)}
        asked |= {name: (rq.port, path) for name, path in others.items()}
        cookie = _cookie(ours.port, f"/jobs/{job.id}")
        cookies = {"new": cookie, "unchanged": cookie}
        for _ in range(repeat):
            for name, (port, path) in asked.items():
                rate = asyncio.run(_rate(port, path, cookies.get(name, ""), name == "unchanged"))
                rates.setdefault(name, []).append(rate)
    peers = {name: rates[name] for name in others}
    ahead = Target("ratio", ">=", 1)
    return [
        Figure("how a job is doing, as a page's fragment", "/s", rates["new"], peers, ahead),
        Figure("the same as JSON", "/s", rates["json"], peers, ahead),
        Figure(
            "a fragment that has not changed (304)",
            "/s",
            rates["unchanged"],
            {"the fragment": rates["new"]},
            Target("ratio", ">=", 2),
        ),
    ]


def _half_done(job: Job) -> None:
    """The job runs, and has finished fifty of its items."""
    with postgres.session() as session:
        held = ledger.claim(session.connection(), job.id, "bench")
        assert held is not None
        done = [Outcome(str(number), number, "done", output={"nap": number}) for number in range(1, 51)]
        ledger.record(session.connection(), job.id, held.lease, Batch(done, progress={"total": 100}))


def _cookie(port: int, path: str) -> str:
    """The header that a browser sends which has opened that page."""
    with kept(port) as here:
        here.request("GET", path)
        response = here.getresponse()
        response.read()
    given = response.getheader("Set-Cookie")
    return f"Cookie: {given.split(';')[0]}\r\n" if given else ""


async def _rate(port: int, path: str, cookie: str, conditional: bool) -> float:
    until = time.monotonic() + SECONDS
    counts = await asyncio.gather(*(_ask_again(port, path, cookie, conditional, until) for _ in range(CONNECTIONS)))
    return sum(counts) / SECONDS


async def _ask_again(port: int, path: str, cookie: str, conditional: bool, until: float) -> int:
    """How many answers one connection got until then; conditional: how many of them said that nothing is new."""
    plain = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHX-Request: true\r\n{cookie}"
    request = f"{plain}\r\n".encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    count = 0
    while time.monotonic() < until:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        if status == 200:
            await reader.readexactly(int(_found(_LENGTH, head)))
        if status == 200 and conditional:  # the first time, and when the ages on the page have changed
            request = f"{plain}If-None-Match: {_found(_VERSION, head)}\r\n\r\n".encode()
        elif status == (304 if conditional else 200):
            count += 1
        else:
            raise RuntimeError(head.decode())
    writer.close()
    return count


def _found(pattern: re.Pattern[bytes], head: bytes) -> str:
    found = pattern.search(head)
    assert found, head
    return found[1].decode()

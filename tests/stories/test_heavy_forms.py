"""What a stranger sends is computed elsewhere: the web process answers everybody else meanwhile, and lives on."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import openpyxl
import pytest

from jobs.engine.sandbox.child_limit import SHARE
from tests.stories.app_process import App
from tests.stories.site_client import Site, file

pytestmark = pytest.mark.slow

MOST_WAIT = (
    5.0  # seconds; generous for a busy machine, where computing in the web process held everybody up for up to 60
)
LOOK_SECONDS = 0.05


def one_row_of_many_keys() -> bytes:
    return json.dumps({f"key {place}": 1 for place in range(100_000)}).encode() + b"\n"


def wide_table() -> bytes:
    names = [f"column {place:04d} {'x' * 50}" for place in range(2_000)]
    return (",".join(names) + "\n" + ",".join("1" for _ in names) + "\n").encode()


def batch() -> bytes:
    body = json.dumps({"messages": [{"role": "user", "content": "x"}]})
    lines = (json.dumps({"custom_id": f"id {place}", "body": body}) for place in range(100_000))
    return "\n".join(lines).encode()


def schema() -> dict[str, Any]:
    properties = {f"p{place}": {"$ref": f"#x{place % 1_000}"} for place in range(8_000)}
    anchors = {f"x{place}": {"$anchor": f"x{place}", "type": "string"} for place in range(1_000)}
    return {"type": "object", "properties": properties, "$defs": anchors}


def many_keys(site: Site) -> None:
    assert site.post("/api/v1/files", {"file": file("keys.jsonl", one_row_of_many_keys())}).status < 500


def many_unknown_names(site: Site) -> None:
    prompt = " ".join(f"{{unknown {place} {'y' * 40}}}" for place in range(300))
    source = site.upload("wide.csv", wide_table())
    assert site.try_submit("generate_texts", {"source": source, "prompt": prompt}).status == 422


def many_references(site: Site) -> None:
    params = {"source": "sample:reviews.csv", "prompt": "{review}", "json_schema": schema()}
    assert site.try_submit("generate_texts", params).status in (202, 422)


def a_long_batch(site: Site) -> None:
    params = {"source": site.upload("batch.jsonl", batch()), "prompt": "x"}
    assert site.try_submit("generate_texts", params).status in (202, 422)


def a_query_without_end(site: Site) -> None:
    params = {"files": ["sample:orders.csv"], "sql": "select count(*) from range(1000000000) a, range(1000000000) b"}
    assert site.try_submit("query_data", params).status in (202, 422)


@pytest.mark.parametrize(
    "send",
    [many_keys, many_unknown_names, many_references, a_long_batch, a_query_without_end],
    ids=lambda one: one.__name__,
)
def test_others_are_answered_meanwhile(site: Site, served: App, send: Callable[[Site], None]) -> None:
    before = web_processes(served)
    with watched(site) as waits:
        send(site)
    assert max(waits) < MOST_WAIT
    assert web_processes(served) == before


def test_an_address_alone_computes_nothing(site: Site, served: App) -> None:
    before = {one.pid for one in served.processes()}
    site.get("/kinds/query_data?files=sample:orders.csv&sql=select+length(repeat('x',400000000))")
    started = [one.command for one in served.processes() if one.pid not in before and "jobs.engine.kits" in one.command]
    assert started == []


def test_one_owner_has_a_share_of_the_children(site: Site, served: App) -> None:
    """Twelve workbooks at once, each read in a child: at most the share of one owner at any moment, and all get their turn."""
    made = workbook()
    most: list[int] = []
    with ThreadPoolExecutor(12) as pool:
        sent = [pool.submit(site.post, "/api/v1/files", {"file": file("made.xlsx", made)}) for _ in range(12)]
        while not all(one.done() for one in sent):
            time.sleep(LOOK_SECONDS)
            most.append(sum("jobs.engine.formats.tables" in one.command for one in served.processes()))
    assert {one.result().status for one in sent} <= {201, 429}
    assert 1 <= max(most) <= SHARE


def workbook() -> bytes:
    book, made = openpyxl.Workbook(), io.BytesIO()
    for place in range(200):
        book.active.append([f"name {place}", place])
    book.save(made)
    return made.getvalue()


@contextmanager
def watched(site: Site) -> Iterator[list[float]]:
    """How long each look at /healthz took meanwhile, in seconds."""
    waits: list[float] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(LOOK_SECONDS):
            began = time.monotonic()
            assert site.get("/healthz").status == 200
            waits.append(time.monotonic() - began)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield waits
        time.sleep(2 * LOOK_SECONDS)
    finally:
        over.set()
        watcher.join()


def web_processes(app: App) -> set[int]:
    return {one.pid for one in app.processes("web")}

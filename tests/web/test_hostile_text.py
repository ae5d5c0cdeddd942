"""What people typed is text on every page: in a real Chromium nothing of it becomes an element, a script or a redirect."""

from __future__ import annotations

import base64
import html
import json
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Page
from rq.serializers import JSONSerializer

from jobs.engine.db import postgres, redis
from jobs.engine.db.models import Job
from jobs.engine.queue import commands, delivery
from tests.engine import workers
from tests.web import signed_in
from tests.web.page_walk import address_of, routes, things_of
from tests.web.signed_in import PASSWORD, Person

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TEXTS = [
    "<img data-hostile src=x onerror=document.title=1337>",
    '<iframe data-hostile srcdoc="<script src=/static/vendor/htmx.min.js></script><a hx-get=/ hx-trigger=load>">',
    '<meta data-hostile http-equiv=refresh content="0;url=/healthz">',
    "\"'`><svg data-hostile onload=document.title=1337>",
    "&lt;img data-hostile src=x onerror=document.title=1337&gt;",
    "</script></pre></textarea><b data-hostile>{{ 7 * 7 }}<%= 7 * 7 %>",
    '[a](javascript:document.title=1337) ![b](x" onerror="document.title=1337)',
]
HOSTILE = " ".join(TEXTS)
STATES = ("queued", "started", "finished", "failed")
# Loaded by the pages of /rq from their JSON: what stands there once it has come.
LOADED = """document.readyState === 'complete' && document.querySelector('#job-data')?.childElementCount !== 0
    && ![...document.querySelectorAll('td')].some(cell => cell.innerText === 'Loading...')"""


@pytest.fixture(scope="module")
def root(app: Flask) -> Person:
    return signed_in.person(app, "root", "admin")


@pytest.fixture
def operator(tab: Page, site: str, root: Person) -> Page:
    tab.goto(f"{site}/login")
    tab.get_by_label("Name").fill("root")
    tab.get_by_label("Password", exact=True).fill(PASSWORD)
    tab.get_by_role("button", name="Sign in").click()
    tab.wait_for_url(f"{site}/")
    return tab


def assert_harmless(page: Page, address: str) -> None:
    assert page.url == address
    assert page.title() != "1337", address
    assert page.locator("[data-hostile]").count() == 0, address


def test_no_page_of_ours_runs_what_a_person_typed(app: Flask, operator: Page, site: str, root: Person) -> None:
    for mark in (TEXTS[0], TEXTS[6]):
        visited = [built[0] for built in _pages(app, things_of(root, mark)) if _is_page(root, built[0])]
        for address in visited:
            operator.goto(site + address, wait_until="domcontentloaded")
            assert_harmless(operator, operator.url)
        assert len(visited) > 35


def _pages(app: Flask, things: dict[str, str]) -> Iterator[tuple[str, bool]]:
    for rule, method in routes(app):
        built = address_of(rule, things) if method == "GET" and not rule.rule.startswith("/rq") else None
        if built:
            yield built


def _is_page(person: Person, address: str) -> bool:
    with person.client.get(address) as response:
        return bool(response.mimetype == "text/html")


@pytest.fixture
def hostile_messages(app: Flask) -> Iterator[list[str]]:
    """Messages, workers and queues as another program could write them into Redis, in each state."""
    broker = redis.broker()
    broker.flushall()
    data = JSONSerializer.dumps([HOSTILE, None, [HOSTILE], {HOSTILE: HOSTILE}])
    error = base64.b64encode(zlib.compress(HOSTILE.encode())).decode()
    queue = delivery.queue("cpu")
    for state in STATES:
        fields = {
            "created_at": "2026-01-01T00:00:00.000000Z", "origin": HOSTILE, "status": state, "data": data,
            "description": HOSTILE, "meta": json.dumps({HOSTILE: HOSTILE}), "worker_name": HOSTILE,
        }  # fmt: skip
        broker.hset(f"rq:job:hostile-{state}", mapping=fields)
        result = {"type": 1 if state == "finished" else 2, "created_at": 1, "return_value": json.dumps([HOSTILE])}
        broker.xadd(f"rq:results:hostile-{state}", result | {"exc_string": error})
    broker.rpush(queue.key, "hostile-queued")
    for name in STATES[1:]:
        broker.zadd(
            getattr(queue, f"{name}_job_registry").key,
            {f"hostile-{name}:1" if name == "started" else f"hostile-{name}": 4_000_000_000},
        )
    broker.sadd("rq:queues", queue.key, f"rq:queue:{HOSTILE}")
    broker.sadd("rq:workers", f"rq:worker:{HOSTILE}")
    about = {"birth": "2026-01-01T00:00:00.000000Z", "last_heartbeat": "2026-01-01T00:00:00.000000Z", "pid": 1}
    about |= {"queues": HOSTILE.replace(",", ""), "state": "busy", "current_job": "hostile-started"}
    broker.hset(f"rq:worker:{HOSTILE}", mapping=about | {"version": HOSTILE, "python_version": HOSTILE})
    yield [f"hostile-{state}" for state in STATES]
    broker.flushall()


def dashboard_pages(ids: list[str]) -> Iterator[str]:
    yield from ("/rq/", "/rq/0/view/workers")
    yield from (f"/rq/0/view/jobs/{queue}/{state}/20/asc/1" for queue in ("cpu", "io") for state in STATES)
    yield from (f"/rq/0/view/job/{id}" for id in ids)


def test_the_dashboard_runs_nothing_that_stands_in_redis(
    operator: Page, site: str, hostile_messages: list[str]
) -> None:
    seen = ""
    for path in dashboard_pages(hostile_messages):
        seen += _look(operator, site + path)
    for text in TEXTS:
        assert html.unescape(text) in seen
    assert seen.count("data-hostile") > 30


def test_the_dashboard_runs_nothing_of_a_job_that_waits_runs_and_is_over(
    operator: Page, site: str, root: Person
) -> None:
    redis.broker().flushall()
    reports = [_report(text, root) for text in TEXTS[:3]]
    nap = commands.submit("nap", {"seconds": 8, "naps": 1, "fail_until": HOSTILE}, owner=root.owner)
    pages = list(dashboard_pages([str(job.id) for job in [*reports, nap]]))
    assert "<img data-hostile" in "".join(_look(operator, site + path) for path in pages)
    with workers.running("--processes", "1"):
        workers.until(lambda: _state(nap) == "running")
        for path in (f"/rq/0/view/job/{nap.id}", "/rq/0/view/jobs/cpu/started/20/asc/1"):
            _look(operator, site + path)
        assert "run_job" in _look(operator, f"{site}/rq/0/view/workers")
        workers.until(lambda: all(_state(job) == "succeeded" for job in [*reports, nap]))
    for path in pages:
        _look(operator, site + path)


def test_no_script_but_its_own_can_be_loaded_into_the_dashboard(operator: Page, site: str) -> None:
    operator.goto(f"{site}/rq/")
    operator.evaluate(
        "() => new Promise(done => { const script = document.createElement('script');"
        " script.src = '/static/vendor/htmx.min.js'; script.onload = script.onerror = done; document.body.append(script) })"
    )
    assert operator.evaluate("typeof window.htmx") == "undefined"
    assert operator.evaluate("typeof window._") == "function"


def _look(page: Page, address: str) -> str:
    page.goto(address)
    page.wait_for_function(LOADED)
    assert_harmless(page, address)
    return page.locator("body").inner_text()


def _report(text: str, root: Person) -> Job:
    params: dict[str, Any] = {
        "source": "sample:sales.csv",
        "title": text,
        "measures": "count(*)",
        "template": "grouped",
    }
    return commands.submit("build_report", params | {"group_by": "region", "format": "html"}, owner=root.owner)


def _state(job: Job) -> str:
    with postgres.session() as session:
        return session.get_one(Job, job.id).state

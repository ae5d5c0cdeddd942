"""Every page under axe-core: WCAG 2.2 A and AA and its best practices, light and dark, wide and narrow, folds open.

axe-core comes from its package, fetched once and kept in pytest's cache; it is no part of what is shipped.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from jobs.engine import accounts, library
from jobs.engine.db import postgres
from jobs.engine.db.models import File
from jobs.engine.files import uploads
from jobs.engine.files.inputs import SAMPLES
from jobs.engine.queue import commands
from jobs.engine.queue.schedules import SchedulePlan
from tests.npm import package
from tests.web import factories
from tests.web.conftest import PATIENCE
from tests.web.signed_in import PASSWORD
from webapp.http.guards import LOCAL_OWNER

pytestmark = pytest.mark.browser
AXE = "axe-core@4.14.1"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
ON_COLOURS = ["color-contrast", "link-in-text-block", "target-size"]
# All rules where the layout differs; in the other two looks only those that depend on colours and sizes.
LOOKS = [("light", 1280, TAGS), ("dark", 1280, ON_COLOURS), ("dark", 390, TAGS), ("light", 390, ON_COLOURS)]
RUN = """rules => axe.run(document, { runOnly: rules }).then(({ violations }) => violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 200) + " " + node.failureSummary).join(" | ")}`))"""


@pytest.fixture(scope="session")
def axe(request: pytest.FixtureRequest) -> str:
    return (package(request, AXE) / "axe.min.js").read_text()


@pytest.fixture(scope="module")
def one_tab(chrome: Browser) -> Iterator[Page]:
    """The same for all pages: a new one takes a second of CPU."""
    context = chrome.new_context()
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    yield page
    context.close()


def _job(tab: str = "") -> Callable[[], str]:
    def address() -> str:
        lines = [("info", "begun"), ("warning", "slow"), ("error", "broken")]
        outcomes = factories.outcomes(done=3, failed=1, skipped=1)
        job = factories.ended(
            factories.waiting(), "partial", outcomes=outcomes, lines=lines, total=5, message="One failed."
        )
        return f"/jobs/{job.id}{tab}"

    return address


def _running() -> str:
    job, _ = factories.running(
        factories.waiting(), total=1204, outcomes=factories.outcomes(done=700, failed=3, skipped=2)
    )
    return f"/jobs/{job.id}"


def _failed() -> str:
    return f"/jobs/{factories.ended(factories.waiting(), 'failed', reason='x', message='The oven is cold.', detail='trace').id}"


def _schedule() -> str:
    schedule = commands.create_schedule(SchedulePlan("nap", {}, "0 6 * * 1", "UTC"), owner=LOCAL_OWNER)
    commands.run_schedule(schedule.id, owner=LOCAL_OWNER, key="axe")
    return f"/schedules/{schedule.id}"


def _file(name: str, content: bytes) -> Callable[[], str]:
    return lambda: f"/files/{uploads.upload(io.BytesIO(content), name, owner=LOCAL_OWNER).id}/preview"


def _library() -> None:
    for number in range(60):
        kind = {
            "media_type": ("application/pdf", "text/markdown", "text/plain")[number % 3],
            "pages": number % 4 or None,
        }
        text = "A word " * (number * 7 + 3)
        library.add_text(
            LOCAL_OWNER, "handbooks", f"Handbook {number}, for the evening shift", text, **kind, language="en"
        )


def _file_of_a_job() -> str:
    job = factories.ended(factories.waiting())
    stored = uploads.upload(io.BytesIO(b"a,b\n1,2\n"), "result.csv", owner=LOCAL_OWNER)
    with postgres.session() as session:
        session.get_one(File, stored.id).job_id = job.id
    return str(stored.id)


PAGES: dict[str, str | Callable[[], str]] = {
    "catalogue": "/",
    "nothing found": "/?q=zzz",
    "form": "/kinds/questions?example=1",
    "form with distributions": "/kinds/simulate?example=1",
    "form with a table of choices": "/kinds/run_agent?example=1",
    "form with measures": "/kinds/build_report?example=1",
    "form with parts": "/kinds/bulk_update?example=1",
    "use in": lambda: f"{_job()()}/use",
    "jobs": lambda: (_running(), "/jobs")[1],
    "all jobs": "/jobs?all=1",
    "no job": "/jobs?q=zzz",
    "job waiting": lambda: f"/jobs/{factories.waiting().id}",
    "job running": _running,
    "job failed": _failed,
    **{
        f"job{tab}": _job(tab)
        for tab in (
            "",
            "/items/2",
            "?open=4&sort=text",
            "?state=failed&lines=all",
            "/files",
            "/log",
            "/input",
            "/timeline",
            "/delete",
        )
    },
    "repeat": lambda: f"/schedules/new?job={factories.waiting().id}",
    "schedule": _schedule,
    "schedules": lambda: (_schedule(), "/schedules")[1],
    "delete a schedule": lambda: f"{_schedule()}/delete",
    "webhooks": "/webhooks",
    "table": _file("a.csv", b"name,stars\nkettle,5\n"),
    "text": _file("a.txt", b"hello\n" * 90),
    "markdown": _file("a.md", b"# Hello\n\n## There\n\n* one\n"),
    "pdf": _file("a.pdf", (SAMPLES / "price-list.pdf").read_bytes()),
    "filtered jobs": lambda: (factories.ended(factories.waiting()), "/jobs?state=succeeded&since=2020-01-01")[1],
    "library": lambda: (_library(), "/library?sort=words&dir=desc")[1],
    "no document": lambda: (_library(), "/library?q=zzz")[1],
    "use a file of a job in": lambda: f"/files/{_file_of_a_job()}/use",
    "search": "/search",
    "chat": "/chat",
    "outbox": "/outbox",
    "operations": lambda: (factories.running(factories.waiting()), factories.waiting(), "/operations")[2],
    "schedules of all": lambda: (_schedule(), "/operations/schedules")[1],
    "audit log": "/audit",
    "first account": "/people",
    "suppressions": "/suppressions",
    "nowhere": "/nowhere",
}


def violations(tab: Page, axe: str) -> list[str]:
    """What axe finds in each look, the folds open."""
    tab.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
    tab.evaluate(axe)
    found: list[str] = []
    for scheme, width, rules in LOOKS:
        tab.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        tab.set_viewport_size({"width": width, "height": 900})
        asked: Any = rules
        found += [f"{scheme} {width}: {one}" for one in tab.evaluate(RUN, asked)]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(one_tab: Page, site: str, axe: str, name: str) -> None:
    place = PAGES[name]
    one_tab.goto(site + (place if isinstance(place, str) else place()))
    assert violations(one_tab, axe) == []


@pytest.mark.slow
def test_axe_finds_nothing_where_a_form_has_errors(one_tab: Page, site: str, axe: str) -> None:
    one_tab.goto(f"{site}/kinds/questions")
    one_tab.get_by_label("A whole number").fill("lots")
    one_tab.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
    one_tab.get_by_label("Send mail to").fill("nobody")
    one_tab.get_by_role("button", name="Start", exact=True).click()
    one_tab.wait_for_selector("#errors")
    assert violations(one_tab, axe) == []


@pytest.mark.slow
def test_axe_finds_nothing_where_jobs_are_chosen(one_tab: Page, site: str, axe: str) -> None:
    job = factories.ended(factories.waiting())
    one_tab.goto(f"{site}/jobs")
    one_tab.locator(f"#tick-{job.id}").check()
    assert violations(one_tab, axe) == []
    one_tab.get_by_role("button", name="Delete…").click()
    one_tab.wait_for_selector("text=Keep them")
    assert violations(one_tab, axe) == []


@pytest.mark.slow
def test_axe_finds_nothing_where_people_sign_in(tab: Page, site: str, axe: str) -> None:
    """The last test of this file: from the first account on everybody signs in."""
    accounts.add("root", "admin", PASSWORD)
    tab.goto(f"{site}/account")
    tab.get_by_label("Name").fill("root")
    tab.get_by_label("Password").fill("wrong wrong wrong")
    tab.get_by_role("button", name="Sign in").click()
    tab.wait_for_selector("#errors")
    assert violations(tab, axe) == []
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Sign in").click()
    tab.get_by_label("Name", exact=True).fill("a program")
    tab.get_by_role("button", name="Create the token").click()
    tab.wait_for_selector("#new-token")
    for page in ("", "/account", "/people", "/audit", "/shared", f"/jobs/{factories.waiting().id}/share"):
        if page:
            tab.goto(site + page)
        assert violations(tab, axe) == [], page

"""From the catalogue to a downloaded result, in a real browser."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from jobs import generate_texts
from tests.fake_provider import FakeProvider, answer_to
from tests.stories.site_client import PATIENCE, Site

pytestmark = pytest.mark.browser

SAMPLE = Path(generate_texts.__file__).parent / "samples" / "reviews.csv"


@pytest.fixture(scope="module")
def chrome(chromium: str) -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def visit(chrome: Browser, site: Site) -> Iterator[BrowserContext]:
    """A visitor's own browser profile."""
    context = chrome.new_context(base_url=site.url, accept_downloads=True)
    context.set_default_timeout(PATIENCE * 1000)
    yield context
    context.close()


@pytest.fixture
def without_script(chrome: Browser, site: Site) -> Iterator[BrowserContext]:
    context = chrome.new_context(base_url=site.url, java_script_enabled=False)
    context.set_default_timeout(PATIENCE * 1000)
    yield context
    context.close()


def sample_rows() -> list[dict[str, str]]:
    with SAMPLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def fill_in_the_sample(page: Page) -> None:
    """Catalogue, kind, sample data, one row at a time."""
    page.goto("/")
    page.get_by_role("region", name="Kinds of work").get_by_role("link", name=generate_texts.TITLE, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(generate_texts.TITLE)
    page.get_by_role("link", name="Fill in sample data").click()
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value(generate_texts.EXAMPLE["prompt"])
    expect(page.get_by_text("Read as CSV")).to_be_visible()


def test_from_the_catalogue_to_the_downloaded_rows(visit: BrowserContext, site: Site, provider: FakeProvider) -> None:
    provider.script(do=[{"do": "slow", "calls": 3}, {"do": "slow", "hold": 0}])
    faults: list[str] = []
    page = visit.new_page()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    fill_in_the_sample(page)
    page.get_by_text("Advanced").click()
    page.get_by_role("textbox", name="Rows at a time").fill("1")
    page.get_by_role("button", name="Start", exact=True).last.click()
    page.wait_for_url("**/jobs/*")
    page.evaluate("window.sameDocument = true")

    expect(page.get_by_role("progressbar").first).to_have_attribute("aria-valuenow", "3")
    provider.script()
    expect(page.locator("#live .state.succeeded")).to_be_visible()
    assert page.evaluate("window.sameDocument")
    expect(page).to_have_title("Succeeded · Generate texts, reviews.csv · Legwork")
    expect(page.get_by_role("region", name="Rows", exact=True)).to_be_visible()

    page.locator("summary", has_text="Download").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    text = Path(download.value.path()).read_bytes().decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [{name: row[name] for name in sample_rows()[0]} for row in rows] == sample_rows()
    prompts = [generate_texts.EXAMPLE["prompt"].format(**row) for row in sample_rows()]
    assert [row["text"] for row in rows] == [answer_to(prompt) for prompt in prompts]
    assert {row["_state"] for row in rows} == {"done"}
    assert faults == []


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_a_double_click_is_one_job(
    visit: BrowserContext, without_script: BrowserContext, site: Site, provider: FakeProvider, script: bool
) -> None:
    provider.script()
    before = {job["id"] for job in site.jobs()}
    page = (visit if script else without_script).new_page()
    fill_in_the_sample(page)
    page.get_by_role("button", name="Start", exact=True).last.dblclick(no_wait_after=True)
    page.wait_for_url("**/jobs/*")
    (job,) = {job["id"] for job in site.jobs()} - before
    assert page.url.endswith(job)
    assert site.ended(job)["state"] == "succeeded"
    assert {each["id"] for each in site.jobs()} - before == {job}


def test_a_stop_from_the_page(visit: BrowserContext, site: Site, provider: FakeProvider) -> None:
    provider.script(do=[{"do": "slow"}, {"do": "slow", "hold": 0}])
    job = site.submit("generate_texts", **{**generate_texts.EXAMPLE, "concurrency": 1})
    page = visit.new_page()
    page.goto(f"/jobs/{job}")
    site.done(job, 1)
    page.get_by_role("button", name="Stop").click()
    provider.script(latency=2)  # the answer that was under way comes, and the next one is not waited for
    expect(page.locator("#live .state.stopped")).to_be_visible()
    ended = site.job(job)
    assert ended["state"] == "cancelled"
    assert 1 <= ended["progress"]["done"] < 12

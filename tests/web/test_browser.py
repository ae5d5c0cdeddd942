"""What a person does, in a real Chromium against a real worker: with script, without it, and under the strict policy."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from jobs.engine import library
from jobs.engine.files import uploads
from jobs.engine.queue import commands, lists, queries, schedules
from tests.engine import workers
from tests.web import factories
from tests.web.conftest import PATIENCE
from tests.web.jobs.test_file_preview import png
from webapp.http.guards import LOCAL_OWNER

pytestmark = pytest.mark.browser


def job_of(page: Page) -> Any:
    return queries.job(page.url.split("/jobs/")[1][:36], LOCAL_OWNER)


@pytest.fixture(scope="module")
def worker(site: str) -> Iterator[None]:
    """For the tests at the end of this file: those before them find jobs as they left them."""
    with workers.running("--processes", "1"):
        workers.until(lambda: "cpu" in queries.served_queues(), seconds=180)
        yield


def test_a_job_is_followed_to_its_end_without_a_reload(tab: Page, site: str, complaints: list[str]) -> None:
    job, claim = factories.running(factories.waiting(naps=4), total=4, outcomes=factories.outcomes(done=1))
    tab.goto(f"{site}/jobs/{job.id}")
    tab.evaluate("window.same = true")
    tab.get_by_role("link", name="Timeline").focus()
    expect(tab).to_have_title(re.compile(r"^25% · Nap"))
    factories.goes_on(job, claim, outcomes=factories.outcomes(done=3)[1:])
    expect(tab).to_have_title(re.compile(r"^75% · Nap"))
    factories.goes_on(job, claim, "succeeded", outcomes=factories.outcomes(done=4)[3:])
    expect(tab.locator("#announce")).to_have_text("Succeeded: 4 of 4 naps.")
    expect(tab).to_have_title("Succeeded · Nap · Legwork")
    expect(tab.locator("#tab")).to_contain_text("Naps 1 to 4 of 4.")
    assert tab.evaluate("window.same")
    assert tab.evaluate("document.activeElement.textContent") == "Timeline"
    assert tab.locator("[hx-trigger]").count() == 0


def test_a_chosen_table_shows_itself_and_its_columns_go_into_the_text(
    tab: Page, site: str, tmp_path: Path, complaints: list[str]
) -> None:
    table = tmp_path / "mine.csv"
    table.write_text("name,stars\nkettle,5\n")
    tab.goto(f"{site}/kinds/questions")
    tab.get_by_label("A word").fill("typed before")
    tab.get_by_label("Table: upload").set_input_files(table)
    expect(tab.get_by_text("1 row, 2 columns.")).to_be_visible()
    expect(tab.get_by_label("A word")).to_have_value("typed before")
    tab.get_by_role("textbox", name="A pattern").fill("")
    tab.get_by_role("button", name="{stars}").click()
    expect(tab.get_by_role("textbox", name="A pattern")).to_have_value("{stars}")


@pytest.mark.slow
def test_a_template_is_checked_while_it_is_typed_and_nothing_else_is_nagged_about(
    tab: Page, site: str, complaints: list[str]
) -> None:
    tab.goto(f"{site}/kinds/questions?table=sample:reviews.csv&papers=sample:reviews.csv&papers=sample:handbook.md")
    pattern = tab.get_by_role("textbox", name="A pattern")
    pattern.fill("{product} has {stars}")
    expect(tab.get_by_text("Row 1 Cup warmer has 5")).to_be_visible()
    expect(tab.locator("#f-word-error")).to_be_hidden()
    tab.get_by_label("A whole number").fill("lots")
    expect(tab.locator("#f-whole-error")).to_contain_text("is not a whole number")
    tab.get_by_label("A whole number").fill("8")
    expect(tab.locator("#f-whole-error")).to_be_hidden()
    tab.get_by_label("A word").fill("kettle")
    tab.get_by_label("left").check()
    expect(tab.locator("#estimate-box")).to_contain_text("1,234 answers")
    tab.get_by_text("This job as JSON").click()
    expect(tab.locator("#as-json")).to_contain_text('"word": "kettle"')
    expect(tab.locator("#as-json")).to_contain_text("sample:handbook.md")
    tab.get_by_role("group", name="Which column is what: row 1").get_by_role("combobox").select_option("product")
    expect(tab.locator("#as-json")).to_contain_text('"title": "product"')
    pattern.fill("{prodct}")
    expect(tab.get_by_text("Row 1 Cup warmer has 5")).to_be_hidden()


DROP = """([name, size]) => {
    const some = new DataTransfer();
    some.items.add(new File(["name,stars\\nkettle,5\\n".padEnd(size)], name));
    const zone = document.getElementById("f-table").closest(".drop");
    const options = { dataTransfer: some, bubbles: true, cancelable: true };
    for (const type of ["dragover", "drop"]) zone.dispatchEvent(new DragEvent(type, options));
}"""


def test_a_dropped_file_is_uploaded_in_place_and_one_too_large_is_not(tab: Page, site: str) -> None:
    tab.goto(f"{site}/kinds/questions")
    tab.evaluate("window.same = true")
    tab.get_by_label("A word").fill("typed before")
    tab.evaluate("document.querySelector('[data-most]').dataset.most = 50")
    tab.evaluate(DROP, ["large.csv", 60])
    expect(tab.get_by_text("large.csv is larger than")).to_be_visible()
    tab.evaluate(DROP, ["mine.csv", 0])
    expect(tab.get_by_text("1 row, 2 columns.")).to_be_visible()
    expect(tab.get_by_label("A word")).to_have_value("typed before")
    assert tab.evaluate("window.same")


def test_errors_are_led_to_and_nothing_typed_is_lost(tab: Page, site: str) -> None:
    tab.goto(f"{site}/kinds/questions")
    tab.get_by_label("A whole number").fill("lots")
    tab.get_by_label("A story").fill("a long story")
    tab.get_by_role("button", name="Start", exact=True).click()
    expect(tab.locator("#errors")).to_be_focused()
    expect(tab.get_by_label("A story")).to_have_value("a long story")
    tab.locator("#errors").get_by_role("link", name=re.compile("^A whole number")).click()
    expect(tab.get_by_label("A whole number")).to_be_focused()
    expect(tab.get_by_label("A whole number")).to_have_attribute("aria-invalid", "true")


def test_enter_starts_the_whole_job_and_not_a_try(tab: Page, site: str, complaints: list[str]) -> None:
    tab.goto(f"{site}/kinds/nap?naps=4")
    tab.get_by_label("Naps", exact=True).press("Enter")
    tab.wait_for_url("**/jobs/*")
    assert job_of(tab).sample is None


@pytest.mark.slow
def test_a_hidden_page_does_not_ask(tab: Page, site: str, complaints: list[str]) -> None:
    job, _ = factories.running(factories.waiting(), total=10, outcomes=factories.outcomes(done=2))
    tab.add_init_script("Object.defineProperty(document, 'hidden', { get: () => !window.seen })")
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url) if "/progress" in request.url else None)
    tab.goto(f"{site}/jobs/{job.id}")
    with tab.expect_event("requestfinished", lambda request: "/progress" in request.url):
        tab.wait_for_timeout(2500)
        assert not asked
        tab.evaluate("window.seen = true")


@pytest.mark.slow
def test_a_page_says_when_the_server_is_away_and_when_it_is_back(tab: Page, site: str) -> None:
    job, _ = factories.running(factories.waiting(), total=10, outcomes=factories.outcomes(done=2))
    tab.goto(f"{site}/jobs/{job.id}")
    tab.route("**/progress?*", lambda route: route.abort("connectionrefused"))
    expect(tab.get_by_role("alert")).to_contain_text("The server does not answer")
    tab.unroute("**/progress?*")
    expect(tab.get_by_role("alert")).to_have_count(0)


def test_the_keys_are_listed_and_can_be_turned_off(tab: Page, site: str, complaints: list[str]) -> None:
    tab.goto(f"{site}/jobs")
    tab.keyboard.press("?")
    expect(tab.get_by_role("dialog", name="Keys")).to_be_visible()
    tab.get_by_role("button", name="Turn / and ? off").click()
    tab.keyboard.press("Escape")
    tab.keyboard.press("/")
    expect(tab.get_by_label("Search", exact=True)).not_to_be_focused()
    tab.get_by_role("button", name="Keys").click()
    tab.get_by_role("button", name="Turn / and ? off").click()
    tab.get_by_role("button", name="Close").click()
    tab.keyboard.press("/")
    expect(tab.get_by_label("Search", exact=True)).to_be_focused()


def test_times_are_the_viewers_own(chrome: Browser, site: str) -> None:
    job = factories.ended(factories.waiting())
    context = chrome.new_context(timezone_id="Asia/Tokyo")
    page = context.new_page()
    page.goto(f"{site}/jobs/{job.id}")
    expect(page.get_by_text("Times in Asia/Tokyo (JST, UTC+9)")).to_be_visible()
    expect(page.locator("#live time").first).to_have_attribute("datetime", re.compile(r"\+09:00$"))
    context.close()


@pytest.mark.slow
@pytest.mark.parametrize("width", [320, 1280])
def test_no_page_scrolls_sideways(tab: Page, site: str, width: int, complaints: list[str]) -> None:
    job = factories.ended(
        factories.waiting("questions", word="x" * 20, side="left", story="y" * 100_000),
        "partial",
        outcomes=factories.outcomes(done=3, failed=1, text="z" * 100_000),
        total=4,
        message="w" * 500,
        lines=[("info", "v" * 1000)],
    )
    tab.set_viewport_size({"width": width, "height": 800})
    tabs = [f"/jobs/{job.id}{tab}" for tab in ("", "/items", "/files", "/log", "/input", "/timeline", "/delete")]
    schedule = commands.create_schedule(
        schedules.SchedulePlan("nap", {}, "*/7 1-23/2 * * 1-5", "UTC"), owner=LOCAL_OWNER
    )
    file = uploads.upload(io.BytesIO(b"x" * 5000), "n" * 200 + ".txt", owner=LOCAL_OWNER)
    ours = (
        "/schedules",
        f"/schedules/{schedule.id}",
        f"/schedules/new?job={job.id}",
        "/webhooks",
        f"/files/{file.id}/preview",
    )
    for address in ("/", "/jobs", "/jobs?all=1", "/kinds/questions?example=1", *ours, *tabs):
        tab.goto(site + address)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, address


@pytest.mark.slow
def test_what_is_chosen_stays_chosen_while_the_list_moves(tab: Page, site: str, complaints: list[str]) -> None:
    chosen, other = factories.ended(factories.waiting()), factories.ended(factories.waiting())
    tab.goto(f"{site}/jobs")
    bar = tab.get_by_role("region", name="Selected jobs")
    expect(bar).to_be_hidden()
    tab.locator(f"#tick-{chosen.id}").check()
    expect(bar).to_contain_text("1 selected")
    newer = factories.ended(factories.waiting())
    expect(tab.locator(f"#job-{newer.id}")).to_be_visible()
    expect(tab.locator(f"#tick-{chosen.id}")).to_be_checked()
    expect(tab.locator(f"#tick-{newer.id}")).not_to_be_checked()
    expect(bar).to_contain_text("1 selected")
    tab.locator(f"#tick-{other.id}").check()
    tab.get_by_role("button", name="Delete…").click()
    expect(tab.get_by_role("heading", level=1)).to_have_text("Delete 2 jobs?")


@pytest.mark.slow
def test_the_tab_follows_the_job_and_tells_of_its_end(chrome: Browser, site: str) -> None:
    context = chrome.new_context(permissions=["notifications"])
    page = context.new_page()
    page.add_init_script(
        "window.told = []; window.Notification = class { static permission = 'granted';"
        " static async requestPermission() { return 'granted'; } constructor(title, { body }) { told.push(`${title}: ${body}`); }"
        " close() {} };"
    )
    job, claim = factories.running(factories.waiting(naps=2), total=2, outcomes=factories.outcomes(done=1))
    page.goto(f"{site}/jobs/{job.id}")
    icon = page.locator("link[rel=icon]")
    expect(icon).to_have_attribute("href", re.compile("^data:image/svg"))
    first = icon.get_attribute("href")
    page.get_by_label("More actions").click()
    page.get_by_role("button", name="Notify me when it ends").click()
    factories.goes_on(job, claim, "succeeded", outcomes=factories.outcomes(done=2)[1:])
    expect(page.locator("#live")).to_have_attribute("data-over", "1")
    expect(icon).not_to_have_attribute("href", str(first))
    page.wait_for_function("told.length === 1")
    assert page.evaluate("told[0]") == "Nap: Succeeded: 2 of 2 naps."
    context.close()


def test_a_picture_that_a_job_left_is_seen(tab: Page, site: str, complaints: list[str]) -> None:
    file = uploads.upload(io.BytesIO(png(40, 30)), "dot.png", owner=LOCAL_OWNER)
    tab.goto(f"{site}/files/{file.id}/preview")
    tab.wait_for_function("document.querySelector('img.shown').naturalWidth === 40")


def test_a_double_click_starts_one_job(tab: Page, site: str, complaints: list[str]) -> None:
    tab.goto(f"{site}/kinds/questions?word=twice&side=left")
    tab.get_by_role("button", name="Start", exact=True).dblclick()
    tab.wait_for_url("**/jobs/*")
    assert len(lists.list_jobs(LOCAL_OWNER, q="twice").rows) == 1


# With a worker.


@pytest.mark.slow
def test_a_running_job_is_stopped(tab: Page, site: str, worker: None, complaints: list[str]) -> None:
    tab.goto(f"{site}/kinds/nap?naps=5000&seconds=0.1")
    tab.get_by_role("button", name="Start", exact=True).click()
    expect(tab.locator("#live")).to_contain_text("Running")
    tab.get_by_role("button", name="Stop").click()
    expect(tab.locator("#live")).to_contain_text("Stopped")
    assert job_of(tab).state == "cancelled"


@pytest.mark.slow
def test_a_try_leads_to_all_of_it(tab: Page, site: str, worker: None, complaints: list[str]) -> None:
    tab.goto(f"{site}/kinds/nap?example=1")
    tab.get_by_role("button", name="Start a sample of 3 naps").click()
    tab.get_by_role("button", name="Start all").click()
    expect(tab.locator("#announce")).to_have_text("Succeeded: 5 of 5 naps.")


@pytest.mark.slow
def test_all_of_it_works_without_script(chrome: Browser, site: str, worker: None, tmp_path: Path) -> None:
    table = tmp_path / "plain.csv"
    table.write_text("name\nkettle\n")
    context = chrome.new_context(java_script_enabled=False)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{site}/kinds/questions")
    page.get_by_label("Table: upload").set_input_files(table)
    page.get_by_role("button", name="Use this table").click()
    expect(page.get_by_text("1 row, 1 column.")).to_be_visible()
    page.get_by_label("A word").fill("no script")
    page.get_by_label("left").check()
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url("**/jobs/*")
    workers.ended(job_of(page))
    expect(page.get_by_role("heading", level=1)).to_contain_text("no script")
    page.reload()
    expect(page.locator("#live")).to_contain_text("Succeeded")
    context.close()


@pytest.mark.slow
def test_a_sample_job_is_started_by_keyboard_alone(tab: Page, site: str, worker: None, complaints: list[str]) -> None:
    tab.goto(site)
    _tab_to(tab, "Nap")
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/kinds/nap")
    _tab_to(tab, "Fill in sample data")
    tab.keyboard.press("Enter")
    tab.wait_for_url("**example=1")
    _tab_to(tab, "Start")
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/jobs/*")
    expect(tab.locator("#announce")).to_have_text("Succeeded: 5 of 5 naps.")


@pytest.mark.slow
@pytest.mark.parametrize("script", [False, True])
def test_a_form_is_repeated_and_documents_are_sorted_by_keyboard(chrome: Browser, site: str, script: bool) -> None:
    for number in range(52):
        library.add_text(LOCAL_OWNER, f"shelf {script}", f"Paper {number:02}", "word " * number)
    context = chrome.new_context(java_script_enabled=script)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{site}/kinds/nap")
    page.get_by_label("Naps", exact=True).fill("7")
    page.get_by_role("button", name="Repeat…").press("Enter")
    page.get_by_label("Time of the day").fill("02:30")
    page.get_by_role("button", name="Create the schedule").last.press("Enter")
    page.wait_for_url("**/schedules/*-*")
    expect(page.get_by_role("main")).to_contain_text("Every day at 02:30")
    page.goto(f"{site}/library?collection=shelf+{script}")
    page.get_by_role("link", name="Words").press("Enter")
    expect(page.locator(".grid tbody tr").first).to_contain_text("Paper 51")
    page.get_by_role("link", name="Next").press("Enter")
    expect(page.locator(".grid tbody tr")).to_have_count(2)
    page.get_by_label("Search titles, names and tags").fill("Paper 07")
    page.get_by_label("Search titles, names and tags").press("Enter")
    expect(page.locator(".grid tbody tr")).to_have_count(1)
    context.close()


def _tab_to(page: Page, text: str) -> None:
    """Press Tab until what has the focus reads so; what is focused must be seen to be."""
    reads = "[document.activeElement.textContent.trim(), getComputedStyle(document.activeElement).outlineStyle]"
    for _ in range(60):
        page.keyboard.press("Tab")
        found, outline = page.evaluate(reads)
        if found == text:
            assert outline != "none"
            return
    raise AssertionError(f"Tab never came to {text}")


@pytest.mark.slow
def test_without_script_a_result_is_watched_and_downloaded(chrome: Browser, site: str, worker: None) -> None:
    context = chrome.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/kinds/nap?example=1")
    expect(page.get_by_role("button", name="Copy")).to_have_count(0)
    page.get_by_role("button", name="Check").click()
    expect(page).to_have_url(f"{site}/kinds/nap")
    expect(page.get_by_label("Naps", exact=True)).to_have_value("5")
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url("**/jobs/*")
    expect(page.locator("#live")).to_contain_text("Succeeded")  # it reloads itself
    page.locator("summary", has_text="Download").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").first.click()
    assert download.value.path().read_text(encoding="utf-8-sig").splitlines()[0] == "number,slept,_state,_error"
    page.goto(f"{site}/jobs")
    page.locator(f"#tick-{lists.list_jobs(LOCAL_OWNER).rows[0].id}").check()
    page.get_by_role("button", name="Delete…").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Delete 1 job?")
    context.close()

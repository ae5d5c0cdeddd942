"""The grid in a browser: a row's page opens as a drawer, and keys move through the rows."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.web import factories

pytestmark = pytest.mark.browser


@pytest.mark.slow
def test_rows_open_in_a_drawer_and_keys_move_through_them(tab: Page, site: str) -> None:
    job = factories.ended(factories.waiting(), outcomes=factories.outcomes(done=4), total=4, whole=True)
    tab.goto(f"{site}/jobs/{job.id}")
    drawer = tab.locator("#drawer")
    expect(drawer).to_be_hidden()
    tab.locator("#row-2 [data-open]").click()
    expect(drawer).to_contain_text("A text 2")
    expect(drawer).to_be_focused()
    tab.keyboard.press("j")
    expect(drawer).to_contain_text("A text 3")
    expect(tab.locator("#row-3")).to_have_class("done here")
    drawer.get_by_role("link", name="Previous nap").click()
    expect(drawer).to_contain_text("A text 2")
    tab.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    expect(tab.locator("#row-2 [data-open]")).to_be_focused()
    chosen = tab.get_by_role("group", name="Chosen naps")
    expect(chosen).to_be_hidden()
    tab.keyboard.press("x")
    tab.keyboard.press("j")
    tab.keyboard.press("x")
    expect(chosen).to_contain_text("2 chosen")
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    chosen.get_by_role("button", name="Copy").click()
    expect(chosen).to_contain_text("Copied")
    assert "A text 2" in tab.evaluate("navigator.clipboard.readText()")
    tab.get_by_label("Choose all on this page").check()
    expect(chosen).to_contain_text("4 chosen")
    chosen.get_by_role("button", name="Clear").click()
    expect(chosen).to_be_hidden()
    tab.get_by_label("More actions").click()
    expect(tab.get_by_role("link", name="Run again with changes")).to_be_visible()
    tab.keyboard.press("Escape")
    expect(tab.get_by_role("link", name="Run again with changes")).to_be_hidden()


@pytest.mark.slow
def test_rows_arrive_without_closing_what_is_open(tab: Page, site: str) -> None:
    outcomes = factories.outcomes(done=6)
    job, claim = factories.running(factories.waiting(), total=6, outcomes=outcomes[:3])
    tab.goto(f"{site}/jobs/{job.id}")
    tab.locator("#row-3 [data-open]").click()
    tab.get_by_text("Columns").first.press("Enter")  # the drawer lies over it
    factories.goes_on(job, claim, outcomes=outcomes[3:])
    expect(tab.locator("#row-6")).to_be_visible()
    expect(tab.locator("tr[data-row]").first).to_have_id("row-6")
    expect(tab.locator("#drawer")).to_contain_text("A text 3")
    factories.goes_on(job, claim, "succeeded")
    expect(tab.get_by_text("Succeeded").first).to_be_visible()
    expect(tab.get_by_label("More actions")).to_be_visible()

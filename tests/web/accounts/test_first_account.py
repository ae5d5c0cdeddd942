"""The link that makes the first account of a site that others can reach: once, for an hour, and for nobody who guesses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect
from sqlalchemy import text

from jobs.engine import accounts, settings
from jobs.engine.db import postgres
from tests.conftest import House
from tests.web.signed_in import PASSWORD, hidden
from tests.web.test_accessibility import axe, violations
from webapp.app import create_app

__all__ = ["axe"]

SECRET = accounts.new_secret()
LINK = f"/first/{SECRET}"


@pytest.fixture(scope="module")
def app(house: House) -> Iterator[Flask]:
    with house(HOST="0.0.0.0", SECRET_KEY="k" * 40, LEGWORK_FIRST_ACCOUNT=SECRET):
        yield create_app({"TESTING": True})


@pytest.fixture(autouse=True)
def _no_account(app: Flask) -> None:
    with postgres.session() as session:
        session.execute(text("truncate accounts cascade"))


def make(client: FlaskClient, link: str = LINK, **other: str) -> Any:
    given = {"csrf_token": hidden(client.get(LINK).text), "name": "Root", "password": PASSWORD, **other}
    return client.post(link, data=given)


def test_the_first_to_open_it_is_the_admin_and_it_opens_nothing_more(app: Flask) -> None:
    client, late = app.test_client(), app.test_client()
    begun = hidden(late.get(LINK).text)  # who opened it too, and is slower
    assert make(client).location == "/"
    assert "root" in client.get("/people").text
    assert [(one.name, one.role, one.owner) for one in accounts.all_accounts()] == [("root", "admin", "local")]
    second = late.post(LINK, data={"csrf_token": begun, "name": "mallory", "password": PASSWORD})
    assert second.status_code == 404 and "once and within an hour" in second.text
    assert late.get(LINK).status_code == 404
    assert [one.name for one in accounts.all_accounts()] == ["root"]


def test_two_at_the_same_moment_are_one(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = app.test_client(), app.test_client()
    token = hidden(second.get(LINK).text)
    monkeypatch.setattr(accounts, "opens", lambda *_: True)  # both were let through before either was done
    assert make(first).status_code == 303
    late = second.post(LINK, data={"csrf_token": token, "name": "mallory", "password": PASSWORD})
    assert late.status_code == 404
    assert [one.name for one in accounts.all_accounts()] == ["root"]


@pytest.mark.parametrize(
    "link",
    ["x", SECRET[:-1], f"{SECRET}x", SECRET.upper(), "", "\u00e9", f"9{SECRET}"],
    ids=["short", "cut", "longer", "upper", "empty", "accent", "later"],  # the secret is another in each process
)
def test_another_link_is_none(client: FlaskClient, link: str) -> None:
    assert client.get(f"/first/{link}").status_code == 404
    assert make(client, f"/first/{link}").status_code == 404
    assert not accounts.any_accounts()


def test_what_does_not_fit_makes_nothing(client: FlaskClient) -> None:
    weak = make(client, password="short", name="Root <b>")
    assert weak.status_code == 422
    assert 'id="name-error"' in weak.text or 'id="password-error"' in weak.text
    assert "<b>" not in weak.text
    assert client.post(LINK, data={"name": "root", "password": PASSWORD}).status_code == 400  # without its token
    assert not accounts.any_accounts()


def test_it_ends(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    made, _, rest = SECRET.partition("-")
    old = f"{int(made) - 3_601}-{rest}"
    assert not accounts.opens(old, old)
    assert accounts.opens(SECRET, SECRET)
    assert not accounts.opens("", "")
    monkeypatch.setenv("LEGWORK_FIRST_ACCOUNT", "")
    settings.current.cache_clear()
    assert client.get(LINK).status_code == client.get("/first/").status_code == 404
    monkeypatch.undo()
    settings.current.cache_clear()


@pytest.fixture
def asking(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The value of FIRST_ACCOUNT_SECRET."""
    monkeypatch.setenv("FIRST_ACCOUNT_SECRET", "s" * 40)
    settings.current.cache_clear()
    yield "s" * 40
    monkeypatch.undo()
    settings.current.cache_clear()


def test_until_there_is_an_account_the_site_asks_for_its_secret(app: Flask, asking: str) -> None:
    client = app.test_client()
    assert client.get("/jobs").location.startswith("/login")
    assert client.get("/login").location == "/first"
    given = {"csrf_token": hidden(client.get("/first").text), "name": "Root", "password": PASSWORD}
    for wrong in ("", "x" * 40, asking[:-1]):
        refused = client.post("/first", data={**given, "secret": wrong})
        assert refused.status_code == 403 and "This is not the value" in refused.text
    weak = client.post("/first", data={**given, "secret": asking, "password": "short"})
    assert weak.status_code == 422 and 'id="secret"' in weak.text
    assert not accounts.any_accounts()
    assert client.post("/first", data={**given, "secret": f"{asking} "}).location == "/"
    assert "root" in client.get("/people").text
    late = app.test_client()
    assert late.get("/first").status_code == 404
    assert late.get("/login").status_code == 200


def test_without_a_secret_the_page_says_how_to_make_an_account(client: FlaskClient) -> None:
    page = client.get("/first").text
    assert "FIRST_ACCOUNT_SECRET" in page
    assert "Create the account</button>" not in page
    token = hidden(client.get(LINK).text)
    given = {"csrf_token": token, "secret": "", "name": "mallory", "password": PASSWORD}
    assert client.post("/first", data=given).status_code == 403
    assert not accounts.any_accounts()


@pytest.mark.slow
@pytest.mark.browser
def test_it_is_done_in_a_browser_and_axe_finds_nothing(
    tab: Page, site: str, axe: str, complaints: list[str], client: FlaskClient
) -> None:
    tab.goto(f"{site}{LINK}")
    assert violations(tab, axe) == []
    tab.get_by_label("Name").fill("root")
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Create the account").click()
    expect(tab).to_have_url(re.compile(f"{site}/$"))
    assert accounts.any_accounts()

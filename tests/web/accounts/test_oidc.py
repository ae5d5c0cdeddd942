"""Signing in through a real OpenID provider, which now and then does wrong."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from http.client import HTTPMessage
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient

from jobs.engine import accounts, settings
from jobs.engine.errors import SettingsError
from tests.openid_provider import CLIENT, SECRET, Provider
from tests.web import signed_in
from tests.web.signed_in import Person


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


@pytest.fixture(scope="module")
def admin(app: Flask) -> Person:
    return signed_in.person(app, "root", "admin")


@pytest.fixture
def provider(app: Flask, admin: Person, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    started = Provider()
    given = {"OIDC_ISSUER": started.issuer, "OIDC_CLIENT_ID": CLIENT, "OIDC_CLIENT_SECRET": SECRET}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings.current.cache_clear()
    app.extensions.pop("legwork_oidc", None)
    yield started
    started.close()
    app.extensions.pop("legwork_oidc", None)
    monkeypatch.undo()
    settings.current.cache_clear()


@pytest.fixture
def welcoming(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Provider:
    monkeypatch.setenv("OIDC_NEW_ACCOUNTS", "member")
    settings.current.cache_clear()
    return provider


def _go(client: FlaskClient, target: str = "/jobs") -> Any:
    """As a browser: there, through the provider's page, and back."""
    away = client.get(f"/login/provider?next={target}")
    assert away.status_code == 302, away.text
    back = urlsplit(_location(away.location))
    return client.get(f"{back.path}?{back.query}")


def _location(address: str) -> str:
    headers: HTTPMessage
    try:
        urllib.request.build_opener(_Stay).open(address)
    except urllib.error.HTTPError as answer:
        headers = answer.headers
        answer.close()
    return str(headers["Location"])


def test_somebody_new_becomes_a_member_where_that_is_allowed(app: Flask, welcoming: Provider) -> None:
    client = app.test_client()
    assert "Go to its sign-in page" in client.get("/login").text
    assert _go(client).location == "/jobs"
    assert "amara.k" in client.get("/jobs").text
    made = next(one for one in accounts.all_accounts() if one.name == "amara.k")
    assert (made.role, made.password, made.subject) == ("member", None, f"{welcoming.issuer} 42")
    again = app.test_client()
    assert _go(again, "//evil.example").location == "/"
    assert len([one for one in accounts.all_accounts() if one.name == "amara.k"]) == 1


def test_an_issuer_may_end_in_a_slash(app: Flask, welcoming: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    welcoming.slash = "/"
    welcoming.claims = {"sub": "11", "preferred_username": "ines"}
    for written in (welcoming.issuer, f"{welcoming.issuer}/"):
        monkeypatch.setenv("OIDC_ISSUER", written)
        settings.current.cache_clear()
        app.extensions.pop("legwork_oidc", None)
        assert _go(app.test_client()).location == "/jobs"


def test_somebody_new_is_refused_otherwise(app: Flask, admin: Person, provider: Provider) -> None:
    client = app.test_client()
    refused = _go(client)
    assert refused.status_code == 403 and "An administrator can add one" in refused.text
    assert client.get("/jobs").status_code == 303
    assert "no account here" in admin.client.get("/audit?action=sign_in_refused").text


def test_a_name_is_not_taken_over(app: Flask, welcoming: Provider) -> None:
    welcoming.claims = {"sub": "7", "preferred_username": "root", "email": "root@example.org"}
    refused = _go(app.test_client())
    assert refused.status_code == 403 and "already" in refused.text


def test_who_is_suspended_stays_out(app: Flask, admin: Person, welcoming: Provider) -> None:
    welcoming.claims = {"sub": "9", "preferred_username": "olu"}
    client = app.test_client()
    assert _go(client).status_code == 303
    made = next(one for one in accounts.all_accounts() if one.name == "olu")
    accounts.suspend(made.id, by=admin.owner)
    assert client.get("/jobs").status_code == 303
    assert _go(client).status_code == 403


@pytest.mark.slow
@pytest.mark.parametrize(
    "wrong", ["nonce", "audience", "issuer", "expired", "signature", "silence", "refusal", "broken"]
)
def test_a_provider_that_does_wrong_signs_nobody_in(app: Flask, welcoming: Provider, wrong: str) -> None:
    welcoming.wrong = wrong
    welcoming.claims = {"sub": f"wrong {wrong}", "preferred_username": f"wrong-{wrong}"}
    client = app.test_client()
    answer = _go(client)
    assert answer.status_code == 401 and "The provider did not sign you in" in answer.text
    assert client.get("/jobs").status_code == 303
    assert f"wrong-{wrong}" not in [one.name for one in accounts.all_accounts()]


def test_an_answer_that_nobody_asked_for_is_none(app: Flask, welcoming: Provider) -> None:
    mine, other = app.test_client(), app.test_client()
    back = urlsplit(_location(mine.get("/login/provider").location))
    assert other.get(f"{back.path}?{back.query}").status_code == 401  # another browser's
    assert mine.get(f"{back.path}?code=x&state=y").status_code == 401
    assert mine.get("/login/callback").status_code == 401


def test_a_provider_that_is_away_is_said(app: Flask, welcoming: Provider) -> None:
    welcoming.close()
    assert app.test_client().get("/login/provider").status_code == 401


def test_without_a_provider_there_is_no_such_page(client: FlaskClient, admin: Person) -> None:
    assert client.get("/login/provider").status_code == 404
    assert client.get("/login/callback").status_code == 404
    assert "organisation" not in client.get("/login").text


@pytest.mark.parametrize(
    "given",
    [
        {"OIDC_ISSUER": "https://id.example.org"},
        {"OIDC_ISSUER": "http://id.example.org", "OIDC_CLIENT_ID": "a", "OIDC_CLIENT_SECRET": "b"},
        {"OIDC_ISSUER": "id.example.org", "OIDC_CLIENT_ID": "a", "OIDC_CLIENT_SECRET": "b"},
        {"OIDC_NEW_ACCOUNTS": "everybody"},
        {"TRUSTED_PROXIES": "10.0.0.0/8, everybody"},
    ],
)
def test_a_setting_that_is_wrong_is_named(given: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=r"OIDC_|TRUSTED_PROXIES"):
        settings.read(given)

"""A site that others can reach and nobody can sign in to: the one command prints a link, and through it somebody comes in."""

from __future__ import annotations

import re
from urllib.parse import urlencode, urlsplit

import pytest

from tests.stories.app_process import NO_MODEL, Start
from tests.stories.site_client import Site, until

PASSWORD = "four plain words here"
LINK = re.compile(r"https?://\S+/first/\S+")
PROXY = {"Host": "legwork.example.org", "X-Forwarded-For": "203.0.113.9"}  # what a proxy passes on of a stranger


@pytest.mark.parametrize(
    "reached",
    [
        {"HOST": "0.0.0.0", "SECRET_KEY": "k" * 40},
        {"TRUSTED_HOSTS": PROXY["Host"], "TRUSTED_PROXIES": "127.0.0.1"},
    ],
    ids=["directly", "through a proxy"],
)
def test_the_first_account_is_made_through_the_link_on_the_console(start_app: Start, reached: dict[str, str]) -> None:
    app = start_app(only=["web"], **reached, **NO_MODEL)
    until(lambda: LINK.search(app.said.read_text()), "the link")
    (link,) = LINK.findall(app.said.read_text())
    site, path = Site(app.url), urlsplit(link).path
    for headers in ({}, PROXY) if "TRUSTED_HOSTS" in reached else ({},):  # nobody is in, and nothing is open
        assert site.send("GET", "/people", **headers).status == site.send("GET", "/jobs", **headers).status == 303
        assert site.send("POST", "/api/v1/kinds/simulate/jobs", b"{}", **headers).status == 401
    page = site.get(path).text
    fields = {"name": "amara", "password": PASSWORD, "csrf_token": re.findall(r'csrf_token" value="([^"]+)"', page)[0]}
    made = site.send("POST", path, urlencode(fields).encode(), Content_Type="application/x-www-form-urlencoded")
    assert (made.status, made.headers["Location"]) == (303, "/")
    assert "amara" in site.get("/people").text
    assert Site(app.url).send("GET", path).status == 404
    assert path.rpartition("/")[2] not in (app.data_dir / "log" / "web.log").read_text()

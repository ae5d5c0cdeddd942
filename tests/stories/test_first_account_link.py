"""A site that others can reach and nobody can sign in to: the one command prints a link, and through it somebody comes in."""

from __future__ import annotations

import re
from urllib.parse import urlencode, urlsplit

from tests.stories.app_process import NO_MODEL, Start
from tests.stories.site_client import Site, until

PASSWORD = "four plain words here"
LINK = re.compile(r"http://\S+/first/\S+")


def test_the_first_account_is_made_through_the_link_on_the_console(start_app: Start) -> None:
    app = start_app(only=["web"], HOST="0.0.0.0", SECRET_KEY="k" * 40, **NO_MODEL)
    until(lambda: LINK.search(app.said.read_text()), "the link")
    (link,) = LINK.findall(app.said.read_text())
    site, path = Site(app.url), urlsplit(link).path
    assert site.send("GET", "/jobs").status == 303  # nobody is in, and nothing is open
    page = site.get(path).text
    fields = {"name": "amara", "password": PASSWORD, "csrf_token": re.findall(r'csrf_token" value="([^"]+)"', page)[0]}
    made = site.send("POST", path, urlencode(fields).encode(), Content_Type="application/x-www-form-urlencoded")
    assert (made.status, made.headers["Location"]) == (303, "/")
    assert "amara" in site.get("/people").text
    assert Site(app.url).send("GET", path).status == 404
    assert path.rpartition("/")[2] not in (app.data_dir / "log" / "web.log").read_text()

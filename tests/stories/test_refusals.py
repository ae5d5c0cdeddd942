"""What cannot be done is refused at the door, with the field named, nothing created, and nothing that was typed lost."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.fake_provider import FakeProvider
from tests.stories.site_client import Site, file, table

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89" * 40
WIDE = ",".join(f"c{number}" for number in range(10_000)).encode() + b"\n" + b"1," * 9_999 + b"1\n"
LATIN = "word,place\nsí,Málaga\nça,Besançon\n".encode("latin-1")
TYPED = "Kind words, <b>please</b> & “quickly”"


@dataclass(frozen=True)
class Bad:
    """One bad submission: a file, what is typed beside it, and the field that is to blame."""

    name: str
    data: bytes
    blamed: str
    says: str
    typed: dict[str, Any] = field(default_factory=dict)
    at_upload: bool = False  # the API refuses the file itself

    def __str__(self) -> str:
        return self.name.split(".")[0]


BAD = [
    Bad("unknown column.csv", table(3), "prompt", "nobody", {"prompt": "Hello {nobody}"}),
    Bad("empty.csv", b"", "source", "empty", at_upload=True),
    Bad("picture.csv", PNG, "source", ""),
    Bad("wide.csv", WIDE, "source", "10,000"),
    Bad("latin.csv", LATIN, "source", "", {"encoding": "utf-8"}),
    Bad("too many.csv", table(3), "concurrency", "64", {"concurrency": 65}),
    Bad("taken.csv", table(3), "output_column", "word", {"output_column": "word"}),
]


@pytest.fixture
def nothing_created(site: Site, provider: FakeProvider) -> Callable[[], None]:
    before, asked = site.api("/jobs?limit=200"), len(provider.calls())

    def check() -> None:
        assert site.api("/jobs?limit=200") == before
        assert len(provider.calls()) == asked

    return check


def hidden(page: str, name: str) -> str:
    found = re.search(rf'type="hidden" name="{name}" value="([^"]*)"', page)
    assert found, f"no hidden field {name}"
    return html.unescape(found[1])


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_the_api_names_the_field(site: Site, bad: Bad, nothing_created: Callable[[], None]) -> None:
    if bad.at_upload:
        refused = site.post("/api/v1/files", {"file": file(bad.name, bad.data)})
        assert refused.status == 422
        assert bad.says in refused.json["detail"]
    else:
        source = site.upload(bad.name, bad.data)
        refused = site.try_submit("generate_texts", {"source": source, "prompt": "{word}"} | bad.typed)
        assert refused.status == 422, refused.text
        (error,) = refused.json["errors"]
        assert error["field"] == bad.blamed
        assert bad.says in error["message"]
    assert refused.headers["Content-Type"] == "application/problem+json"
    nothing_created()


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_the_form_names_the_field_and_keeps_what_was_typed(
    site: Site, bad: Bad, nothing_created: Callable[[], None]
) -> None:
    blank = site.get("/kinds/generate_texts").text
    typed = {"prompt": "{word}", "system": TYPED, "max_tokens": 77} | bad.typed
    fields = {"csrf_token": hidden(blank, "csrf_token"), "_key": hidden(blank, "_key")} | {
        name: str(value) for name, value in typed.items()
    }
    answer = site.post("/kinds/generate_texts", fields | {"source": file(bad.name, bad.data)})
    page = html.unescape(answer.text)
    assert answer.status == 422
    error = re.search(rf'id="f-{bad.blamed}-error"[^>]*>.*?<span>(.*?)</span>', answer.text, re.S)
    assert error, "no sentence stands at the field"
    assert bad.says in html.unescape(error[1])
    for value in typed.values():
        assert str(value) in page
    if not bad.at_upload:
        assert bad.name in page  # the file need not be chosen again
        assert site.get(f"/api/v1/files/{hidden(answer.text, 'source')}").body == bad.data
    nothing_created()


def test_what_was_refused_can_be_put_right_and_sent(site: Site, provider: FakeProvider) -> None:
    blank = site.get("/kinds/generate_texts").text
    fields = {"csrf_token": hidden(blank, "csrf_token"), "_key": hidden(blank, "_key"), "max_tokens": "77"}
    refused = site.post(
        "/kinds/generate_texts", fields | {"prompt": "Hi {nobody}", "source": file("words.csv", table(2))}
    )
    fields |= {"prompt": "Hi {word}", "source": hidden(refused.text, "source"), "_key": hidden(refused.text, "_key")}
    answer = site.post("/kinds/generate_texts", fields)
    assert answer.status == 303
    job = site.ended(answer.headers["Location"].rsplit("/", 1)[1])
    assert (job["state"], job["progress"]["done"], job["params"]["max_tokens"]) == ("succeeded", 2, 77)
    assert {"Hi w0001", "Hi w0002"} <= {call["prompt"] for call in provider.calls()}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[" * 100_000, 400),
        (b'{"naps": NaN}', 400),
        (b'{"naps": 1, "naps": 2}', 400),
        (b"[1]", 422),
        (b'{"naps": -1}', 422),
        (b'{"naps": "3"}', 422),
        (b'{"naps": 3, "state": "succeeded"}', 422),
        (b'{"witness": "\\u0000"}', 422),
        (b'{"witness": "\\ud800"}', 422),
        (b'{"naps": 1180591620717411303424}', 422),
    ],
)
def test_a_body_that_is_no_job_is_refused(
    site: Site, body: bytes, status: int, nothing_created: Callable[[], None]
) -> None:
    answer = site.send("POST", "/api/v1/kinds/nap/jobs", body, Content_Type="application/json")
    assert answer.status == status, answer.text
    assert answer.json["detail"]
    nothing_created()

"""A form tried out on three rows: streamed into a page, no job, nothing left behind. The provider is real and does as told."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from jobs.engine.chat import trials
from jobs.engine.errors import BadInput
from jobs.engine.llm import client as llm_client
from jobs.engine.llm import provider_batches, providers
from jobs.engine.llm.prices import Rates
from tests.fake_provider import FakeProvider
from tests.stories.site_client import until
from webapp.jobs import trials as trials_page

FORM = {
    "source": "sample:reviews.csv",
    "prompt": "About {product}: {review}",
    "output_column": "text",
    "max_tokens": "60",
    "concurrency": "4",
    "_key": "k",
}


@pytest.fixture(scope="module")
def app(app_with_model: Flask) -> Flask:
    return app_with_model


pytestmark = pytest.mark.usefixtures("clean")


def tried(client: FlaskClient, **other: Any) -> str:
    shown = client.post("/kinds/generate_texts/try", data=FORM | other)
    assert shown.status_code == 200
    return shown.text


def test_three_rows_are_answered_and_no_job_is_made(client: FlaskClient, provider: FakeProvider) -> None:
    before = len(provider.calls())
    page = tried(client)
    assert len(provider.calls()) - before == 3
    assert page.count('class="turn answer"') == 3 and len(re.findall(r"Answer [0-9a-f]{12} to: About ", page)) == 3
    assert ">Prompt</summary>" in page and "tokens in" in page
    assert '<input type="hidden" name="prompt" value="About {product}: {review}">' in page
    assert client.get("/api/v1/jobs").json["jobs"] == []
    body = provider.calls()[-1]["body"]
    assert (body["stream"], body["max_tokens"]) == (True, 60)


def test_it_says_what_all_rows_will_cost(
    client: FlaskClient,
    provider: FakeProvider,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "will cost about" not in tried(client)  # no price, never 0
    monkeypatch.setattr(providers.Connection, "own_rates", lambda self, model: Rates.of({"input": 100, "output": 400}))
    page = tried(client)
    assert re.search(r"All \d+ rows will cost about \$\d+\.\d+ to \$\d+\.\d+, by the 3 that were asked", page)
    assert (
        page.count(" tokens in ") == 3 and len(re.findall(r" s, \$0\.\d+|ms, \$0\.\d+|\$0\.\d+, the first", page)) == 3
    )
    monkeypatch.setattr(provider_batches, "offers_batches", lambda: True)
    assert re.search(r"cost about \$\d+\.\d+ to \$\d+\.\d+, half the price of now, by", tried(client, when="day"))


def test_the_page_comes_as_the_answers_do(client: FlaskClient, provider: FakeProvider) -> None:
    """Without script, so what is read first must be sent first."""
    provider.script(do=[{"do": "slow", "text": "one two three four", "hold": 2, "calls": 3}])
    answer = client.post("/kinds/generate_texts/try", data=FORM, buffered=False)
    parts = iter(answer.response)
    page = ""
    while "two" not in page:
        page += next(parts).decode()
    assert "three" not in page and 'id="row-2"' not in page
    until(lambda: len(provider.calls()) >= 3, "the third question")
    provider.script()
    whole = page + b"".join(parts).decode()
    assert whole.count("one two three four") == 3 and whole.rstrip().endswith("</html>")
    answer.close()


def test_what_is_wrong_is_said_at_the_field(client: FlaskClient, provider: FakeProvider) -> None:
    before = len(provider.calls())
    refused = client.post("/kinds/generate_texts/try", data=FORM | {"prompt": "About {prodct}"})
    assert refused.status_code == 422 and "Did you mean {product}?" in refused.text
    assert len(provider.calls()) == before


def test_what_goes_wrong_with_a_row_is_said_there(client: FlaskClient, provider: FakeProvider) -> None:
    provider.script(do=[{"do": "status", "status": 401}, {"do": "break"}, {"do": "length"}])
    page = tried(client)
    assert "refused the key" in page and "broke before the answer ended" in page and "limit of tokens" in page


def test_model_output_is_text_and_nothing_else(client: FlaskClient, provider: FakeProvider) -> None:
    provider.script(do=[{"do": "slow", "text": "<script>alert(1)</script>", "calls": 3}])
    page = tried(client)
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 3 and "<script>alert" not in page


def test_leaving_ends_the_requests(client: FlaskClient, provider: FakeProvider) -> None:
    provider.script(do=[{"do": "endless", "token_seconds": 0.02, "calls": 3}])
    answer = client.post("/kinds/generate_texts/try", data=FORM, buffered=False)
    page = b""
    for part in answer.response:
        page += part
        if b"more more" in page:
            break
    answer.close()
    until(lambda: all(call["left"] for call in provider.calls()[-3:]), "the provider seeing it")


def test_a_silent_model_is_not_waited_for(
    client: FlaskClient, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llm_client, "SILENCE_SECONDS", 0.5)
    provider.script(do=[{"do": "silence", "calls": 3}])
    assert tried(client).count("fell silent") == 3


def test_only_so_many_at_a_time(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "MOST_OPEN", 0)
    assert client.post("/kinds/generate_texts/try", data=FORM).status_code == 429


def test_other_kinds_are_tried_as_jobs(client: FlaskClient) -> None:
    assert client.post("/kinds/import_data/try", data={}).status_code == 404
    assert 'name="sample" value="3"' in client.get("/kinds/query_data?example=1").text
    for whole in ("run_agent", "build_report"):  # a part of either says nothing
        page = client.get(f"/kinds/{whole}?example=1").text
        assert "Start</button>" in page and "Try on" not in page
    form = client.get("/kinds/generate_texts?example=1").text
    assert 'formaction="/kinds/generate_texts/try"' in form and 'name="sample"' not in form


@pytest.mark.slow
@pytest.mark.parametrize("script", [True, False])
def test_a_person_tries_and_starts(chrome: Any, site: str, provider: FakeProvider, script: bool) -> None:
    context = chrome.new_context(java_script_enabled=script)
    tab: Page = context.new_page()
    tab.goto(f"{site}/kinds/generate_texts?example=1")
    tab.get_by_role("button", name="Try on 3 rows").click()
    expect(tab.get_by_text("to: A customer wrote about our")).to_have_count(3, timeout=60_000)
    tab.get_by_role("button", name="Back to the form").last.click()
    assert "A customer wrote about our {product}" in tab.get_by_role("textbox", name="Prompt").input_value()
    tab.get_by_role("button", name="Start", exact=True).last.click()
    tab.wait_for_url("**/jobs/*")
    context.close()


def test_an_error_after_the_page_has_begun_is_text(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise BadInput("<script>alert(1)</script> & <b>")

    monkeypatch.setattr(trials_page, "_Heard", lambda connection: broken)
    page = client.post("/kinds/generate_texts/try", data=FORM).text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &lt;b&gt;" in page and "<script>alert" not in page

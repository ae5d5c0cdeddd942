"""The catalogue and the forms, before anything is submitted."""

from __future__ import annotations

import json

import pytest
from flask.testing import FlaskClient

from jobs.engine import kinds
from tests.web import factories
from tests.web.signed_in import hidden
from webapp import forms


def test_the_catalogue_shows_every_kind_in_its_group(client: FlaskClient) -> None:
    page = client.get("/").text
    assert "Text and AI" in page and "Generate texts" in page
    assert "/kinds/generate_texts?example=1" in page
    mail = client.get("/?group=Mail").text
    assert "/kinds/send_emails" in mail and 'href="/kinds/simulate"' not in mail


def test_a_broken_kind_is_shown_off_with_its_reason(client: FlaskClient) -> None:
    page = client.get("/").text
    assert "libfriction is not installed" in page
    answer = client.get("/kinds/broken")
    assert answer.status_code == 503
    assert "libfriction is not installed" in answer.text


def test_kinds_are_found_by_their_words(client: FlaskClient) -> None:
    page = client.get("/?q=write+TEXT").text
    assert "/kinds/generate_texts" in page and "/kinds/questions" not in page
    assert "No kind matches" in client.get("/?q=<script>").text
    for words in (
        "translate",
        "excel",
        "pdf",
        "deduplicate",
        "newsletter",
        "chart",
        "summarise",
        "similar",
        "monte carlo",
        "csv",
    ):
        assert '<li class="card"' in client.get("/", query_string={"q": words}).text, words
    assert "<script>alert" not in client.get("/?q=<script>alert(1)</script>").text


def test_each_recipe_opens_a_form_that_can_be_started(client: FlaskClient) -> None:
    page = client.get("/").text
    found = [(kind, place, one) for kind in kinds.kinds() for place, one in enumerate(kind.recipes, 1)]
    assert len(found) >= 10
    for kind, place, recipe in found:
        assert f'href="/kinds/{kind.name}?recipe={place}"' in page and recipe.title in page
        form = client.get(f"/kinds/{kind.name}?recipe={place}")
        assert form.status_code == 200 and "to correct" not in form.text
        read, errors = forms.params_of(forms.of_kind(kind), forms.filled(forms.of_kind(kind), recipe.params))
        assert kind.Params.model_validate(read) and not errors
    assert (
        client.get("/kinds/simulate?recipe=9").status_code == client.get("/kinds/simulate?recipe=x").status_code == 404
    )


def test_the_welcome_is_hidden_for_good(client: FlaskClient) -> None:
    assert "SMTP_URL" in client.get("/").text
    token = client.get("/").text.split('name="csrf_token" value="')[1].split('"')[0]
    answer = client.post("/welcome/hide", data={"csrf_token": token})
    assert (answer.status_code, answer.location) == (303, "/")
    assert "SMTP_URL" not in client.get("/").text


def test_the_jobs_beside_the_catalogue_are_a_fragment(client: FlaskClient) -> None:
    factories.ended(factories.waiting(naps=3), outcomes=factories.outcomes(done=3), total=3, whole=True)
    part = client.get("/", headers={"HX-Request": "true"}).text
    assert part.lstrip().startswith('<aside id="mine"')
    assert "3 of 3 naps" in part


def test_a_kind_without_a_worker_says_so(client: FlaskClient) -> None:
    assert "No worker serves queue cpu now" in client.get("/kinds/questions").text


def test_a_blank_form_has_no_errors_and_the_example_shows_its_table(client: FlaskClient) -> None:
    assert "to correct" not in client.get("/kinds/questions").text
    page = client.get("/kinds/questions?example=1").text
    assert "12 rows, 5 columns." in page
    assert 'data-insert="{product}"' in page
    assert "1,234 answers" not in page and "press Check to see it" in page  # an address alone computes nothing
    fields = {"csrf_token": hidden(page), "json": "1", "_pasted": json.dumps(kinds.kind("questions").example)}
    assert "1,234 answers" in client.post("/kinds/questions", data=fields).text


def test_the_address_fills_fields_in_but_never_a_secret(client: FlaskClient) -> None:
    page = client.get("/kinds/questions?word=%22%3E%3Cb%3E&whole=11&sure=0&key=hunter2&nonsense=1").text
    assert 'value="&#34;&gt;&lt;b&gt;"' in page
    assert 'value="11"' in page
    assert 'value="hunter2"' not in page and "hunter2" not in client.get("/kinds/questions?example=1").text


def test_another_jobs_params_fill_the_form(client: FlaskClient) -> None:
    job = factories.waiting("questions", word="again", side="left", story="a\nb", whole=9)
    page = client.get(f"/kinds/questions?from={job.id}").text
    assert 'value="again"' in page and "a\nb</textarea>" in page
    assert f'name="_parent" value="{job.id}"' in page
    assert client.get(f"/kinds/nap?from={job.id}").status_code == 404


@pytest.mark.parametrize(
    "address", ["/kinds/nothing", "/kinds/os.path", "/kinds/questions?from=1", "/kinds/questions?from=../etc"]
)
def test_what_is_not_there_is_404_with_a_way_on(client: FlaskClient, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 404
    assert "Open the catalogue" in answer.text


@pytest.mark.parametrize("address", ["/", "/jobs", "/kinds/questions?example=1", "/kinds/generate_texts"])
def test_no_page_has_script_or_style_of_its_own(client: FlaskClient, address: str) -> None:
    page = client.get(address).text
    assert "<style" not in page and " style=" not in page and " onclick=" not in page
    assert all("src=" in part.split(">")[0] for part in page.split("<script")[1:])


def test_the_theme_is_kept_and_leads_back_to_this_site_only(client: FlaskClient) -> None:
    token = client.get("/jobs").text.split('name="csrf_token" value="')[1].split('"')[0]
    answer = client.post("/theme", data={"csrf_token": token, "theme": "dark", "next": "/jobs?state=failed"})
    assert (answer.status_code, answer.location) == (303, "/jobs?state=failed")
    assert 'class="theme-dark"' in client.get("/").text
    away = client.post("/theme", data={"csrf_token": token, "theme": "<b>", "next": "//evil.example"})
    assert away.location == "/"
    assert "theme-" not in client.get("/").text.split("<head>")[0]


def test_formats_that_the_files_cannot_become_are_not_offered(client: FlaskClient) -> None:
    page = client.get("/kinds/convert_files?example=1").text
    assert 'value="parquet"' in page
    sent = {"csrf_token": hidden(page), "files": "sample:reviews.csv", "to": "xlsx", "check": "1"}
    narrowed = client.post("/kinds/convert_files", data=sent).text
    assert 'value="parquet"' in narrowed and 'value="docx"' not in narrowed
    both = client.post("/kinds/convert_files", data=sent | {"files": ["sample:reviews.csv", "sample:notice.html"]}).text
    assert "1 of 2 files will be listed as failed" in both and 'value="docx"' in both


def test_files_in_the_address_come_on_top_of_the_example(client: FlaskClient) -> None:
    page = client.get("/kinds/query_data?example=1&files=sample:reviews.csv").text
    assert 'value="sample:reviews.csv"' in page and 'value="sample:orders.csv"' not in page and "select city" in page

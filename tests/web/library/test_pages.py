"""The library's pages and its API, over documents that a job read and indexed."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator

from jobs import process_files
from jobs.engine import library
from tests.kinds.job_runs import done, items
from tests.page_words import machine_words
from webapp.http.guards import LOCAL_OWNER
from webapp.library.pages import marked


@pytest.fixture(scope="module")
def filled(app: Flask) -> dict[str, str]:
    """The samples, read and indexed: file name -> document id. And the jobs that did it."""
    read = done("process_files", **process_files.EXAMPLE)
    indexed = done("index_documents", collection="samples")
    found = {item.input["file"]: item.output["document"] for item in items(read)}
    return found | {"read": str(read.id), "indexed": str(indexed.id)}


def text_of(html: str) -> str:
    return " ".join(re.sub("<[^>]+>", " ", html).split())


def test_the_menu_leads_to_the_library(client: FlaskClient) -> None:
    assert 'href="/library"' in client.get("/").text


def test_an_empty_library_says_what_to_do(client: FlaskClient) -> None:
    assert "No documents yet" in client.get("/library?q=nothing").text or library.count(LOCAL_OWNER)
    assert client.get("/search").status_code == 200


@pytest.mark.slow
def test_the_library_lists_collections_and_documents(client: FlaskClient, filled: dict[str, str]) -> None:
    page = client.get("/library").text
    assert "Sending things back" in page and "Price list" in page
    assert "all-MiniLM-L6-v2" in page
    only = client.get("/library?collection=samples&q=price").text
    assert "Price list" in only and "Sending things back" not in only.split('id="documents"')[1]
    assert "No document matches" in client.get("/library?q=zzz").text
    assert machine_words(page) == []


def test_a_document_shows_its_text_passages_and_file(client: FlaskClient, filled: dict[str, str]) -> None:
    mail = client.get(f"/library/{filled['switch.eml']}").text
    assert "the switch broke in the second week" in mail and "1 passage" in mail
    assert "Documents like this" in mail and machine_words(mail) == []
    assert f'href="/library/{filled["shop-handbook.md"]}?passage=' in mail
    (download,) = set(re.findall(r'href="(/files/[^"]+)"', mail))
    assert client.get(download).data.startswith(b"From: Ada Okafor")
    picture = client.get(f"/library/{filled['price-list.pdf']}/thumbnail.png")
    assert (picture.mimetype, picture.data[:4]) == ("image/png", b"\x89PNG")
    assert client.get(f"/library/{filled['shop-handbook.md']}/thumbnail.png").status_code == 404


def test_a_long_text_comes_in_parts(client: FlaskClient, app: Flask) -> None:
    long = library.add_text(LOCAL_OWNER, "long", "Long", "".join(f"line {n}\n" for n in range(10_000)))
    assert "line 0\n" in client.get(f"/library/{long}").text
    further = client.get(f"/library/{long}?from=40000").text
    assert "line 0\n" not in further and "?from=80000" in further
    for odd in ("-1", "9" * 30, "x", "%00"):
        assert client.get(f"/library/{long}?from={odd}").status_code == 200


def test_text_of_strangers_is_never_markup(client: FlaskClient, app: Flask) -> None:
    evil = "<script>alert(1)</script>"
    number = library.add_text(LOCAL_OWNER, evil, evil, evil, name=evil, tags=[evil], meta={"path": evil, "note": evil})
    done("index_documents", collection=evil)
    for page in (f"/library/{number}", "/library", f"/library/{number}/delete", "/search?q=script alert(1)"):
        html = client.get(page).text
        assert evil not in html
        assert "&lt;script&gt;" in html or "<mark>script</mark>" in html


def test_search_finds_and_marks(client: FlaskClient, filled: dict[str, str]) -> None:
    page = client.get("/search?q=who pays for the postage&collection=samples").text
    first = page.split("<li>")[-12:]
    assert "Sending things back" in text_of(page.split('class="rows found"')[1])[:200]
    assert "<mark>postage</mark>" in page and first
    link = re.findall(r'href="(/library/[^"]*passage[^"]*)"', page)[0].replace("&amp;", "&")
    assert link.endswith("#here")
    cited = client.get(link.partition("#")[0]).text.split('<mark class="cited" id="here">')[1].split("</mark>")[0]
    assert "<b>postage</b>" in cited
    assert 'id="here"' not in client.get(re.sub("passage=[0-9]+", "passage=9999", link)).text
    assert "Nothing found" in client.get("/search?q=x&collection=none").text


def test_the_jobs_lead_on(client: FlaskClient, filled: dict[str, str]) -> None:
    read = client.get(f"/jobs/{filled['read']}").text
    assert "5 files added to samples" in text_of(read) and "/kinds/index_documents?collection=samples" in read
    indexed = client.get(f"/jobs/{filled['indexed']}").text
    assert 'action="/search"' in indexed and 'value="samples"' in indexed
    form = client.get("/kinds/index_documents?collection=samples").text
    assert 'value="samples"' in form


def test_many_files_go_in_by_one_form(client: FlaskClient, app: Flask) -> None:
    app.config["WTF_CSRF_ENABLED"] = False
    try:
        data = {"files": [(io.BytesIO(b"One."), "one.txt"), (io.BytesIO(b"Two."), "two.txt")], "collection": "two"}
        answer = client.post("/kinds/process_files", data=data | {"duplicates": "skip", "ocr": ""})
    finally:
        app.config["WTF_CSRF_ENABLED"] = True
    assert answer.status_code == 303, text_of(answer.text)[:2_000]
    job = client.get(answer.headers["Location"].replace("/jobs/", "/api/v1/jobs/")).get_json()
    assert len(job["params"]["files"]) == 2


def test_a_document_can_be_deleted(client: FlaskClient, app: Flask) -> None:
    number = library.add_text(LOCAL_OWNER, "short", "Short", "x")
    page = client.get(f"/library/{number}/delete").text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token and client.post(f"/library/{number}/delete").status_code == 400
    assert client.post(f"/library/{number}/delete", data={"csrf_token": token[1]}).status_code == 303
    assert client.get(f"/library/{number}").status_code == 404


def test_what_is_not_there_is_not_found(client: FlaskClient, app: Flask) -> None:
    theirs = library.add_text("other", "a", "Theirs", "x")
    for number in ("x", "00000000-0000-0000-0000-000000000000", theirs):
        for page in (f"/library/{number}", f"/library/{number}/thumbnail.png", f"/api/v1/documents/{number}"):
            assert client.get(page).status_code == 404
        assert client.delete(f"/api/v1/documents/{number}").status_code == 404
    assert library.document(theirs, "other").title == "Theirs"


def test_the_api_answers_as_described(client: FlaskClient, filled: dict[str, str]) -> None:
    description = client.get("/api/v1/openapi.json").get_json()

    def fits(shape: str, value: object) -> bool:
        schema = {"$ref": f"#/components/schemas/{shape}", "components": description["components"]}
        return not list(Draft202012Validator(schema).iter_errors(value))

    listed = client.get("/api/v1/documents?collection=samples&limit=2").get_json()
    assert fits("Documents", listed) and len(listed["documents"]) == 2 and listed["next"]
    rest = client.get(f"/api/v1/documents?collection=samples&after={listed['next']}").get_json()
    assert len(rest["documents"]) == 3 and rest["next"] is None
    found = client.get("/api/v1/search?q=TK-210&limit=3").get_json()
    assert fits("Passages", found) and found["passages"][0]["document"] == filled["shop-handbook.md"]
    assert "TK-210" in client.get(found["passages"][0]["url"]).get_json()["text"]
    like = client.get(f"/api/v1/documents/{filled['shop-handbook.md']}/similar?limit=2").get_json()
    assert fits("SimilarDocuments", like) and len(like["documents"]) == 2
    assert client.get(f"/api/v1/documents/{filled['shop-handbook.md']}/similar?limit=0").status_code == 422
    assert client.get(f"/api/v1/documents/{filled['indexed']}/similar").status_code == 404
    assert client.get("/api/v1/search").status_code == 422
    assert client.get("/api/v1/search?q=x&limit=0").status_code == 422


def test_words_are_marked_whole() -> None:
    assert marked("A cats, a catsup. E1", "cats e1 a") == [
        (False, "A "),
        (True, "cats"),
        (False, ", a catsup. "),
        (True, "E1"),
    ]
    assert marked("", "cat") == []


@pytest.mark.slow
def test_a_search_loads_nothing_heavy(app: Flask, filled: dict[str, str]) -> None:
    code = (
        "import sys; from webapp.app import create_app; page = create_app({'TESTING': True}).test_client().get('/search?q=broken');"
        "assert '<mark>Broken</mark>' in page.text, page.text;"
        "print(sorted({'numpy', 'onnxruntime', 'tokenizers', 'aiohttp', 'openai', 'PIL', 'duckdb'} & set(sys.modules)))"
    )
    done_ = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[3])
    assert (done_.stdout, done_.returncode) == ("[]\n", 0), done_.stderr

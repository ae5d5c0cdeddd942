"""“Use in…”, “Do it now”, and links that fill a form in."""

from __future__ import annotations

import io
from urllib.parse import urlencode

import pytest
from flask.testing import FlaskClient

from jobs.engine import files as engine_files
from jobs.engine import kinds, queue
from jobs.engine.db import models, postgres
from tests.web import factories
from tests.web.signed_in import hidden
from webapp.http.guards import LOCAL_OWNER
from webapp.jobs import uses


def test_a_file_leads_to_the_forms_that_take_it(client: FlaskClient) -> None:
    table = engine_files.upload(io.BytesIO(b"name,age\nann,3\n"), "people.csv", owner=LOCAL_OWNER)
    page = client.get(f"/files/{table.id}/use").text
    for address in ("query_data?files=", "build_report?source=", "generate_texts?source=", "convert_files?files="):
        assert f"/kinds/{address}{table.id}" in page
    assert "/kinds/export_data" not in page and "/kinds/run_tools" not in page
    form = client.get(f"/kinds/generate_texts?source={table.id}").text
    assert "people.csv" in form and 'data-insert="{age}"' in form
    text = engine_files.upload(io.BytesIO(b"%PDF-1.4\n%\xe2\xe3\n"), "a.pdf", owner=LOCAL_OWNER)
    page = client.get(f"/files/{text.id}/use").text
    assert f"/kinds/process_files?files={text.id}" in page and "build_report" not in page
    assert client.get("/files/00000000-0000-0000-0000-000000000000/use").status_code == 404


def test_a_file_of_a_job_is_saved_under_a_name(client: FlaskClient) -> None:
    job = factories.waiting("query_data", files=["sample:orders.csv"], sql="select 1")
    kept = engine_files.blob_storage().put(io.BytesIO(b"a,b\n1,2\n"), limit=None)
    with postgres.session() as session:
        facts = {"bytes": kept.bytes, "sha256": kept.sha256, "blob": kept.key, "media_type": "text/csv"}
        made = models.File(owner=LOCAL_OWNER, job_id=job.id, name="result.csv", **facts)
        session.add(made)
        session.flush()
    page = client.get(f"/files/{made.id}/use")
    fields = {"csrf_token": hidden(page.text), "name": "../Cities of “2026”"}
    answer = client.post(f"/files/{made.id}/keep", data=fields)
    assert answer.status_code == 303
    saved = engine_files.file(answer.location.split("/")[2], LOCAL_OWNER)
    assert (saved.name, saved.job_id, saved.table and saved.table["columns"]) == (
        "Cities of “2026”.csv",
        None,
        ["a", "b"],
    )
    page = client.get(answer.location).text
    assert "Saved as Cities of “2026”.csv" in page and "Keep it" not in page
    assert "Cities of “2026”.csv" in client.get("/kinds/build_report").text


def test_the_rows_of_a_job_are_the_table_of_another(client: FlaskClient) -> None:
    job = factories.ended(factories.waiting(naps=2), outcomes=factories.outcomes(done=2), total=2)
    assert f'href="/jobs/{job.id}/use"' in client.get(f"/jobs/{job.id}").text
    page = client.get(f"/jobs/{job.id}/use").text
    assert f"/kinds/query_data?files=job%3A{job.id}" in page
    form = client.get(f"/kinds/build_report?source=job%3A{job.id}").text
    assert "2 rows" in form and "A text 1" in form and f'<a href="/jobs/{job.id}">rows of a job</a>' in form
    assert not any(file.name.startswith("nap") for file in engine_files.list_uploads(LOCAL_OWNER))
    empty = factories.waiting(naps=1)
    assert "Nothing to use yet" in client.get(f"/jobs/{empty.id}/use").text
    assert "The file that was chosen is not there" in client.get(f"/kinds/build_report?source=job%3A{empty.id}").text


def test_a_job_says_whose_rows_it_read(client: FlaskClient) -> None:
    read = factories.ended(factories.waiting(naps=2), outcomes=factories.outcomes(done=2), total=2)
    job = factories.waiting("query_data", files=[f"job:{read.id}"], sql="select count(*) from nap_result")
    assert job.label == "nap result.jsonl"
    page = client.get(f"/jobs/{job.id}/input").text
    assert f'<a href="/jobs/{read.id}">nap result.jsonl</a>' in page


def test_a_collection_leads_on(client: FlaskClient) -> None:
    page = client.get("/use?collection=my+letters").text
    assert "/kinds/index_documents?collection=my+letters" in page
    assert "/kinds/export_data?filter.collection=my+letters" in page
    assert "/kinds/bulk_update?selection.collection=my+letters" in page
    assert "import_data" not in page and "process_files" not in page
    assert 'value="my letters"' in client.get("/kinds/bulk_update?selection.collection=my+letters").text


def test_a_mapping_in_the_address_fills_its_fields(client: FlaskClient) -> None:
    asked = urlencode({"operation": "undo", "values": '{"job": "0123"}'})
    assert 'name="values.job" type="text" value="0123"' in client.get(f"/kinds/bulk_update?{asked}").text
    assert client.get("/kinds/bulk_update?values=no+json").status_code == 200


def test_a_dry_run_is_done_with_the_same_params(client: FlaskClient) -> None:
    tried = factories.waiting("bulk_update", **kinds.kind("bulk_update").example)
    tried = factories.ended(tried, outcomes=factories.outcomes(done=1), total=1)
    page = client.get(f"/jobs/{tried.id}").text
    assert "Do it now" in page
    sent = {"csrf_token": hidden(page)}
    first, again = (client.post(f"/jobs/{tried.id}/now", data=sent).location for _ in range(2))
    assert first == again
    done = queue.job(first.rpartition("/")[2], LOCAL_OWNER)
    assert done.params == {**tried.params, "dry_run": False} and done.parent == tried.id
    assert client.post(f"/jobs/{done.id}/now", data=sent).status_code == 409


def test_kinds_that_were_read_again_are_offered(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    before = uses._uses("table")
    monkeypatch.setattr(uses.kinds, "kinds", lambda: [])
    assert uses._uses("table") == before
    version = uses.kinds.version()
    monkeypatch.setattr(uses.kinds, "version", lambda: version + 1)
    assert uses._uses("table") == ()

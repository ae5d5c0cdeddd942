"""Downloads: always an attachment, whole or in part, with a name that harms nobody."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from jobs.engine import settings
from jobs.engine.files import uploads
from jobs.engine.sandbox import child_limit
from jobs.engine.sandbox.child_limit import ChildLimit
from tests.web import factories
from webapp.http.guards import LOCAL_OWNER


def upload(content: bytes = b"name\nkettle\n", name: str = "mine.csv") -> Any:
    return uploads.upload(io.BytesIO(content), name, owner=LOCAL_OWNER)


def test_a_file_comes_whole_as_an_attachment(client: FlaskClient) -> None:
    content = bytes(range(256)) * 3000
    answer = client.get(f"/files/{upload(content, 'page.html').id}", buffered=True)
    assert answer.data == content
    assert answer.headers["Content-Length"] == str(len(content))
    assert answer.headers["Content-Disposition"] == "attachment; filename=page.html"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(("asked", "part"), [("bytes=0-3", b"name"), ("bytes=5-10", b"kettle"), ("bytes=-2", b"e\n")])
def test_a_part_of_a_file(client: FlaskClient, asked: str, part: bytes) -> None:
    answer = client.get(f"/files/{upload().id}", headers={"Range": asked}, buffered=True)
    assert answer.status_code == 206
    assert answer.data == part


def test_a_part_that_is_not_there(client: FlaskClient) -> None:
    assert client.get(f"/files/{upload().id}", headers={"Range": "bytes=900-"}, buffered=True).status_code == 416


def test_a_file_that_is_known_is_not_sent_again(client: FlaskClient) -> None:
    file = upload()
    version = client.get(f"/files/{file.id}", buffered=True).headers["ETag"]
    assert client.get(f"/files/{file.id}", headers={"If-None-Match": version}, buffered=True).status_code == 304
    assert client.head(f"/files/{file.id}", buffered=True).headers["Content-Length"] == str(file.bytes)


def test_items_come_as_a_table_while_the_job_runs(client: FlaskClient) -> None:
    job, _ = factories.running(factories.waiting(), total=9, outcomes=factories.outcomes(done=2, failed=1))
    lines = [json.loads(line) for line in client.get(f"/jobs/{job.id}/items.jsonl").text.splitlines()]
    assert [line["_state"] for line in lines] == ["done", "done", "failed"]
    failed = client.get(f"/jobs/{job.id}/items.jsonl?state=failed").text.splitlines()
    assert [json.loads(line)["_error"] for line in failed] == ["The model gave no answer."]


@pytest.mark.parametrize(
    ("format", "starts"), [("csv", b"\xef\xbb\xbf"), ("jsonl", b"{"), ("xlsx", b"PK"), ("parquet", b"PAR1")]
)
def test_every_format_can_be_downloaded(client: FlaskClient, format: str, starts: bytes) -> None:
    job = factories.ended(factories.waiting(), outcomes=factories.outcomes(done=2), total=2, whole=True)
    answer = client.get(f"/jobs/{job.id}/items.{format}")
    assert answer.status_code == 200 and answer.data.startswith(starts)
    assert (
        answer.headers["Content-Disposition"].startswith("attachment")
        and f".{format}" in answer.headers["Content-Disposition"]
    )


def test_a_format_that_is_none_is_404(client: FlaskClient) -> None:
    assert client.get(f"/jobs/{factories.waiting().id}/items.exe").status_code == 404


def test_the_log_comes_as_text(client: FlaskClient) -> None:
    lines = [("info", f"line {number}") for number in range(1200)]
    job = factories.ended(factories.waiting(), lines=lines)
    text = client.get(f"/jobs/{job.id}/log.txt").text
    assert [line.split("info    ")[1] for line in text.splitlines()] == [line for _, line in lines]


def test_where_too_many_files_are_read_one_is_not_taken(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A web process reads some files at a time, and only a share of them for one owner."""
    limit = ChildLimit(3, 2, 0.05)
    monkeypatch.setattr(child_limit, "_limit", limit)
    before = blobs()
    body = {"file": (io.BytesIO(b'{"a": 1}\n' * 20_000), "many.jsonl")}
    with limit.place(LOCAL_OWNER), limit.place(LOCAL_OWNER):
        answer = client.post("/api/v1/files", data=body)
        assert (answer.status_code, answer.json["reason"], answer.headers["Retry-After"]) == (429, "busy", "5")
        assert "Try again in a minute" in answer.json["detail"] and blobs() == before
    body = {"file": (io.BytesIO(b'{"a": 1}\n' * 20_000), "many.jsonl")}
    assert client.post("/api/v1/files", data=body).status_code == 201


def blobs() -> list[str]:
    return [path.name for path in (settings.current().data_dir / "files").rglob("*") if path.is_file()]

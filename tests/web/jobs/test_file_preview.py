"""Files looked at in the browser, and all of a job in one zip: nothing in them can run."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient

from jobs.engine.db import postgres
from jobs.engine.files import inputs, uploads
from jobs.engine.files.storage import blob_storage
from jobs.engine.queue import job_log, ledger
from tests.page_words import machine_words, uneven_columns
from tests.web import factories
from webapp.http.guards import LOCAL_OWNER
from webapp.jobs import zip_download


def upload(content: bytes, name: str) -> Any:
    return uploads.upload(io.BytesIO(content), name, owner=LOCAL_OWNER)


def png(width: int = 4, height: int = 3) -> bytes:
    """A grey picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\x80" * width) * height)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def with_files(*files: tuple[str, bytes]) -> Any:
    """An ended job that left these."""
    job, claim = factories.running(
        factories.waiting(), total=2, outcomes=factories.outcomes(done=2), lines=[("info", "hello")]
    )
    for name, content in files:
        blob = blob_storage().put(io.BytesIO(content), limit=None)
        with postgres.session() as session:
            ledger.add_file(session.connection(), claim, name, "text/plain", blob)
    with postgres.session() as session:
        ledger.settle(session.connection(), job.id, claim.lease, "succeeded")
    return factories.again(job)


def test_a_table_is_shown_as_a_table(client: FlaskClient) -> None:
    file = upload(b"name,stars<br>\nkettle,5\n", "mine.csv")
    text = client.get(f"/files/{file.id}/preview").text
    assert "<td" in text and "kettle" in text and "stars&lt;br&gt;" in text


def test_all_rows_of_a_table_are_reached_sorted_and_searched(client: FlaskClient) -> None:
    lines = "".join(f"kettle {n},{n}\n" for n in range(1, 2_301))
    address = f"/files/{upload(f'name,stars{chr(10)}{lines}'.encode(), 'mine.csv').id}/preview"
    text = client.get(address).text
    assert "1 to 50 of 2,300 rows" in text and "among the first 1,000 of 2,300" in text and 'href="?from=1000"' in text
    assert machine_words(text) == [] and uneven_columns(text) == []
    text = client.get(f"{address}?sort=stars&dir=desc").text
    assert text.index("kettle 1000") < text.index("kettle 999")
    text = client.get(f"{address}?from=2000&q=kettle+2299").text
    assert ">2,299<" in text and "?from=1000" in text and "rows 2,001 to 2,300" in text


@pytest.mark.parametrize("name", ["page.html", "notes.md", "x.txt", "x.xml"])
def test_text_is_shown_as_text(client: FlaskClient, name: str) -> None:
    text = client.get(
        f"/files/{upload(b'<script>alert(1)</script> ![x](https://evil.example/)', name).id}/preview?as=text"
    ).text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<script>alert" not in text and '<img src="https' not in text


def test_a_page_is_shown_in_a_frame_in_which_nothing_runs(client: FlaskClient) -> None:
    evil = b"<h1>Sales</h1><script>alert(1)</script><img src='https://evil.example/x' onload='alert(2)'><form></form>"
    file = upload(evil, "report.html")
    page = client.get(f"/files/{file.id}/preview")
    assert f'src="/files/{file.id}/framed"' in page.text and "sandbox" in page.text and "alert" not in page.text
    assert "frame-src 'self'" in page.headers["Content-Security-Policy"]
    inside = client.get(f"/files/{file.id}/framed")
    assert "<h1>Sales</h1>" in inside.text
    for bad in ("<script", "evil.example", "onload", "<form"):
        assert bad not in inside.text
    assert inside.headers["Content-Security-Policy"].startswith("sandbox;")
    assert client.get(f"/files/{upload(b'x', 'x.txt').id}/framed").status_code == 404
    theirs = uploads.upload(io.BytesIO(evil), "a.html", owner="somebody")
    assert client.get(f"/files/{theirs.id}/framed").status_code == 404


def test_json_is_laid_out_and_what_is_none_is_shown_as_it_is(client: FlaskClient) -> None:
    laid_out, deep = upload(b'{"a":[1]}', "x.json"), upload(b"[" * 50_000, "deep.json")
    assert "&#34;a&#34;: [\n" in client.get(f"/files/{laid_out.id}/preview").text
    assert "[[[" in client.get(f"/files/{deep.id}/preview").text


def test_long_text_is_cut_and_says_so(client: FlaskClient) -> None:
    text = client.get(f"/files/{upload(b'x' * 200_000, 'long.txt').id}/preview").text
    assert "Cut off here" in text and len(text) < 100_000


def test_a_picture_is_shown_and_cannot_be_more(client: FlaskClient) -> None:
    file = upload(png(), "dot.png")
    assert f'src="/files/{file.id}/raw"' in client.get(f"/files/{file.id}/preview").text
    answer = client.get(f"/files/{file.id}/raw", buffered=True)
    assert answer.data == png() and answer.content_type == "image/png"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("name", "content"),
    [("evil.png", b"<script>alert(1)</script>"), ("evil.svg", b"<svg onload='alert(1)'/>"), ("evil.html", b"<script>")],
)
def test_what_only_says_that_it_is_a_picture_is_not_given_out(client: FlaskClient, name: str, content: bytes) -> None:
    file = upload(content, name)
    assert client.get(f"/files/{file.id}/raw").status_code == 404
    assert "/raw" not in client.get(f"/files/{file.id}/preview").text


def test_others_files_are_not_there(client: FlaskClient) -> None:
    theirs = uploads.upload(io.BytesIO(png()), "dot.png", owner="somebody")
    for address in (f"/files/{theirs.id}/preview", f"/files/{theirs.id}/raw", f"/jobs/{uuid4()}/all.zip"):
        assert client.get(address).status_code == 404


def test_all_of_a_job_comes_in_one_zip(client: FlaskClient) -> None:
    job = with_files(("a.txt", b"one"), ("a.txt", b"two"), ("../../evil.txt", b"three"), ("log.txt", b"mine"))
    assert "all.zip" in client.get(f"/jobs/{job.id}").text
    archive = zipfile.ZipFile(io.BytesIO(client.get(f"/jobs/{job.id}/all.zip", buffered=True).data))
    assert archive.testzip() is None
    names = archive.namelist()
    assert names == ["a.txt", "a (2).txt", "_.._evil.txt", "log.txt", "items.csv", "log (2).txt"]
    assert archive.read("a (2).txt") == b"two"
    assert b"A text 1" in archive.read("items.csv") and b"hello" in archive.read("log (2).txt")


def test_a_zip_is_sent_while_it_is_written() -> None:
    taken = 0

    def parts() -> Iterator[tuple[str, str, Iterator[bytes]]]:
        yield "noise.zip", "application/zip", (bytes([n % 256]) * 100_000 for n in range(1_000))

    for chunk in zip_download._zipped(parts()):
        assert len(chunk) < 300_000
        taken += len(chunk)
    assert taken > 100_000_000


def test_the_log_is_filtered_by_level_and_read_from_its_end(client: FlaskClient) -> None:
    lines = [("info", f"line {n}") for n in range(600)] + [("warning", "careful"), ("error", "broken")]
    job = factories.ended(factories.waiting(), lines=lines)
    text = client.get(f"/jobs/{job.id}/log").text
    assert "line 0<" in text and "broken" not in text and "The latest lines" in text
    assert job_log.log_count(job, ("error",)) == 1
    latest = client.get(f"/jobs/{job.id}/log?latest=1").text
    assert "broken" in latest and "line 0<" not in latest
    warnings = client.get(f"/jobs/{job.id}/log?level=warning").text
    assert "careful" in warnings and "broken" in warnings and "line 5" not in warnings
    errors = client.get(f"/jobs/{job.id}/log?level=error").text
    assert "broken" in errors and "careful" not in errors
    assert client.get(f"/jobs/{job.id}/log?level=nonsense").status_code == 200


def test_a_pdf_is_shown_page_by_page_and_a_broken_one_says_so(client: FlaskClient) -> None:
    file = upload((inputs.SAMPLES / "price-list.pdf").read_bytes(), "prices.pdf")
    address = f"/files/{file.id}/preview"
    first = client.get(address).text
    assert "Page 1 of 2" in first and 'src="data:image/png;base64,iVBOR' in first
    last = client.get(f"{address}?page=99").text
    assert "Page 2 of 2" in last and "?page=1" in last and "?page=3" not in last
    broken = client.get(f"/files/{upload(b'%PDF-1.7 nothing', 'broken.pdf').id}/preview")
    assert broken.status_code == 200 and "The PDF is broken" in broken.text


def test_markdown_is_laid_out_or_shown_as_it_is(client: FlaskClient) -> None:
    file = upload(b"# Hello\n\n* one\n* [two](javascript:alert(1))", "notes.md")
    address = f"/files/{file.id}/preview"
    laid_out = client.get(address).text
    assert "<li>one</li>" in laid_out and '<a href="javascript' not in laid_out
    assert "* one" in client.get(f"{address}?as=text").text

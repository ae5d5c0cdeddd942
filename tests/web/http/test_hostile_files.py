"""Files that are made to do harm, sent in as anybody would: refused at their field, or failed alone in a worker that lives on."""

from __future__ import annotations

import io
import json
import os
import stat
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from flask import Flask
from flask.testing import FlaskClient

from jobs.engine import library
from jobs.engine.db.models import Job
from jobs.engine.files import lookup
from jobs.engine.kinds import catalogue
from jobs.engine.queue import lists, queries
from tests.engine import workers
from webapp.http.guards import LOCAL_OWNER

TEXT = b"The quick brown fox jumps over the lazy dog, and nobody is surprised any more.\n"
PAGE = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>/XObject<</X 6 0 R>>>>>>"
FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
PAGES = b"<</Type/Pages/Kids[3 0 R]/Count 1>>"
CATALOG = b"<</Type/Catalog/Pages 2 0 R>>"


def pdf(*objects: bytes) -> bytes:
    """A whole PDF of these objects, the first of which is its catalog."""
    written, places = bytearray(b"%PDF-1.7\n"), []
    for number, content in enumerate(objects, 1):
        places.append(len(written))
        written += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    end = b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (size, len(written))
    return bytes(written) + b"xref\n0 %d\n0000000000 65535 f \n%s%s" % (size, table, end)


def stream(content: bytes, more: bytes = b"") -> bytes:
    return b"<<%s/Length %d>>\nstream\n%s\nendstream" % (more, len(content), content)


def words(text: bytes) -> bytes:
    return stream(b"BT /F 12 Tf 20 100 Td (%s) Tj ET" % text)


def drawing(levels: int) -> list[bytes]:
    """Forms that each draw the next one ten times."""
    names = [b"/Type/XObject/Subtype/Form/BBox[0 0 200 200]/Resources<</XObject<</X %d 0 R>>>>" % (7 + at) for at in range(levels)]  # fmt: skip  # noqa: E501
    return [stream(b"/X Do " * 10, name) for name in names] + [stream(b"0 0 9 9 re f", b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]")]  # fmt: skip  # noqa: E501


def zipped(**members: bytes) -> bytes:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return kept.getvalue()


def lying() -> bytes:
    """An archive whose directory says 10 bytes of a member that has 40 million."""
    honest = zipped(**{"a.txt": b"0" * 40_000_000})
    place = honest.rindex(b"PK\x01\x02")
    return honest[: place + 24] + struct.pack("<I", 10) + honest[place + 28 :]


def workbook(entity: bytes) -> bytes:
    kept = io.BytesIO()
    with xlsxwriter.Workbook(kept, {"in_memory": True}) as book:
        book.add_worksheet().write_column(0, 0, ["name", "word"])
    with zipfile.ZipFile(kept) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    strings = members["xl/sharedStrings.xml"].replace(b"?>", b"?><!DOCTYPE d [" + entity + b"]>", 1)
    return zipped(**members | {"xl/sharedStrings.xml": strings.replace(b">word<", b">&b;<")})


LAUGHS = b'<!ENTITY a0 "ha">' + b"".join(
    b'<!ENTITY a%d "%s">' % (level, b"&a%d;" % (level - 1) * 10) for level in range(1, 10)
)
PASSWD = b'<!ENTITY b SYSTEM "file:///etc/passwd">'
WIDE = {f"c{number}": number for number in range(10_000)}
NO_TABLES = {
    "mark.csv": (b"\xef\xbb\xbf", "empty"),
    "program.csv": (b"MZ\x90\x00" + b"\x00" * 200, "a program"),
    "quote.csv": (b'name,word\na,"b\nc,d\n', "line 2"),
    "nul.csv": (b"name,word\na,b\x00\n", "NUL"),
    "wide.jsonl": (json.dumps(WIDE).encode(), "10,000 columns"),
    "laughs.xlsx": (workbook(LAUGHS + b'<!ENTITY b "&a9;">'), "may be damaged"),
}


@pytest.fixture(scope="module")
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture(scope="module")
def crew(app: Flask) -> Iterator[workers.Workers]:
    with workers.running("--processes", "1", LOG_FORMAT="json") as crew:
        workers.until(lambda: crew.workers)
        yield crew


@pytest.fixture(autouse=True)
def unharmed(client: FlaskClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """After each test no job is there that was refused, nothing half stored, and nothing was put where an archive said."""
    yield
    incoming = Path(os.environ["DATA_DIR"]) / "files" / "incoming"
    assert not list(incoming.glob("*"))
    assert not list(Path("/tmp").glob("evil*"))  # noqa: S108
    for job in lists.list_jobs(LOCAL_OWNER).rows:
        assert job.reason != "unexpected", job.detail
        told = f"{job.message} {[row.error for row in queries.items(job).rows]}"
        assert "Traceback" not in told and os.environ["DATABASE_URL"] not in told and "root:" not in told


def brought(client: FlaskClient, name: str, data: bytes) -> str:
    answer = client.post("/api/v1/files", data={"file": (io.BytesIO(data), name)})
    assert answer.status_code == 201, answer.text
    return str(answer.get_json()["id"])


def done(client: FlaskClient, kind: str, **params: Any) -> Job:
    answer = client.post(f"/api/v1/kinds/{kind}/jobs", json=params)
    assert answer.status_code == 202, answer.text
    job = queries.job(answer.get_json()["id"], LOCAL_OWNER)
    return workers.ended(job, seconds=180)


# Tables, at every kind that takes one.


def _of_tables() -> list[tuple[str, str]]:
    """The kinds that can run here, each with its params that are tables."""
    found = []
    for kind in (kind for kind in catalogue.kinds() if kind.available and kind.Params.__module__.startswith("jobs.")):
        for name, schema in kind.Params.model_json_schema()["properties"].items():
            if '"accept": "table"' in json.dumps(schema) and name in kind.example:
                found.append((kind.name, name))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", NO_TABLES)
def test_what_is_no_table_is_refused_at_its_field(client: FlaskClient, name: str) -> None:
    data, said = NO_TABLES[name]
    ref = brought(client, name, data)
    asked = _of_tables()
    assert len(asked) >= 7
    before = len(lists.list_jobs(LOCAL_OWNER).rows)
    for kind, param in asked:
        example = catalogue.kind(kind).example
        given = [ref] if isinstance(example[param], list) else ref
        answer = client.post(f"/api/v1/kinds/{kind}/jobs", json=example | {param: given})
        problem = answer.get_json()
        assert answer.status_code == 422, (kind, problem)
        wrong = {error["field"].split(".")[0]: error["message"] for error in problem["errors"]}
        assert said in wrong[param] or "There is no tool" in wrong[param], (kind, problem)
    assert len(lists.list_jobs(LOCAL_OWNER).rows) == before


# Documents, in the worker.


@pytest.mark.slow
def test_files_that_do_harm_fail_alone_and_the_worker_lives(client: FlaskClient, crew: workers.Workers) -> None:
    endless = b"<</Type/Pages/Parent 2 0 R/Kids[2 0 R]/Count 1000000>>"
    script = b"<</Type/Catalog/Pages 2 0 R/OpenAction<</S/JavaScript/JS(while\\(1\\){app.alert\\(1\\)})>>>>"
    many = b"<</Type/Pages/Kids[%s]/Count 30000>>" % (b"3 0 R " * 30_000)
    harm = {
        "loop.pdf": (pdf(CATALOG, b"<</Type/Pages/Kids[2 0 R 2 0 R]/Count 2>>"), "broken"),
        "endless.pdf": (pdf(CATALOG, b"<</Type/Pages/Kids[3 0 R]/Count 1000000>>", endless), "too_large"),
        "many.pdf": (pdf(CATALOG, many, PAGE, words(b"one of many"), FONT, FONT), "too_large"),
        "deep.pdf": (pdf(CATALOG, PAGES, PAGE, stream(b"/X Do"), FONT, *drawing(11)), "too_costly"),
        "lying.zip": (lying(), "broken"),
        "laughs.xlsx": (workbook(LAUGHS + b'<!ENTITY b "&a9;">'), "broken"),
        "file.xlsx": (workbook(PASSWD), "broken"),
        "comments.html": (b"<!---->" * 10_000 + b"words", None),
        "script.pdf": (pdf(script, PAGES, PAGE, words(b"with a script"), FONT, FONT), None),
        "fine.txt": (TEXT, None),
    }
    before = set(crew.workers)
    refs = [brought(client, name, data) for name, (data, _) in harm.items()]
    job = done(client, "process_files", files=refs, collection="harm")
    ended = {row.input["file"]: row.reason for row in queries.items(job).rows}
    assert {ended.get("a.txt"), ended.get("lying.zip")} & {"broken"}
    expected = {name: reason for name, (_, reason) in harm.items() if name != "lying.zip"}
    assert {name: ended[name] for name in expected} == expected
    assert (job.state, job.failed, job.done) == ("partial", 7, 3)
    assert library.count(LOCAL_OWNER) == 3
    assert set(crew.workers) == before


NAMES = [
    "../../../tmp/evil.csv",
    "C:\\evil.csv",
    "..",
    "a\x00b.csv",
    "\u62a5\u544a.csv",
    '"; x.csv',
    "n" * 400,
]


@pytest.mark.slow
def test_names_lead_nowhere(client: FlaskClient, crew: workers.Workers) -> None:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w") as archive:
        for name in ("../../../tmp/evil2.csv", "/etc/evil3.csv", "a/../../evil4.csv", "..\\evil5.csv"):
            archive.writestr(name, b"a,b\n1,2\n")
        link = zipfile.ZipInfo("evil.csv")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    refs = [brought(client, name, b"a,b\n1,2\n") for name in NAMES] + [brought(client, "many.zip", kept.getvalue())]
    job = done(client, "convert_files", files=refs, to="jsonl")
    assert (job.state, job.done, job.failed) == ("partial", len(NAMES) + 4, 1)
    [packed] = [file for file in queries.output_files(job) if file.media_type == "application/zip"]
    for content in (_content(packed), client.get(f"/jobs/{job.id}/all.zip").data):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
            assert len(names) == len(set(names)) >= len(NAMES) + 4
            assert not [
                name for name in names if set(name) & set("/\\\x00\r\n") or name in (".", "..") or len(name) > 255
            ]
    for file in queries.output_files(job):
        with client.get(f"/files/{file.id}") as answer:
            assert answer.headers["Content-Disposition"].startswith("attachment")
            assert "Set-Cookie" not in answer.headers


@pytest.mark.slow
@pytest.mark.parametrize("name", ["x.html", "x.svg", "x.xhtml"])
def test_a_page_or_picture_with_a_script_is_never_shown_by_us(client: FlaskClient, name: str) -> None:
    ref = brought(
        client, name, b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'><script>alert(1)</script></svg>"
    )
    for path in (f"/files/{ref}", f"/api/v1/files/{ref}"):
        with client.get(path) as answer:
            assert answer.headers["Content-Disposition"].startswith("attachment")
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "script-src 'self'" in answer.headers["Content-Security-Policy"]


def _content(file: Any) -> bytes:
    with lookup.open_file(file) as opened:
        return opened.read()

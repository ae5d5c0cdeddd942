"""Files into the library: real documents that ship in packages, and files made to do harm."""

from __future__ import annotations

import email.message
import io
import os
import re
import stat
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pypandoc
import pytest
from PIL import Image

from jobs import process_files
from jobs.engine import library
from jobs.engine.db.models import Job
from jobs.engine.errors import BadInput
from jobs.engine.files import lookup
from jobs.engine.formats import extraction
from jobs.engine.formats.extraction import archives, office, recognition
from jobs.engine.queue import commands, queries
from jobs.engine.sandbox import spawn
from tests.engine import workers
from tests.kinds.job_runs import OWNER, content, done, errors, items, upload

PACKAGES = Path(sysconfig.get_path("purelib"))
TEXT = b"The quick brown fox jumps over the lazy dog, and nobody is surprised any more.\n"


def zipped(**members: bytes) -> bytes:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return kept.getvalue()


def made(format: str, markdown: str, folder: Path) -> Path:
    """A document of that format, by pandoc."""
    target = folder / f"made.{format}"
    pypandoc.convert_text(markdown, format, "markdown", outputfile=str(target), extra_args=["--standalone"])
    return target


def one(name: str, data: bytes, **params: object) -> tuple[str, str]:
    """How a single file ended: the item's state and what is said of it."""
    job = done("process_files", files=[upload(data, name)], **params)
    (item,) = items(job)
    return item.state, item.error or (item.output or {}).get("note") or (item.output or {})["status"]


def shown(job: Job) -> dict[str, dict[str, object]]:
    return {item.input["file"]: item.output for item in items(job)}


def test_the_example_fills_a_collection(environment: Callable[..., None]) -> None:
    job = done("process_files", **process_files.EXAMPLE)
    assert (job.state, job.done, job.total) == ("succeeded", 5, 5)
    found = shown(job)
    assert found["price-list.pdf"]["pages"] == 2 and found["price-list.pdf"]["thumbnail"] is True
    assert found["returns.html"]["title"] == "Sending things back"
    assert found["shop-handbook.md"]["language"] == "en" and found["lampe.txt"]["language"] == "de"
    assert found["switch.eml"]["type"] == "message/rfc822"
    (collection,) = library.collections(OWNER)
    assert (collection.name, collection.documents, collection.changed) == ("samples", 5, 5)
    mail = library.document(found["switch.eml"]["document"], OWNER, with_text=True)
    assert "the switch broke in the second week" in mail.text
    assert content(lookup.file(mail.file_id, OWNER)).startswith(b"From: Ada Okafor")


@pytest.mark.slow
def test_real_papers(environment: Callable[..., None], papers: Path) -> None:
    job = done("process_files", files=[upload(path) for path in sorted(papers.glob("*.pdf"))])
    found, states = shown(job), {item.input["file"]: item.state for item in items(job)}
    assert (job.state, job.done, states["03-invalid.pdf"]) == ("partial", 4, "failed")
    assert [found[name]["pages"] for name in ("01-valid.pdf", "02-valid.pdf", "04-valid.pdf")] == [14, 5, 5]
    assert found["01-valid.pdf"]["words"] > 10_000
    assert {one["thumbnail"] for one in found.values() if one} == {True}
    tracing = library.document(found["01-valid.pdf"]["document"], OWNER, with_text=True)
    assert tracing.text.startswith("Trace-based Just-in-Time Type Specialization") and tracing.text.count("\f") == 13


@pytest.mark.slow
def test_real_letters(environment: Callable[..., None], letters: Path) -> None:
    paths = sorted(letters.glob("*.docx"))
    job = done("process_files", files=[upload(path) for path in paths], duplicates="keep")
    assert {item.state for item in items(job)} == {"done"} and job.done == len(paths) > 10
    assert {one["type"] for one in shown(job).values()} == {office.MEDIA_TYPES["docx"]}
    assert shown(job)["empty.docx"]["status"] == "no text"
    table = library.document(shown(job)["tables.docx"]["document"], OWNER, with_text=True)
    assert "Top left" in table.text


def test_documents_that_ship_in_packages(environment: Callable[..., None]) -> None:
    licence = next(PACKAGES.glob("numpy-*.dist-info/licenses/LICENSE.txt"))
    readme = PACKAGES / "flask" / "sansio" / "README.md"
    page = PACKAGES / "rq_dashboard" / "templates" / "rq_dashboard" / "base.html"
    picture = PACKAGES / "werkzeug" / "debug" / "shared" / "console.png"
    job = done("process_files", files=[upload(path) for path in (licence, readme, page, picture)])
    found = shown(job)
    assert (job.state, job.done) == ("succeeded", 4)
    assert found[licence.name]["words"] == len(licence.read_text().split())
    assert found[readme.name]["title"] == "Sansio"
    assert found[picture.name]["thumbnail"] is True and found[picture.name]["status"] == "no text"
    kept = library.thumbnail(found[picture.name]["document"], OWNER)
    assert kept and max(Image.open(io.BytesIO(kept)).size) <= 256


@pytest.mark.slow
@pytest.mark.parametrize("format", ["docx", "odt", "rtf", "epub", "pptx"])
def test_office_documents_give_their_text(environment: Callable[..., None], tmp_path: Path, format: str) -> None:
    licence = " ".join(re.findall("[a-z]{3,}", (PACKAGES / "numpy" / "__init__.py").read_text())[:80])
    path = made(format, f"# The heading\n\n{licence}\n", tmp_path)
    found = extraction.extract(path, "without-its-ending")
    assert "# The heading" in found.text
    assert licence in " ".join(found.text.split())
    assert found.media_type == office.MEDIA_TYPES[format]


def test_a_workbook_gives_its_cells(environment: Callable[..., None], tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    book.active.title = "Prices"
    book.active.append(["Lamp", 39.5, None, "in\nstock"])
    book.save(tmp_path / "stored")
    found = extraction.extract(tmp_path / "stored", "b.xlsx")
    assert found.text.strip() == "# Prices\n\n| Lamp | 39.5 |  | in stock |\n| --- | --- | --- | --- |"


def test_a_sheet_that_lies_about_its_size_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "short.xlsx"
    book = openpyxl.Workbook()
    for place in range(9):
        book.active.append([f"row {place}", place])
    book.save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    assert b'ref="A1:B9"' in members[sheet]
    path.write_bytes(zipped(**members | {sheet: members[sheet].replace(b'ref="A1:B9"', b'ref="A1"')}))
    assert "| row 8 | 8 |" in extraction.extract(path, "short.xlsx").text


def test_a_mail_of_html_gives_its_words(environment: Callable[..., None], tmp_path: Path) -> None:
    message = email.message.EmailMessage()
    message["From"], message["Subject"] = "a@example.org", "Grüße"
    message.set_content("<h1>Hallo</h1><script>alert(1)</script><p>Bis <b>morgen</b></p>", "html")
    message.add_attachment(b"\x00" * 10, "application", "octet-stream", filename="x.bin")
    (tmp_path / "m").write_bytes(bytes(message))
    found = extraction.extract(tmp_path / "m", "m")
    assert (found.title, found.meta["attachments"]) == ("Grüße", ["x.bin"])
    assert "Bis **morgen**" in found.text and "alert" not in found.text
    assert found.note.startswith("The attachment “x.bin” was not read: This is not text")


def test_what_is_there_is_skipped_or_kept(environment: Callable[..., None]) -> None:
    twice = zipped(**{"a.txt": TEXT, "b.txt": TEXT})
    job = done("process_files", files=[upload(twice, "z.zip")])
    assert sorted(item.state for item in items(job)) == ["done", "skipped"]
    said = next(item.error for item in items(job) if item.state == "skipped")
    assert said in {f"Skipped, the same as “{name}”, which is in “library” already." for name in ("a.txt", "b.txt")}
    again = done("process_files", files=[upload(TEXT, "c.txt")], duplicates="keep")
    assert again.done == 1
    assert done("process_files", files=[upload(TEXT, "d.txt")], collection="other").done == 1
    assert library.count(OWNER) == 3


def test_one_bad_file_never_stops_the_rest(environment: Callable[..., None], tmp_path: Path) -> None:
    docx = made("docx", "# Fine\n\nText.", tmp_path).read_bytes()
    bad = {
        "cut.docx": docx[: len(docx) // 2],
        "cut.pdf": b"%PDF-1.7\n1 0 obj\n<<",
        "program.pdf": b"MZ\x90\x00" + b"\x00" * 200,
        "old.doc": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600,
        "noise.txt": bytes(range(256)) * 20,
        "cut.png": b"\x89PNG\r\n\x1a\n" + b"\x00" * 40,
    }
    job = done("process_files", files=[upload(data, name) for name, data in bad.items()] + [upload(docx, "fine.docx")])
    said = {item.input["file"]: item for item in items(job)}
    assert (job.state, said["fine.docx"].state) == ("partial", "done")
    assert {said[name].state for name in bad} == {"failed"}
    assert "Windows program" in said["program.pdf"].error
    assert {said[name].reason for name in ("cut.docx", "cut.pdf", "cut.png", "old.doc")} == {"broken"}
    assert library.count(OWNER) == 1


def test_bombs_are_refused_by_what_they_unpack_to(
    environment: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(MAX_UPLOAD_MB="1")
    state, said = one("bomb.zip", zipped(**{"a.txt": b"0" * 1_500_000}))
    assert (state, said.split(" to ")[0]) == ("failed", "The archive unpacks")
    monkeypatch.setattr(archives, "MOST_UNPACKED", 1_000)
    assert "unpacks to more" in one("bomb.zip", zipped(**{"a.txt": b"0" * 1_500}))[1]


@pytest.mark.slow
def test_a_document_that_is_a_bomb_is_refused(environment: Callable[..., None], tmp_path: Path) -> None:
    path = tmp_path / "bomb.docx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("word/document.xml", "w") as member:
        for _ in range(450):
            member.write(b" " * 1_000_000)
    with pytest.raises(BadInput, match="unpacks to more than 400 MB"):
        extraction.extract(path, "bomb.docx")


@pytest.mark.parametrize("entity", ['<!ENTITY a "x"><!ENTITY b "&a;&a;">', '<!ENTITY b SYSTEM "file:///etc/passwd">'])
def test_entities_bring_nothing_in(environment: Callable[..., None], tmp_path: Path, entity: str) -> None:
    path = made("docx", "word", tmp_path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    head, body = members["word/document.xml"].split(b"?>", 1)
    members["word/document.xml"] = (
        head + b"?><!DOCTYPE d [" + entity.encode() + b"]>" + body.replace(b">word<", b">word&b;<")
    )
    path.write_bytes(zipped(**members))
    try:
        said = extraction.extract(path, "x.docx").text
    except BadInput as error:
        said = error.message
    assert said.startswith("word") or "broken" in said
    assert "root:" not in said


def test_hostile_archives(environment: Callable[..., None], tmp_path: Path) -> None:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w") as archive:
        archive.writestr("../../../tmp/evil.txt", TEXT)
        archive.writestr("/etc/evil\u202etxt.txt", TEXT + b"2")
        archive.writestr("same.txt", TEXT + b"3")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("same.txt", TEXT + b"4")
        link = zipfile.ZipInfo("link.txt")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("inner.zip", zipped(**{"a.txt": TEXT}))
        archive.writestr("__MACOSX/._x", b"clutter")
        archive.writestr("empty.txt", b"")
    job = done("process_files", files=[upload(kept.getvalue(), "hostile.zip")])
    states = [(item.input["file"], item.state, item.reason) for item in items(job)]
    assert states == [
        ("evil.txt", "done", None),
        ("evil\u202etxt.txt", "done", None),
        ("same.txt", "done", None),
        ("same.txt", "done", None),
        ("link.txt", "failed", "link"),
        ("inner.zip", "failed", "nested_archive"),
        ("empty.txt", "failed", "empty"),
    ]
    assert not Path("/tmp/evil.txt").exists()  # noqa: S108


def test_an_archive_of_too_many_is_one_failure(
    environment: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MOST_MEMBERS", 3)
    state, said = one("many.zip", zipped(**{f"{n}.txt": b"x" for n in range(4)}))
    assert (state, said) == ("failed", "The archive has 4 files; at most 3 are taken. Split it.")
    monkeypatch.setattr(archives, "MOST_DIRECTORY", 300)
    assert one("many.zip", zipped(**{f"{n}.txt": b"x" for n in range(9)}))[1].endswith("to be looked at. Split it.")
    assert one("cut.zip", zipped(**{"a.txt": TEXT})[:50])[0] == "failed"


@pytest.mark.slow
def test_a_picture_too_large_is_refused_by_its_head(environment: Callable[..., None]) -> None:
    kept = io.BytesIO()
    Image.new("1", (50_000, 50_000)).save(kept, "PNG")
    assert "100 million pixels" in one("large.png", kept.getvalue())[1]


def test_a_scanned_page_says_so(environment: Callable[..., None]) -> None:
    kept = io.BytesIO()
    Image.new("RGB", (200, 300), "white").save(kept, "PDF")
    job = done("process_files", files=[upload(kept.getvalue(), "scan.pdf")])
    (item,) = items(job)
    assert (item.state, item.output["status"], item.output["pages"]) == ("done", "scanned", 1)
    assert "probably scanned" in item.output["note"] and recognition.how() in item.output["note"]
    assert job.result["without_text"] == 1


def test_ocr_that_is_not_there_is_said_before(environment: Callable[..., None]) -> None:
    wrong = errors("process_files", files=[upload(TEXT), "no-such-file"], ocr=True, collection=" ")
    assert set(wrong) == {"files.1", "collection"} | ({"ocr"} if not recognition.available() else set())
    assert set(errors("process_files", files=[])) == {"files"}


def test_a_child_has_no_secrets_and_a_limit(environment: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(TEXT)
    with pytest.raises(BadInput, match="given up after"):
        extraction.extract(tmp_path / "a.txt", "a.txt", seconds=0)
    assert "DATABASE_URL" in os.environ and "DATABASE_URL" not in spawn.environment()


@pytest.mark.slow
def test_a_killed_worker_reads_the_rest(environment: Callable[..., None]) -> None:
    files = {f"{n}.txt": TEXT + str(n).encode() for n in range(24)}
    job = commands.submit("process_files", {"files": [upload(zipped(**files), "all.zip")]}, owner=OWNER)
    with workers.running("--queues", "cpu", "--processes", "1") as program:
        workers.begun(job, 4)
        workers.kill(*program.horses)
        job = workers.ended(job)
    assert (job.state, job.done, job.skipped) == ("succeeded", 24, 0)
    assert library.count(OWNER) == 24
    assert len(queries.attempts(job)) == 2

"""What is left to LibreOffice, and what becomes of a file where it is not installed, or cannot open it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobs.engine.errors import BadInput
from jobs.engine.formats import extraction, libreoffice
from jobs.engine.formats.extraction import runner
from jobs.engine.formats.tables import DETECTED, ReadOptions
from jobs.engine.kits.conversion import formats, look, office, options
from tests.engine.formats.extraction.made import zipped

FOUND = Path("/found.pdf")


def prepared(format: str, to: str, reading: ReadOptions = DETECTED, **given: Any) -> tuple[str, list[str]]:
    path, became, remarks = office.prepared(
        *(Path("/x"), format, to, options.filled(to, given), reading, Path("/folder"), None)
    )
    assert (path == FOUND) == (became != format)
    return became, remarks


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libreoffice, "program", lambda: "/usr/bin/soffice")
    monkeypatch.setattr(libreoffice, "convert", lambda *_: FOUND)


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libreoffice, "program", lambda: None)


def test_what_it_does(installed: None) -> None:
    for format in office.WITH_PAGES:
        assert prepared(format, "pdf") == ("pdf", [])
    assert prepared("doc", "md") == ("docx", []) and prepared("ppt", "txt") == ("pptx", [])
    assert prepared("pptx", "png") == ("pdf", []) and prepared("odp", "md") == ("odp", [])
    assert prepared("md", "pdf") == ("md", []) and prepared("xlsx", "csv") == ("xlsx", [])


def test_a_chosen_look_or_table_is_set_by_our_own_libraries(installed: None) -> None:
    assert prepared("docx", "pdf", look="plain") == ("docx", [])
    assert prepared("xlsx", "pdf", ReadOptions(sheet="2")) == ("xlsx", [])
    became, remarks = prepared("docx", "pdf", page_size="a5")
    assert became == "pdf" and "The options page_size were not used" in remarks[0]


def test_without_it(missing: None) -> None:
    assert prepared("docx", "pdf") == ("docx", [office.PLAINLY]) and prepared("docx", "md") == ("docx", [])
    assert formats.refusal("docx", "x", "pdf") is None and formats.refusal("pptx", "x", "md") is None
    for format, to in (("pptx", "pdf"), ("odp", "png"), ("doc", "md"), ("ppt", "txt")):
        assert to not in formats.targets(format)
        assert "LibreOffice is not installed here" in (formats.refusal(format, "x", to) or "")


def test_what_it_cannot_open(installed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> Path:
        raise BadInput(libreoffice.FAILED)

    monkeypatch.setattr(libreoffice, "convert", failing)
    assert prepared("docx", "pdf") == ("docx", [office.NOT_OPENED])
    with pytest.raises(BadInput, match="LibreOffice cannot open"):
        prepared("pptx", "pdf")


def test_old_files_are_read_through_it(installed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(path: Path, name: str, ocr: bool, seconds: int | None) -> extraction.Extracted:
        if path != FOUND:
            raise BadInput("This is a DOC.", reason="doc")
        return extraction.Extracted("application/vnd.x", f"TEXT of {name}")

    monkeypatch.setattr(runner, "_extract", read)
    found = extraction.extract(Path("/x"), "letter.doc")
    assert (found.media_type, found.text) == ("application/msword", "TEXT of letter.doc.docx")


def test_what_the_pages_of_an_office_file_do_not_show_is_said(tmp_path: Path) -> None:
    parts = {
        "xl/workbook.xml": '<workbook><sheet name="a" state="hidden"/></workbook>',
        "xl/comments1.xml": "<comments/>",
    }
    (tmp_path / "x.xlsx").write_bytes(zipped(parts))
    assert look.unprinted(tmp_path / "x.xlsx") == ["Comments were left out.", "Hidden sheets were left out."]
    (tmp_path / "x.pptx").write_bytes(zipped({"ppt/notesSlides/notesSlide1.xml": "<notes/>"}))
    assert look.unprinted(tmp_path / "x.pptx") == ["Speaker notes were left out."]
    (tmp_path / "x.doc").write_bytes(b"no archive")
    assert look.unprinted(tmp_path / "x.doc") == []

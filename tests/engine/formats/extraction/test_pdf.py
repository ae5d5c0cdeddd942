"""PDFs: numbers that stand apart, pages without text, comments and attachments."""

from __future__ import annotations

from pathlib import Path

import numpy
import pypdfium2
import pytest

from jobs.engine.formats import pdf_pages
from jobs.engine.formats.extraction import pdf, recognition
from tests.engine.formats.extraction.made import pdf as made
from tests.engine.formats.extraction.made import read

NUMBERS = (("200.01", "1"), ("400.01", "3"), ("1000.01", "9"))


def table(matrix: str, text: str) -> str:
    """Two columns 134 points apart, with a matrix of the page and one of the text."""
    lines = [
        f"BT /F1 13 Tf {text.format(x, 100 + 21 * line)} Tm ({word}) Tj ET"
        for line, row in enumerate(NUMBERS)
        for x, word in zip((57, 190.77), row, strict=True)
    ]
    return "\n".join(["q", f"{matrix} cm", *lines, "Q"])


MATRICES = {
    "plain": ("1 0 0 1 0 0", "1 0 0 1 {} {}"),
    "flipped twice": ("1 0 0 -1 0 792", "1 0 0 -1 {} {}"),
    "scaled and flipped": ("0.5 0 0 -0.5 0 792", "2 0 0 -2 {} {}"),
}


@pytest.mark.parametrize("name", MATRICES)
def test_numbers_that_stand_apart_stay_apart(tmp_path: Path, name: str) -> None:
    data = made(table(*MATRICES[name]))
    lines = read(tmp_path, data, "x.pdf").text.splitlines()
    assert sorted(lines) == sorted(f"{one} {other}" for one, other in NUMBERS)
    with (tmp_path / "stored").open("rb") as opened:
        assert sorted(pdf_pages.page(opened, 1).text.splitlines()) == sorted(lines)


def test_words_and_superscripts_are_not_cut(tmp_path: Path) -> None:
    content = "BT /F1 12 Tf 57 700 Td (H) Tj /F1 7 Tf -2 Ts (2) Tj 0 Ts /F1 12 Tf (O and 10) Tj 6 Ts /F1 7 Tf (3) Tj 0 Ts ET\n"
    content += "BT /F1 12 Tf 57 650 Td [(1) -20 (2) 30 (3) -10 (45)] TJ ET\n"
    content += "BT /F1 12 Tf 0 1 -1 0 300 300 Tm (90 degrees 1234) Tj ET"
    text = read(tmp_path, made(content), "x.pdf").text
    assert "H2O and 103" in text and "12345" in text and "90 degrees 1234" in text


def test_pages_without_text_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = made("BT /F1 12 Tf 57 700 Td (COVER-1) Tj ET", pages=2)
    found = read(tmp_path, data, "x.pdf")
    assert found.note.startswith("Page 2 of 2 has no text: it is probably scanned.") and recognition.how() in found.note
    many = read(tmp_path, made("BT /F1 12 Tf 57 700 Td (COVER-1) Tj ET", pages=100), "x.pdf")
    assert many.note.startswith("Pages 2-100 of 100 have no text: they are probably scanned.")
    assert read(tmp_path, made(" "), "x.pdf").note == ""  # an empty page is no picture
    monkeypatch.setattr(recognition, "reader", lambda: lambda picture: f"READ {numpy.asarray(picture).ndim}")
    found = read(tmp_path, data, "x.pdf", ocr=True)
    assert found.text == "COVER-1\fREAD 3"
    assert found.note == "Page 2 of 2 is a picture; its text was recognised and may have mistakes."


def test_pages_are_counted_in_few_words() -> None:
    assert pdf._without_text([2], 2) == "Page 2 of 2 has no text: it is probably scanned."
    assert pdf._without_text([1, 3, 4, 5], 9).startswith("Pages 1, 3-5 of 9 have")
    assert pdf._without_text(list(range(1, 40, 2)), 1_000).startswith(
        "20 pages of 1,000 (1, 3, 5, 7, 9, 11, 13, 15, …) have"
    )


def test_comments_fields_and_attachments(tmp_path: Path) -> None:
    data = made("BT /F1 12 Tf 57 700 Td (BODY-1) Tj ET").decode("latin-1")
    comment = "<< /Type /Annot /Subtype /Text /Rect [9 9 20 20] /Contents (NOTE-2) >>"
    field = "<< /Type /Annot /Subtype /Widget /FT /Tx /T (Name) /V (ADA-3) /Rect [9 40 90 60] >>"
    data = data.replace("/Contents 5 0 R", f"/Annots [{comment} {field}] /Contents 5 0 R")
    (tmp_path / "plain.pdf").write_bytes(data.encode("latin-1"))
    document = pypdfium2.PdfDocument(tmp_path / "plain.pdf")
    document.new_attachment("inside.csv").set_data(b"a,b")
    document.save(tmp_path / "x.pdf")
    document.close()
    found = read(tmp_path, (tmp_path / "x.pdf").read_bytes(), "x.pdf")
    assert found.text.splitlines() == ["BODY-1", "Comment: NOTE-2", "Field Name: ADA-3"]
    assert found.note == "1 file is attached and not read: inside.csv."

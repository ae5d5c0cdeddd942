"""The layout of PDFs: columns, rotated pages, headings and tables, in files of a typesetter and in streams written by hand."""

from __future__ import annotations

from pathlib import Path

import pypdfium2
import pytest
import typst

from jobs.engine.formats import pdf_document
from tests.engine.formats.extraction.made import pdf as made

PAGE = """#set page(paper: "a4")
= Annual report
== Figures of the year
#lorem(60)
#table(columns: 3, [Name], [Price], [Note], [Lamp], [12.50], [two | pipes, and words that go on in another line],
  [Shade], [3.20], [])
== Outlook
#lorem(80)
#rotate(90deg, reflow: true)[#box(width: 5cm)[These words stand on their side of the page]]
"""
COLUMN = "left line {} of one story that goes on", "right line {} of another story here"


def read(data: bytes | Path) -> list[str]:
    document = pypdfium2.PdfDocument(data)
    layout = pdf_document.PdfLayout(document)
    texts = [pdf_document.markdown(layout.blocks(page)) for page in document]
    document.close()
    return texts


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    source = tmp_path_factory.mktemp("page") / "page.typ"
    source.write_text(PAGE)
    return bytes(typst.compile(source))


def test_headings_and_tables(page: bytes) -> None:
    lines = read(page)[0].splitlines()
    assert [line for line in lines if line.startswith("#")] == [
        *("# Annual report", "## Figures of the year", "## Outlook")
    ]
    table = [line for line in lines if line.startswith("|")]
    assert table == [
        "| Name | Price | Note |",
        "|---|---|---|",
        "| Lamp | 12.50 | two \\| pipes, and words that go on in another line |",
        "| Shade | 3.20 |  |",
    ]
    assert "These words stand on their side of the page" in " ".join(lines)


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_turned_page_reads_like_the_upright_one(page: bytes, turn: int, tmp_path: Path) -> None:
    document = pypdfium2.PdfDocument(page)
    document[0].set_rotation(turn)
    document.save(tmp_path / "turned.pdf")
    document.close()
    upright, turned = read(page)[0], read(tmp_path / "turned.pdf")[0]
    assert turned.split("\n\n") == upright.split("\n\n")


def test_columns_that_a_file_mixes_are_read_one_after_the_other() -> None:
    lines = [("A headline across both of the columns of this page", 72, 740)]
    for number in range(12):
        lines += [(COLUMN[0].format(number), 72, 700 - 15 * number), (COLUMN[1].format(number), 330, 700 - 15 * number)]
    stream = "\n".join(f"BT /F1 11 Tf {x} {y} Td ({words}) Tj ET" for words, x, y in lines)
    found = " ".join(read(made(stream))[0].split())
    columns = [" ".join(column.format(number) for number in range(12)) for column in COLUMN]
    assert found == " ".join([lines[0][0], *columns])


def test_what_looks_like_markdown_is_marked() -> None:
    block = pdf_document.PdfBlock(("# no heading", "1. no list", "a*b_c | d", "- none"))
    assert pdf_document.strict_markdown([block]) == "\\# no heading 1\\. no list a\\*b\\_c \\| d \\- none"

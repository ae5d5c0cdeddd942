"""Office documents: what stands in their tables, and what they have besides their bodies."""

from __future__ import annotations

import io
import json
from pathlib import Path

import openpyxl
import pytest

from jobs.engine.errors import BadInput
from tests.engine.formats.extraction import made
from tests.engine.formats.extraction.made import docx, paragraph, read, zipped

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
A = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
P = f'{A} xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
R = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
CHART = (
    '<c:chartSpace xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart" xmlns:a="x"><c:chart><c:title><c:tx><c:rich>'
    "<a:p><a:r><a:t>Sales</a:t></a:r></a:p></c:rich></c:tx></c:title><c:ser><c:tx><c:v>2026</c:v></c:tx>"
    "<c:cat><c:pt idx='0'><c:v>North</c:v></c:pt><c:pt idx='1'><c:v>South</c:v></c:pt></c:cat>"
    "<c:val><c:pt idx='0'><c:v>7</c:v></c:pt><c:pt idx='1'><c:v>9</c:v></c:pt></c:val></c:ser></c:chart></c:chartSpace>"
)


def cell(*blocks: str, properties: str = "") -> str:
    return f"<w:tc><w:tcPr>{properties}</w:tcPr>{''.join(blocks)}</w:tc>"


def rows(*lines: list[str]) -> str:
    """A table without a grid, as programs write them."""
    return "".join(["<w:tbl>", *(f"<w:tr>{''.join(line)}</w:tr>" for line in lines), "</w:tbl><w:p/>"])


def words(*several: str) -> list[str]:
    return [cell(paragraph(one)) for one in several]


def box(text: str, kind: str) -> str:
    inner = f"<w:txbxContent>{paragraph(text)}</w:txbxContent>"
    old = f"<w:pict><v:shape><v:textbox>{inner}</v:textbox></v:shape></w:pict>"
    new = (
        f'<w:drawing><wp:inline><a:graphic><a:graphicData uri="http://schemas.microsoft.com/office/word/2010/wordprocessingShape"><wps:wsp>'
        f"<wps:txbx>{inner}</wps:txbx></wps:wsp></a:graphicData></a:graphic></wp:inline></w:drawing>"
    )
    both = f"<mc:AlternateContent><mc:Choice>{new}</mc:Choice><mc:Fallback>{old}</mc:Fallback></mc:AlternateContent>"
    return f"<w:r>{both if kind == 'both' else old if kind == 'old' else new}</w:r>"


def test_tables_of_every_shape_are_text(tmp_path: Path) -> None:
    two = cell(paragraph("LAMP-1"), paragraph("SHADE-2"))
    wide, tall = '<w:gridSpan w:val="2"/>', '<w:vMerge w:val="restart"/>'
    body = rows(words("Item", "Price"), [two, *words("3")])
    body += rows([cell(paragraph("Both"), properties=wide)], words("4", "5"))
    body += rows(
        [cell(paragraph("Tall"), properties=tall), *words("6")], [cell("<w:p/>", properties="<w:vMerge/>"), *words("7")]
    )
    body += rows([cell(rows(words("in", "ner"), words("8", "9"))), *words("outer")], words("10", "11"))
    text = read(tmp_path, docx(body), "x.docx").text
    assert "[TABLE]" not in text
    assert "| LAMP-1 SHADE-2 | 3 |" in text and "Both" in text and "| 8 | 9 |" in text
    assert "| Tall | 6 |" in text and "| | 7 |" in text and "| 4 | 5 |" in text
    assert all(word in text for word in ("Both", "outer", "10", "11"))


PAGES = {
    "two paragraphs": ("<table><tr><th>a<th>b<tr><td><p>X-1<p>Y-2<td>Z-3</table>", ["| X-1 Y-2 | Z-3 |"]),
    "lists": ("<table><tr><td>a<td>b<tr><td><ul><li>X-1<li>Y-2</ul><td>Z-3</table>", ["| X-1 Y-2 | Z-3 |"]),
    "line breaks": ("<table><tr><td>a<td>b<tr><td>X-1<br>Y-2<td>Z|3</table>", ["| X-1 Y-2 | Z\\|3 |"]),
    "merged": (
        "<table><tr><td rowspan=2>a<td colspan=2>b<tr><td>X-1<td>Y-2</table>",
        ["| a | b | |", "| | X-1 | Y-2 |"],
    ),
    "layout": (
        "<table><tr><td><ul><li>ITEM-1</ul><td><h1>HEAD-2</h1><p>BODY-3</table>",
        ["- ITEM-1", "# HEAD-2", "BODY-3"],
    ),
    "nested": (
        "<table><tr><td><table><tr><td>X-1<td>Y-2<tr><td>3<td>4</table><td>Z-5</table>",
        ["| X-1 | Y-2 |", "Z-5"],
    ),
    "one column": ("<table><tr><td>X-1<tr><td>Y-2</table>", ["X-1", "Y-2"]),
}


@pytest.mark.parametrize("name", PAGES)
def test_tables_of_pages_are_text(tmp_path: Path, name: str) -> None:
    page, expected = PAGES[name]
    lines = read(tmp_path, f"<html><body>{page}</body></html>".encode(), "x.html").text.splitlines()
    assert [one for one in expected if one not in lines] == []


@pytest.mark.parametrize("kind", ["old", "new", "both"])
def test_a_text_box_stands_behind_its_paragraph(tmp_path: Path, kind: str) -> None:
    body = paragraph("FEE-1 ", box("BOX-2", kind), "TAIL-3") + paragraph("NEXT-4")
    assert read(tmp_path, docx(body), "x.docx").text == "FEE-1 TAIL-3\n\nBOX-2\n\nNEXT-4"


def test_the_parts_of_a_word_document(tmp_path: Path) -> None:
    body = paragraph("The price is ", '<w:del w:id="1"><w:r><w:delText>700</w:delText></w:r></w:del>', "750.")
    parts = {
        "header1": f"<w:hdr {W}>{paragraph('HX-1')}</w:hdr>",
        "footer1": f"<w:ftr {W}>{paragraph('FX-2')}</w:ftr>",
        "comments": f'<w:comments {W}><w:comment w:author="Ada">{paragraph("CX-3")}</w:comment></w:comments>',
        "charts/chart1": CHART,
        "diagrams/data1": f"<x {A}><a:p><a:r><a:t>DX-4</a:t></a:r></a:p></x>",
        "embeddings/sheet": "x",
    }
    found = read(tmp_path, docx(body, **parts), "x.docx")
    assert found.text.startswith(
        "The price is 750.\n\nPage header: HX-1\n\nPage footer: FX-2\n\nComment by Ada: CX-3\n\nSales"
    )
    assert "| North | 7 |\n| South | 9 |" in found.text and "Diagram: DX-4" in found.text
    assert found.note == (
        "The document has tracked changes: 1 deletion was left out. 1 file within the document was not read: sheet.xml."
    )


def slide(*shapes: str) -> str:
    return f"<p:sld {P} {R} xmlns:c='c'><p:cSld><p:spTree>{''.join(shapes)}</p:spTree></p:cSld></p:sld>"


def shape(text: str, placeholder: str = "") -> str:
    kind = f'<p:nvSpPr><p:nvPr><p:ph type="{placeholder}"/></p:nvPr></p:nvSpPr>' if placeholder else ""
    return f"<p:sp>{kind}<p:txBody><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:txBody></p:sp>"


def test_slides_in_their_order_with_groups_tables_charts_and_notes(tmp_path: Path) -> None:
    tables = "".join(
        f"<a:tr><a:tc><a:txBody><a:p><a:r><a:t>{one}</a:t></a:r></a:p></a:txBody></a:tc></a:tr>"
        for one in ("TAB-4", "CELL-5")
    )
    first = slide(
        shape("Title T-1", "title"),
        f"<p:grpSp><p:grpSp>{shape('GROUP-3')}</p:grpSp></p:grpSp>",
        f"<p:graphicFrame><a:graphic><a:tbl>{tables}</a:tbl></a:graphic></p:graphicFrame>",
        "<p:graphicFrame><c:chart r:id='c1'/></p:graphicFrame>",
        '<p:pic><p:nvPicPr><p:cNvPr id="1" name="x" descr="ALT-6"/></p:nvPicPr></p:pic>',
    )
    notes = f"<p:notes {P}>{shape('NOTE-2', 'body')}{shape('7', 'sldNum')}</p:notes>"

    def related(**targets: str) -> str:
        return made.RELATIONSHIPS.format(
            "".join(f'<Relationship Id="{id}" Target="{target}"/>' for id, target in targets.items())
        )

    members: dict[str, str | bytes] = {
        "ppt/presentation.xml": f'<p:presentation {P} {R}><p:sldId id="1" r:id="b"/><p:sldId id="2" r:id="a"/></p:presentation>',
        "ppt/_rels/presentation.xml.rels": related(a="slides/slide1.xml", b="slides/slide2.xml"),
        "ppt/slides/slide1.xml": slide(shape("LAST-8")),
        "ppt/slides/slide2.xml": first,
        "ppt/slides/_rels/slide2.xml.rels": related(c1="../charts/chart1.xml", n="../notesSlides/notesSlide1.xml"),
        "ppt/charts/chart1.xml": CHART,
        "ppt/notesSlides/notesSlide1.xml": notes,
    }
    found = read(tmp_path, zipped(members), "x.pptx")
    assert (found.title, found.pages, found.note) == ("Title T-1", 2, "")
    one, other = found.text.split("\f")
    assert one.startswith("## Title T-1\n\nGROUP-3\n\n| TAB-4 |\n| --- |\n| CELL-5 |\n\nSales")
    assert one.rstrip().endswith("ALT-6\n\nNotes: NOTE-2") and other == "LAST-8"


def test_a_workbook_as_its_sheets_show_it(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["share", "broken", "sum"])
    book.active.append([0.15, "#N/A", "=1+2"])
    book.active["A2"].number_format = "0%"
    book.active["A2"].comment = openpyxl.comments.Comment("CX-1", "Ada")
    book.create_sheet("Secret").append(["a|b", 2.5])
    book["Secret"].sheet_state = "hidden"
    kept = io.BytesIO()
    book.save(kept)
    found = read(tmp_path, kept.getvalue(), "x.xlsx")
    assert "| 15% | #N/A |  |" in found.text and "# Secret (hidden)\n\n| a\\|b | 2.5 |" in found.text
    assert "Comment on A2: CX-1" in found.text
    assert found.note.startswith("1 cell holds a formula that was never computed")


ODF = (
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
    'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" '
    'xmlns:presentation="urn:oasis:names:tc:opendocument:xmlns:presentation:1.0"'
)


def opendocument(kind: str, body: str) -> bytes:
    content = f"<office:document-content {ODF}><office:body>{body}</office:body></office:document-content>"
    return zipped(
        {"mimetype": f"application/vnd.oasis.opendocument.{kind}", "content.xml": content, "meta.xml": "<x/>"}
    )


def test_opendocument_files_are_documents_and_never_archives(tmp_path: Path) -> None:
    note = "<office:annotation><text:p>new</text:p></office:annotation>"
    cells = f"<table:table-cell>{note}<text:p>lamp</text:p></table:table-cell>"
    cells += "<table:table-cell table:number-columns-repeated='2'/>"
    cells += "<table:table-cell><text:p>12,50 €</text:p></table:table-cell>"
    sheet = f"<table:table table:name='Prices'>\n <table:table-row>{cells}</table:table-row>\n</table:table>"
    found = read(tmp_path, opendocument("spreadsheet", f"<office:spreadsheet>{sheet}</office:spreadsheet>"), "x")
    assert found.text == "# Prices\n\n| lamp (comment: new) |  |  | 12,50 € |\n| --- | --- | --- | --- |"
    page = "<draw:page><draw:frame><draw:text-box><text:p>A<text:s/>B</text:p></draw:text-box></draw:frame>"
    page += "<presentation:notes><text:p>NOTE-1</text:p></presentation:notes></draw:page>"
    for kind in ("presentation", "graphics"):
        assert read(tmp_path, opendocument(kind, page), "x").text == "A B\n\nNotes: NOTE-1"
    with pytest.raises(BadInput, match="an OpenDocument file \\(formula\\), which is not read"):
        read(tmp_path, opendocument("formula", ""), "x.odf")


def test_markup_is_text_and_not_source(tmp_path: Path) -> None:
    cell = {"cell_type": "markdown", "metadata": {}, "source": ["# Head"]}
    notebook = json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()
    item = b"<item><title>One</title><description>&lt;b&gt;Bold&lt;/b&gt; text</description></item>"
    feed = b"<?xml version='1.0'?><rss><channel><title>News</title>" + item + b"</channel></rss>"
    assert read(tmp_path, notebook, "x.ipynb").text == "# Head"
    assert read(tmp_path, feed, "x").text == "# News\n\n## One\n\n**Bold** text"
    assert (
        read(tmp_path, b"<?xml version='1.0'?><a><b>one</b><b>two <i>three</i> four</b></a>", "x").text
        == "one\ntwo three four"
    )
    assert "Head" in read(tmp_path, rb"\section{Head} Text", "x.tex").text.splitlines()[0]
    assert read(tmp_path, b"* Head\nText", "x.org").text == "# Head\n\nText"


def test_links_within_a_document_are_their_words(tmp_path: Path) -> None:
    page = (
        '<p>See <a href="#x">the [second] part</a>, <a href="https://example.org/#x">out</a>.</p><p id="x">Second</p>'
    )
    text = read(tmp_path, f"<html><body>{page}</body></html>".encode(), "x.html").text
    assert "the [second] part," in text and "[out](https://example.org/#x)" in text and "(#x)" not in text

"""Files into other formats: round trips of real ones, hostile ones, and what becomes of the job around them."""

from __future__ import annotations

import csv
import io
import json
import time
import zipfile
import zlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from PIL import Image

from jobs import convert_files
from jobs.engine.errors import BadInput
from jobs.engine.files.inputs import SAMPLES
from jobs.engine.formats.columns import AUTOMATIC, Choices
from jobs.engine.kits import conversion
from jobs.engine.kits.conversion import formats, options
from jobs.engine.queue import commands, queries
from jobs.engine.sandbox import confined
from tests.engine import workers
from tests.kinds.job_runs import OWNER, content, done, errors, items, run, upload

PACKAGES = Path(pytest.__file__).parents[1]


@pytest.fixture
def into(tmp_path: Path) -> Callable[..., Path]:
    """`into("docx", path)` is the converted file; its warnings are in `into.warnings`."""

    def convert(to: str, source: Path | bytes, name: str = "", choices: Choices = AUTOMATIC, **given: Any) -> Path:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        if isinstance(source, bytes):
            (folder / "given").write_bytes(source)
            source = folder / "given"
        made = conversion.convert(source, name or source.name, to, options.filled(to, given), folder, choices=choices)
        convert.warnings = made.warnings  # type: ignore[attr-defined]
        return made.path

    return convert


def rows(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"))))


# Documents.


@pytest.mark.slow
def test_markdown_comes_back_from_word(into: Callable[..., Path]) -> None:
    back = into("md", into("docx", SAMPLES / "handbook.md")).read_text()
    for line in ("# Opening hours", "## Reminders", "1.  Bring the book to the desk.", "- atlases,"):
        assert line in back
    assert [
        cell.strip() for cell in next(line for line in back.splitlines() if "Wednesday" in line).split("|")[1:4]
    ] == [*("Wednesday", "09:00", "20:00")]
    assert "**weekdays**" in back and "[^1]: The desk" in back


@pytest.mark.slow
@pytest.mark.parametrize("to", ["html", "odt", "epub", "rst"])
def test_every_document_keeps_its_headings_and_cells(into: Callable[..., Path], to: str) -> None:
    made = into(to, SAMPLES / "notice.html")
    assert formats.format_of(made, f"x.{to}") == to
    text = into("txt", made, f"x.{to}").read_text()
    assert "What to do" in text and "Fill a bucket" in text
    assert "10:00" in text


def test_a_pdf_of_a_real_document_can_be_read(into: Callable[..., Path]) -> None:
    made = into("pdf", PACKAGES / "boto3/examples/s3.rst", page_size="a5", toc=True, landscape=True)
    document = pypdfium2.PdfDocument(made)
    first = document[0].get_size()
    text = "".join(page.get_textpage().get_text_bounded() for page in document)
    document.close()
    assert [round(side) for side in first] == [595, 420]
    assert "bucket" in text.lower()


def test_nothing_is_read_or_fetched(into: Callable[..., Path], tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("top secret")
    rst = f'.. include:: {secret}\n\n.. raw:: typst\n\n   #read("{secret}")\n\nPlain words\n'.encode()
    document = pypdfium2.PdfDocument(into("pdf", rst, "x.rst"))
    assert document[0].get_textpage().get_text_bounded().strip().splitlines()[0] == "Plain words"
    document.close()
    assert any("typst" in warning for warning in into.warnings)  # type: ignore[attr-defined]
    page = f'<html><body><p>Here <img src="{secret}"><img src="http://127.0.0.1:9/x.png"></p></body></html>'.encode()
    with zipfile.ZipFile(into("docx", page, "x.html")) as made:
        assert not [name for name in made.namelist() if name.startswith("word/media/")]
    assert into.warnings == ["2 pictures were left out (not part of the file): secret.txt, x.png."]  # type: ignore[attr-defined]


def text_of(pdf: Path) -> str:
    document = pypdfium2.PdfDocument(pdf)
    text = "\n".join(page.get_textpage().get_text_range() for page in document)
    document.close()
    return text


def book(page: str) -> bytes:
    """An EPUB of one page."""
    head = '<?xml version="1.0"?>'
    members = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": f'{head}<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="b.opf" media-type="application/oebps-package+xml"/></rootfiles></container>',
        "b.opf": f'{head}<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata xmlns:dc="http://purl.org/dc/'
        'elements/1.1/"><dc:title>T</dc:title></metadata><manifest><item id="a" href="a.xhtml" media-type="application/'
        'xhtml+xml"/></manifest><spine><itemref idref="a"/></spine></package>',
        "a.xhtml": f'{head}<html xmlns="http://www.w3.org/1999/xhtml"><body>{page}</body></html>',
    }
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return kept.getvalue()


ANCHORS = (
    '<p><a href="#x">LINK-1</a></p>',
    '<pre id="x">code</pre>',
    '<p><span id="y"><a id="x"></a></span></p><p>here</p>',
    '<h2 id="x">Head</h2>',
    '<div id="x"></div>',
    '<p><a id="x"></a><a id="x"></a></p>',
    '<table><tr><td><a id="x"></a>a</td><td>b</td></tr></table>',
    '<p>Two <code id="x">c</code> <img id="x" alt="a" src="data:,"/></p>',
)


def test_links_to_any_place_lead_there_and_others_are_plain_text_and_said(into: Callable[..., Path]) -> None:
    for anchor in ANCHORS[1:]:
        for name, source in (
            ("x.html", f"<html><body>{ANCHORS[0]}{anchor}</body></html>".encode()),
            ("x.epub", book(ANCHORS[0] + anchor)),
        ):
            made = into("pdf", source, name)
            assert "LINK-1" in text_of(made)
            assert not any("link" in warning for warning in into.warnings), anchor  # type: ignore[attr-defined]
    assert "LINK-1" in text_of(into("pdf", book(f'{ANCHORS[0]}<p><a href="#">top</a></p>'), "x.epub"))
    assert "2 links without a target became plain text" in " ".join(into.warnings)  # type: ignore[attr-defined]


def test_cells_that_are_left_open_are_kept(into: Callable[..., Path]) -> None:
    page = b"<title>T</title><table><tr><th>a<th>b<tr><td id=x>X-1<td>Y-2</table><p><a href='#x'>up</a>"
    text = into("md", page, "x.html").read_text()
    assert "X-1 | Y-2" in " ".join(text.split()) and "title: T" in text
    assert "X-1" in text_of(into("pdf", page, "x.html"))


CELL = {"cell_type": "markdown", "metadata": {}, "source": ["# Head\n", "*Text*"]}
NOTEBOOK = json.dumps({"cells": [CELL], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("x.tex", rb"\section{Head} \emph{Text} \input{/etc/passwd}"),
        ("x.org", b"* Head\n/Text/"),
        ("x.ipynb", NOTEBOOK),
    ],
)
def test_markup_is_converted_and_not_printed(into: Callable[..., Path], name: str, source: bytes) -> None:
    text = into("md", source, name).read_text()
    assert "# Head" in text and "*Text*" in text and "root:" not in text


def test_letters_of_many_scripts_have_fonts_and_the_others_are_named(into: Callable[..., Path]) -> None:
    made = into("pdf", "# 東京\n\n서울 中文 हिन्दी ไทย 😀 ✓\n".encode(), "x.md")
    assert "東京" in text_of(made) and into.warnings == []  # type: ignore[attr-defined]
    assert made.stat().st_size > 8_000  # with parts of five fonts
    into("pdf", "Java: ꦗ, Memphis: 𓀀, Kyoto: 京\n".encode(), "x.md")
    said = "No font here has the letters ꦗ 𓀀, shown as boxes. Convert to HTML to keep them."
    assert into.warnings == [said]  # type: ignore[attr-defined]


def test_a_look_that_is_not_kept_is_said(into: Callable[..., Path]) -> None:
    page = b"<html><head><style>p { color: red }</style></head><body><p>x</p></body></html>"
    into("pdf", page, "x.html")
    said = "The look was not kept: styles (CSS); a PDF has one typeface, and the margins of the options."
    assert into.warnings == [said]  # type: ignore[attr-defined]
    into("txt", page, "x.html")
    assert into.warnings == []  # type: ignore[attr-defined]


HOSTILE_TO_TYPST = {
    "x.html": [
        "<div data-typst:fill='panic(1+41)'>{}</div>",
        "<div typst:fill='panic(1+41)'>{}</div>",
        "<div DATA-TYPST:TEXT:FILL='panic(1+41)'>{}</div>",
        "<p><span data-typst:text:fill='panic(1+41)'>{}</span></p>",
        "<table><tr data-typst:fill='panic(1+41)'><td data-typst:fill='panic(1+41)'>{}</td></tr></table>",
        "<table data-typst:fill='panic(1+41)'><thead><tr><th data-typst:text:fill='panic(1+41)'>{}</th></tr></thead></table>",
        "<figure data-typst:figure:kind='panic(1+41)'><img src='data:image/png;base64,x'></figure><p>{}</p>",
        "<pre class='x```#panic(1+41)'><code>{}</code></pre>",
        "<pre class='`#panic(1+41)'>{}</pre>",
        "<p><code class='x`#panic(1+41)'>{}</code></p>",
        "<h1 id='x>#panic(1+41)<' data-typst:fill='panic(1+41)'>{}</h1>",
        "<p lang='x\",fill:panic(1+41),y:\"'>{}</p>",
        "<p dir='x,fill:panic(1+41)'>{}</p>",
        "<p><a href='#\");panic(1+41);(\"' data-typst:fill='panic(1+41)'>{}</a></p>",
        "<p>#panic(1+41) $panic(1+41)$ `#panic(1+41)` \\#panic(1+41) */#panic(1+41) {}</p>",
        "<p style='width:panic(1+41)' width='panic(1+41)'>{}</p>",
    ],
    "x.md": [
        "::: {{typst:fill='panic(1+41)'}}\n{}\n:::",
        "[{}]{{typst:text:fill='panic(1+41)'}}",
        "```{{=typst}}\n#panic(1+41)\n```\n\n{}",
        "`#panic(1+41)`{{=typst}} {}",
        '$\\text{{"#panic(1+41)"}}$ $\\operatorname{{"+panic(1+41)+"}}$ $#panic(1+41)$ {}',
        "<div data-typst:fill='panic(1+41)'>x</div>\n\n{}",
        "```x`#panic(1+41)\n{}\n```",
        "![{}](data:image/png;base64,x){{typst:fill='panic(1+41)' width='panic(1+41)'}}",
    ],
    "x.rst": [".. raw:: typst\n\n   #panic(1+41)\n\n{}", ".. class:: x`#panic(1+41)\n\n{}"],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(HOSTILE_TO_TYPST))
def test_nothing_in_a_document_runs_as_typst_code(into: Callable[..., Path], name: str) -> None:
    for hostile in HOSTILE_TO_TYPST[name]:
        page = pypdfium2.PdfDocument(into("pdf", hostile.format("seen").encode(), name))[0]
        assert "seen" in page.get_textpage().get_text_range(), hostile


def word(body: str) -> bytes:
    """A DOCX with this as its body; `link` is the id of a hostile address."""
    names = "http://schemas.openxmlformats.org"
    spaces = {
        "w": "wordprocessingml/2006/main",
        "m": "officeDocument/2006/math",
        "r": "officeDocument/2006/relationships",
    }
    declared = " ".join(f'xmlns:{name}="{names}/{space}"' for name, space in spaces.items())
    kinds, main = (
        f"{names}/package/2006/content-types",
        "application/vnd.openxmlformats-officedocument.wordprocessingml",
    )
    related, office = f"{names}/package/2006/relationships", f"{names}/officeDocument/2006/relationships"
    link = f'Type="{office}/hyperlink" TargetMode="External" Target="x&quot;);#panic(1+41);(&quot;"'
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{kinds}"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/word/document.xml" ContentType="{main}.document.main+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{related}">'
        f'<Relationship Id="r1" Type="{office}/officeDocument" Target="word/document.xml"/></Relationships>',
        "word/_rels/document.xml.rels": f'<Relationships xmlns="{related}"><Relationship Id="link" {link}/></Relationships>',
        "word/document.xml": f"<w:document {declared}><w:body>{body}</w:body></w:document>",
    }
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as packed:
        for name, text in parts.items():
            packed.writestr(name, text)
    return written.getvalue()


HOSTILE_WORD = [
    "<w:r><w:t>#panic(1+41) ```{=typst} #panic(1+41)``` </w:t></w:r>",
    "<m:oMath><m:r><m:t>#panic(1+41)</m:t></m:r></m:oMath>",
    '<m:oMath><m:r><m:rPr><m:nor/></m:rPr><m:t>"#panic(1+41)</m:t></m:r></m:oMath>',
    "<m:oMath><m:r><m:t>$ #panic(1+41) $</m:t></m:r></m:oMath>",
    '<m:oMath><m:d><m:dPr><m:begChr m:val="#panic(1+41)"/></m:dPr><m:e><m:r><m:t>x</m:t></m:r></m:e></m:d></m:oMath>',
    '<m:oMath><m:acc><m:accPr><m:chr m:val="#panic(1+41)"/></m:accPr><m:e><m:r><m:t>x</m:t></m:r></m:e></m:acc></m:oMath>',
    '<w:bookmarkStart w:id="0" w:name="x&gt;#panic(1+41)"/><w:r><w:t>y</w:t></w:r><w:bookmarkEnd w:id="0"/>',
    '<w:hyperlink r:id="link"><w:r><w:t>y</w:t></w:r></w:hyperlink>',
]


@pytest.mark.slow
def test_nothing_in_a_word_document_runs_as_typst_code(into: Callable[..., Path]) -> None:
    body = "".join(f"<w:p>{hostile}<w:r><w:t> seen</w:t></w:r></w:p>" for hostile in HOSTILE_WORD)
    page = pypdfium2.PdfDocument(into("pdf", word(body), "x.docx"))[0]
    assert page.get_textpage().get_text_range().count("seen") == len(HOSTILE_WORD)


def test_links_to_nowhere_and_odd_pictures_do_not_keep_a_pdf_from_being_set(into: Callable[..., Path]) -> None:
    broken = "data:image/png;base64,iVBORw0KGgo="
    made = into("pdf", f"# A\n\n[on](#nowhere) [up](#a) ![x]({broken}) #set *x* \\$ `#let` @a <b> ꦗ\n".encode(), "x.md")
    assert made.read_bytes().startswith(b"%PDF")
    said = " ".join(into.warnings)  # type: ignore[attr-defined]
    assert "#nowhere" in said and "pictures were left out" in said and "ꦗ" in said


def test_drawings_and_formulas_of_a_page_with_open_cells_are_kept(into: Callable[..., Path]) -> None:
    drawing = '<svg width="9" height="9"><circle cx="5" cy="5" r="4"/></svg>'
    formula = "<math><mi>a</mi><mo>=</mo><msup><mi>x</mi><mn>2</mn></msup></math>"
    page = f"<html><body><table><tr><td>MENU-1<td>ITEM-2</table><p>{drawing} {formula} END-3<svg></p></body></html>"
    text = into("html", page.encode(), "x.html").read_text()
    assert "MENU-1" in text and "END-3" in text and "<msup><mi>x</mi><mn>2</mn></msup>" in text
    assert "<circle" in text or "data:image/svg+xml" in text
    assert text_of(into("pdf", page.encode(), "x.html")).count("ITEM-2") == 1


def test_a_name_is_text_in_the_page(into: Callable[..., Path]) -> None:
    text = into("html", b"a <i>b</i>\n", "<script>x.txt").read_text()
    assert "<script" not in text and "a &lt;i&gt;b" in text


# Tables.


@pytest.mark.slow
@pytest.mark.parametrize("table", ["airports.csv", "weather.csv"])
def test_values_come_back_from_parquet(into: Callable[..., Path], vega: Path, table: str) -> None:
    assert rows(into("csv", into("parquet", vega / table))) == rows(vega / table)


@pytest.mark.slow
def test_only_what_comes_back_as_written_becomes_a_number(into: Callable[..., Path]) -> None:
    text = b"id,zip,price,share,ok,note\n1,01234,12.50,0.5,true,=1+1\n2,99999,3.00,1.5,,\n"
    made = json.loads(into("json", text, "x.csv").read_text())
    assert made[0] == {"id": 1, "zip": "01234", "price": "12.50", "share": 0.5, "ok": True, "note": "=1+1"}
    assert "“price”" in into.warnings[0]  # type: ignore[attr-defined]
    numbers = json.loads(into("json", text, "x.csv", types="numbers").read_text())
    assert (numbers[0]["price"], numbers[0]["zip"]) == (12.5, "01234")
    parquet = into("parquet", text, "x.csv")
    assert rows(into("csv", parquet, formulas="keep"))[1:] == [
        *(["1", "01234", "12.50", "0.5", "true", "=1+1"], ["2", "99999", "3.00", "1.5", "", ""])
    ]
    assert rows(into("csv", parquet))[1][5] == "'=1+1"
    assert "formulas=keep" in into.warnings[0]  # type: ignore[attr-defined]


def test_numbers_and_dates_as_people_write_them_are_converted_by_choice(into: Callable[..., Path]) -> None:
    import openpyxl

    german = (
        "name;betrag;anteil;tag;plz\na;1.234,50 €;15 %;05.03.2026;01234\nb;7,00 €;7,5 %;06.03.2026;04321\n".encode()
    )
    sheet = openpyxl.load_workbook(into("xlsx", german, "x.csv"))["Table"]
    assert [[cell.value for cell in row] for row in sheet.iter_rows(min_row=2)] == [
        ["a", 1234.5, 0.15, datetime(2026, 3, 5), "01234"],
        ["b", 7, 0.075, datetime(2026, 3, 6), "04321"],
    ]
    assert sheet["B2"].number_format == "0.00" and sheet["D2"].number_format == "yyyy-mm-dd"
    said = " ".join(into.warnings)  # type: ignore[attr-defined]
    assert "without “EUR”" in said and "15 % is 0.15" in said and "read with the day first" in said
    american = into("json", german, "x.csv", types="numbers", choices=Choices("month first", texts=("betrag",)))
    assert json.loads(american.read_text())[0] == {
        **{"name": "a", "betrag": "1.234,50 €", "anteil": 0.15, "tag": "2026-05-03", "plz": "01234"}
    }
    exact = json.loads(into("json", german, "x.csv").read_text())
    assert exact[0] == {"name": "a", "betrag": "1.234,50 €", "anteil": "15 %", "tag": "05.03.2026", "plz": "01234"}
    assert "“betrag”, “anteil” stayed text" in into.warnings[0]  # type: ignore[attr-defined]
    back = rows(into("csv", into("parquet", german, "x.csv", types="numbers")))
    assert back[1:] == [["a", "1234.50", "0.15", "2026-03-05", "01234"], ["b", "7.00", "0.075", "2026-03-06", "04321"]]


def test_decimals_of_parquet_keep_theirs(into: Callable[..., Path], tmp_path: Path) -> None:
    import duckdb
    import openpyxl

    select = "select 12.50::decimal(9,2) as price, 3::decimal(9,2) as fee, date '2026-03-05' as day, 'x' as name"
    duckdb.connect().execute(f"copy ({select}) to '{tmp_path / 'p.parquet'}' (format parquet)")
    assert rows(into("csv", tmp_path / "p.parquet"))[1] == ["12.50", "3.00", "2026-03-05", "x"]
    assert json.loads(into("json", tmp_path / "p.parquet").read_text()) == [
        {"price": 12.5, "fee": 3, "day": "2026-03-05", "name": "x"}
    ]
    cells = openpyxl.load_workbook(into("xlsx", tmp_path / "p.parquet"))["Table"][2]
    assert [cell.value for cell in cells] == [12.5, 3, datetime(2026, 3, 5), "x"]
    assert cells[0].number_format == "0.00"
    again = duckdb.connect().execute(f"describe from '{into('parquet', tmp_path / 'p.parquet')}'").fetchall()
    assert [one[1] for one in again] == ["DECIMAL(9,2)", "DECIMAL(9,2)", "DATE", "VARCHAR"]


@pytest.mark.slow
def test_json_goes_through_all_the_tables(into: Callable[..., Path], vega: Path) -> None:
    films = json.loads((vega / "movies.json").read_bytes())[:300]
    source = json.dumps(films).encode()
    parquet = into("parquet", source, "films.json")
    assert into.warnings == ["“Title” had values of several types and became text."]  # type: ignore[attr-defined]
    there = into("jsonl", into("xlsx", parquet))
    back = [json.loads(line) for line in there.read_text().splitlines()]
    assert len(back) == 300
    for film, came in zip(films, back, strict=True):
        assert came == pytest.approx(film | {"Title": film["Title"] and str(film["Title"])})


@pytest.mark.slow
def test_dropped_sheets_and_nested_values_are_said(into: Callable[..., Path], tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    book.worksheets[0].append(["a", "b"])
    book.worksheets[0].append([1, "x"])
    book.create_sheet("Costs")
    book.save(tmp_path / "two.xlsx")
    assert rows(into("csv", tmp_path / "two.xlsx")) == [["a", "b"], ["1", "x"]]
    assert "Others in this workbook: “Costs”." in into.warnings[0]  # type: ignore[attr-defined]
    assert rows(into("csv", b'[{"a": {"b": [1]}}]', "x.json"))[1] == ['{"b": [1]}']
    assert "JSON" in into.warnings[0]  # type: ignore[attr-defined]


# Pictures.


@pytest.mark.slow
@pytest.mark.parametrize("to", ["png", "jpeg", "webp", "avif", "gif", "bmp", "tiff"])
def test_pictures_become_each_other(into: Callable[..., Path], vega: Path, to: str) -> None:
    made = into(to, vega / "ffox.png", max_width=64)
    with Image.open(made) as picture:
        picture.load()
        assert (picture.format, max(picture.size)) == (to.upper(), 64)
    flat = "Transparency was filled with #ffffff." in into.warnings  # type: ignore[attr-defined]
    assert flat == (to in ("jpeg", "bmp"))


@pytest.mark.slow
def test_drawings_and_avif_become_pictures(into: Callable[..., Path], tmp_path: Path) -> None:
    svg = b'<?xml version="1.0"?><!----><svg xmlns="http://www.w3.org/2000/svg" width="200" height="100"><rect width="100"/></svg>'
    with Image.open(into("png", svg, "plan.svg")) as picture:
        assert picture.size == (400, 200)
    document = pypdfium2.PdfDocument(into("pdf", svg, "plan.svg"))
    assert document[0].get_width() > document[0].get_height()
    document.close()
    Image.new("RGB", (40, 20), "red").save(tmp_path / "photo.avif")
    with Image.open(into("png", tmp_path / "photo.avif")) as picture:
        assert picture.size == (40, 20)


@pytest.mark.slow
def test_films_keep_their_frames_where_the_format_has_them(into: Callable[..., Path], tmp_path: Path) -> None:
    frames = [Image.new("RGB", (20, 10), (shade, 0, 0)) for shade in (0, 90, 180)]
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
    document = pypdfium2.PdfDocument(into("pdf", tmp_path / "film.gif"))
    assert len(document) == 3
    document.close()
    into("jpeg", tmp_path / "film.gif")
    assert into.warnings == ["Only the first of 3 frames was kept."]  # type: ignore[attr-defined]


# Hostile and broken files.


def bomb() -> bytes:
    """A PNG whose header promises fifty thousand by fifty thousand pixels."""
    kept = io.BytesIO()
    Image.new("1", (1, 1)).save(kept, "PNG")
    header = b"IHDR" + (50_000).to_bytes(4, "big") * 2 + kept.getvalue()[24:29]
    return kept.getvalue()[:12] + header + zlib.crc32(header).to_bytes(4, "big") + kept.getvalue()[33:]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "name", "to", "said"),
    [
        (bomb(), "x.png", "jpeg", "50,000"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 30, "x.png", "jpeg", "damaged"),
        (b"PK\x03\x04" + b"\0" * 60, "x.docx", "md", "damaged"),
        (b'a,b\n1,"2\n', "x.csv", "json", "quote"),
        (b"MZ\x90\0\x03\0\0\0\x04", "x.csv", "json", "a program"),
        (b"%PDF-1.7\n", "x.md", "docx", "PDF"),
    ],
)
def test_a_broken_file_is_named(into: Callable[..., Path], data: bytes, name: str, to: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        into(to, data, name)


def test_what_takes_too_long_or_is_stopped_ends_with_all_it_started(tmp_path: Path) -> None:
    deep = tmp_path / "deep.md"
    deep.write_text("> " * 3_000 + "x\n" + "*a **b " * 60_000)
    request = {"path": str(deep), "name": "deep.md", "format": "md", "to": "docx", "options": {}}
    began = time.monotonic()
    with pytest.raises(BadInput, match="given up after 1 s"):
        confined.run("jobs.engine.kits.conversion", request, confined.ProcessLimits(seconds=1), folder=tmp_path)

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        confined.run("jobs.engine.kits.conversion", request, folder=tmp_path, check=stop)
    assert time.monotonic() - began < 30
    left = [path for path in Path("/proc").glob("[0-9]*/cmdline") if str(tmp_path) in _read(path)]
    assert left == []


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


# The job.


@pytest.mark.slow
def test_the_example(environment: Callable[..., None]) -> None:
    job = done("convert_files", **convert_files.EXAMPLE)
    assert (job.state, job.done, job.result["with_warnings"]) == ("succeeded", 3, 1)
    files = queries.output_files(job)
    assert [file.name for file in files[-1:]] == ["pdf files.zip"]
    with zipfile.ZipFile(io.BytesIO(content(files[-1]))) as packed:
        assert packed.namelist() == ["handbook.pdf", "notice.pdf", "lighthouse.pdf"]
        assert sorted(packed.read(name) for name in packed.namelist()) == sorted(content(file) for file in files[:-1])
    assert all(item.output["output_bytes"] > 0 and item.input["bytes"] > 0 for item in items(job))


@pytest.mark.slow
def test_a_bad_file_does_not_stop_the_rest_and_is_tried_again_alone(environment: Callable[..., None]) -> None:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w") as archive:
        archive.writestr("in/a.csv", "x\n1\n")
        archive.writestr("in/b/a.csv", "x\n2\n")
        archive.writestr("bad.csv", 'x\n"2\n')
        archive.writestr("photo.png", bomb())
    job = done("convert_files", files=[upload(kept.getvalue(), "all.zip"), upload(b"y\n3\n", "a.csv")], to="jsonl")
    assert (job.state, job.done, job.failed) == ("partial", 3, 2)
    assert [item.output["output"] for item in items(job) if item.output] == ["a.jsonl", "a (2).jsonl", "a (3).jsonl"]
    assert "not jsonl" in next(item for item in items(job) if item.input["file"] == "photo.png").error
    commands.retry(job.id, owner=OWNER, items="failed")
    again = run(job)
    assert (again.state, again.done, again.failed) == ("partial", 3, 2)
    assert sorted(file.name for file in queries.output_files(again)) == sorted(
        file.name for file in queries.output_files(job)
    )
    assert all(file.bytes for file in queries.output_files(again))


def test_only_what_is_possible_is_accepted(environment: Callable[..., None]) -> None:
    wrong = errors(
        "convert_files", files=["sample:reviews.csv", "sample:notice.html"], to="png", options={"quality": 300, "x": 1}
    )
    assert (
        "“reviews.csv” is a CSV table. It can be converted to csv, tsv, json, jsonl, xlsx, parquet, html, md or pdf, not png."
        in wrong["files"]
    )
    assert "“notice.html” is an HTML page" in wrong["files"]
    assert set(wrong) == {"files", "options.quality", "options.x"}
    assert "max_width" in wrong["options.quality"]
    assert errors("convert_files", files=[], to="png") == {"files": "Choose at least one file."}
    jpeg = errors("convert_files", files=["sample:lighthouse.png"], to="jpeg", options={"quality": 300})
    assert jpeg == {"options.quality": "The option “quality”: this must be 100 or less."}


@pytest.mark.slow
def test_a_killed_worker_loses_no_finished_file(environment: Callable[..., None]) -> None:
    refs = [upload(f"# Text {number}\n".encode(), f"t{number}.md") for number in range(8)]
    job = commands.submit("convert_files", {"files": refs, "to": "html", "concurrency": 1}, owner=OWNER)
    with workers.running("--queues", "cpu", "--processes", "1") as program:
        workers.begun(job, 2)
        workers.kill(*program.horses)
        job = workers.ended(job)
    assert (job.state, job.done, len(queries.attempts(job))) == ("succeeded", 8, 2)
    assert sorted(file.name for file in queries.output_files(job)) == sorted(
        [*(f"t{n}.html" for n in range(8)), "html files.zip"]
    )
    assert all(
        f"Text {file.name[1]}".encode() in content(file) for file in queries.output_files(job) if file.name[0] == "t"
    )

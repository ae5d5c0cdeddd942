"""PDFs and presentations as text, documents and pictures; HEIC as other pictures."""

from __future__ import annotations

import base64
import zipfile
from pathlib import Path
from typing import Any

import pytest
import typst
from PIL import Image

from jobs.engine.errors import BadInput
from jobs.engine.kits.conversion import formats, options, pages, pictures
from tests.engine.formats.extraction.made import pdf as made
from tests.engine.formats.extraction.made import read

HEIC = (  # 16 by 12 pixels of red
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAXxtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAACJpbG9jAAAAAERAAAEA"
    "AQAAAAABoAABAAAAAAAAACoAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAAAA5waXRtAAAAAAABAAAA/GlwcnAAAADcaXBjbwAAAHVodmND"
    "AQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQApQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbqrprm4CGgwIAA"
    "AAyAAAADAIRiAAEABkQBwXPBiQAAABNjb2xybmNseAABAA0ABoAAAAAUaXNwZQAAAAAAAABAAAAAQAAAAChjbGFwAAAAEAAAAAEAAAAMAAAAAf///9AAAAAC"
    "////zAAAAAIAAAAQcGl4aQAAAAADCAgIAAAAGGlwbWEAAAAAAAAAAQABBYECAwWEAAAAMm1kYXQAAAAmKAGvGSFeQkDvXaW//34+/1mF/iVbfKZKppcE14iZ"
    "CwOBgI2RnTg="
)
PAGES = """#set page(width: 400pt, height: 200pt)
= Head \\#1
Words with *stars* and a_b, 1 < 2.
#table(columns: 2, [A], [B], [1], [2])
#pagebreak()
Second
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "page.typ").write_text(PAGES)
    (tmp_path / "x.pdf").write_bytes(bytes(typst.compile(tmp_path / "page.typ")))
    return tmp_path / "x.pdf"


def convert(source: Path, to: str, **given: Any) -> tuple[Path, list[str]]:
    folder = source.parent / f"{to}-{len(list(source.parent.iterdir()))}"
    folder.mkdir()
    return pages.convert(
        source, formats.format_of(source, source.name), to, source.name, options.filled(to, given), folder
    )


def test_a_pdf_as_text_and_documents(source: Path) -> None:
    path, notes = convert(source, "md")
    assert path.read_text() == (
        "# Head \\#1\n\nWords with stars and a\\_b, 1 \\< 2.\n\n| A | B |\n|---|---|\n| 1 | 2 |\n\nSecond\n"
    )
    assert notes == ["Left out: drawings, links, colours, typefaces and where things stand on the page."]
    assert (
        convert(source, "txt")[0].read_text() == "Head #1\n\nWords with stars and a_b, 1 < 2.\n\nA\tB\n1\t2\n\nSecond\n"
    )
    html = convert(source, "html")[0].read_text()
    assert '<h1 id="head-1">Head #1</h1>' in html and "<td>2</td>" in html and "a_b, 1 &lt; 2" in html
    with zipfile.ZipFile(convert(source, "docx")[0]) as document:
        body = document.read("word/document.xml").decode()
    assert 'w:val="Heading1"' in body and "<w:tbl>" in body


def test_a_pdf_as_pictures(source: Path) -> None:
    path, notes = convert(source, "png", dpi=72)
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["page-0001.png", "page-0002.png"]
        with archive.open("page-0002.png") as opened, Image.open(opened) as picture:
            assert picture.size == (400, 200)
    assert notes == ["The text became part of the pictures."]
    one = source.parent / "one.pdf"
    one.write_bytes(made("BT /F1 12 Tf 57 700 Td (ONE) Tj ET"))
    path, _ = convert(one, "jpeg", max_width=100)
    with Image.open(path) as picture:
        assert picture.format == "JPEG" and picture.width == 100


def test_a_pdf_without_text_is_refused_but_for_pictures(tmp_path: Path) -> None:
    (tmp_path / "blank.pdf").write_bytes(made(" "))
    with pytest.raises(BadInput, match="nothing to convert but to pictures"):
        convert(tmp_path / "blank.pdf", "md")


def test_heic_pictures(tmp_path: Path) -> None:
    source = tmp_path / "photo"
    source.write_bytes(base64.b64decode(HEIC))
    assert formats.format_of(source, "photo") == "heic"
    path, _ = pictures.convert(source, "png", options.filled("png", {}), tmp_path)
    with Image.open(path) as picture:
        red, green, _ = picture.convert("RGB").getpixel((8, 6))  # type: ignore[misc]
        assert picture.size == (16, 12) and red > 180 and green < 60
    found = read(tmp_path, source.read_bytes(), "photo.heic")
    assert found.media_type == "image/heif" and (found.meta["width"], found.meta["height"]) == (16, 12)

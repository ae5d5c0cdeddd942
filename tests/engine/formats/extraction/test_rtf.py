"""RTF as programs write it, and pages that name their encoding. One document holds many cases: pandoc is started once for each."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.engine.formats.extraction.office import rtf
from tests.engine.formats.extraction.made import read

FONTS = rb"{\fonttbl{\f0\fcharset0 A;}{\f1\fcharset204 B;}{\f2\fcharset128 C;}{\f3\fcharset238 D;}}"
LETTERS = {
    rb"\ansicpg1252 Gr\'fc\'dfe \'80 5": "Grüße € 5",
    rb"\ansicpg1251 \'cf\'f0\'e8\'e2\'e5\'f2": "Привет",
    rb"\ansicpg932 \'93\'8c\'8b\'9e \'83e\'83X\'83g \'95\\": "東京 テスト 表",
    rb"\mac Gr\'9f\'a7e": "Grüße",
    rb"\ansicpg1252 Gr\u252\'fc\u223?e \u26481?\u-25896? \u-10179?\u-8694?": "Grüße 東高 😊",
    rb"\uc0 Gr\u252 \u223 e {\uc2\u8364 ab}x": "Grüße {€}x",
    FONTS + rb"\f0 \'fc\f1 \'cf\'f0\f2 \'93\'8c\f3 \'a3\'f3d\'9f": FONTS.decode() + r"\f0 ü\f1 Пр\f2 東\f3 Łódź",
    rb"\ansicpg1252 a{\pict\bin5 }{\\}}b": "a{\\pict}b",
    rb"\ansicpg1252 \'7b\'5c\'7d": r"\{\\\}",
    "\\ansicpg1252 Gr\u00fc\u00dfe".encode("cp1252"): "Grüße",
}


def test_letters_are_written_in_utf_8(tmp_path: Path) -> None:
    for body, text in LETTERS.items():
        (tmp_path / "a").write_bytes(rb"{\rtf1\ansi" + body + b"}")
        rtf.readable(tmp_path / "a", tmp_path / "b")
        written = (tmp_path / "b").read_text("utf-8")
        assert written.endswith(text + "}"), (body, written)


def test_what_is_hidden_or_deleted_and_what_stands_on_each_page(tmp_path: Path) -> None:
    body = (
        rb"{\rtf1\ansi\ansicpg1252{\header HEAD-1\par}{\footer F\'fcSS-2}seen {\v HIDDEN-3} {\deleted GONE-4}{\revised NEW-5}\par"
        rb"\trowd\cellx1000\cellx2000 \intbl A1\cell B1\cell\row\trowd\cellx1000\cellx2000 \intbl A2 \'80\cell B2\cell\row\pard"
        rb" next\par after{\footnote NOTE-6}\par}"
    )
    text = read(tmp_path, body, "x.rtf").text
    assert text.startswith(
        "seen NEW-5\n\n| A1 | B1 |\n|---|---|\n| A2 € | B2 |\n\nnext\n\nafter[^1]\n\nHEAD-1\n\nFüSS-2\n\n[^1]: NOTE-6"
    )


@pytest.mark.parametrize(
    ("page", "name", "encoding", "text"),
    [
        ("<html><head><meta charset='koi8-r'></head><body><p>да</p></body></html>", "x.html", "koi8-r", "да"),
        ("<html><head><meta charset='cp1252'></head><body><p>東京</p></body></html>", "x.html", "utf-8", "東京"),
        ("<?xml version='1.0' encoding='Shift_JIS'?><r><a>東京①</a></r>", "x.xml", "cp932", "東京①"),
        ("<?xml version='1.0' encoding='utf-8'?><r><a>Grüße</a></r>", "x.xml", "cp1252", "Grüße"),
    ],
)
def test_pages_name_their_encoding_rightly_or_not(
    tmp_path: Path, page: str, name: str, encoding: str, text: str
) -> None:
    assert read(tmp_path, page.encode(encoding), name).text == text

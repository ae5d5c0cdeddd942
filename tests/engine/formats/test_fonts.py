"""The letters that the fonts of PDFs and charts have."""

from __future__ import annotations

from jobs.engine.formats import fonts
from tests import font_coverage


def test_the_list_of_letters_is_that_of_the_installed_fonts() -> None:
    assert font_coverage.TARGET.read_text().split("\n", 1)[0] == font_coverage.versions()


def test_exactly_the_letters_without_a_font_are_named() -> None:
    scripts = "Zoë Łukasz Ω Ж 東京 カナ 서울 中文 العربية שלום हिन्दी ไทย தமிழ் አማርኛ ქართული 😀 👩‍👩‍👧 ❤️ ✓ ☐ ₹ ½"
    assert fonts.missing(scripts) == []
    assert fonts.missing(f"ꦗ{scripts}𓀀 ꦗ\n") == ["ꦗ", "𓀀"]
    assert fonts.warning("aꦗ") == ["No font here has the letter ꦗ, shown as boxes. Convert to HTML to keep them."]
    many = "".join(map(chr, range(0x13000, 0x13000 + 30)))
    assert f"{' '.join(many[:20])} and 10 others" in fonts.warning(many)[0]


def test_chinese_signs_have_the_shapes_of_the_texts_language() -> None:
    families = {text: fonts.of_east_asia(text) for text in ("東京タワー", "서울 漢字", "中文", "Zoë")}
    assert list(families.values()) == ["Noto Sans CJK JP", "Noto Sans CJK KR", "Noto Sans CJK SC", ""]

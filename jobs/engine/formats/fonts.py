"""The fonts of PDFs and charts: typst's own, and Noto's for the scripts that those lack, out of two wheels.

font_coverage.txt has the letters of all of them; `python -m tests.font_coverage` writes it.
"""

from __future__ import annotations

import importlib.util
import re
import unicodedata
from bisect import bisect_right
from functools import cache
from pathlib import Path

PACKAGES = ("manimgx_fonts", "manimgx_fonts_cjk")
NAMED = 20
UNSEEN = ("Cc", "Cf", "Zl", "Zp")  # categories of Unicode: control characters, joiners, separators
_BEYOND = re.compile(
    "[\u0530-\u1dff\u2300-\ud7ff\uf900-\ufdff\ufe70-\U0010ffff]"
)  # letters that typst's own fonts may lack
_KANA, _HANGUL, _HAN = re.compile("[\u3040-\u30ff]"), re.compile("[\uac00-\ud7a3]"), re.compile("[\u2e80-\u9fff]")


def folders() -> list[Path]:
    """Where the Noto fonts are."""
    found = (importlib.util.find_spec(package) for package in PACKAGES)
    return [Path(place) for spec in found if spec for place in spec.submodule_search_locations or ()]


def needed(text: str) -> bool:
    """Whether a text may have letters that typst's own fonts lack. Noto's take a fifth of a second to load."""
    return _BEYOND.search(text) is not None


def of_east_asia(text: str) -> str:
    """The font for Chinese signs, which Japanese and Korean write in other shapes; "" if a text has none."""
    if _KANA.search(text):
        return "Noto Sans CJK JP"
    if _HANGUL.search(text):
        return "Noto Sans CJK KR"
    return "Noto Sans CJK SC" if _HAN.search(text) else ""


def warning(text: str, where: str = "") -> list[str]:
    """A sentence that names the letters that no font here has; nothing if all have one. where: "in the chart "."""
    letters = missing(text)
    if not letters:
        return []
    more = f" and {len(letters) - NAMED:,} others" if len(letters) > NAMED else ""
    named = f"{' '.join(letters[:NAMED])}{more}"
    has = "letter" if len(letters) == 1 else "letters"
    return [f"No font here has the {has} {named}, shown {where}as boxes. Convert to HTML to keep them."]


def missing(text: str) -> list[str]:
    """The letters that no font has, in the order of their codes. Those that are not seen, such as joiners, are not among them."""
    starts, ends = _ranges()
    return [
        letter
        for letter in sorted(set(text))
        if ord(letter) > ends[bisect_right(starts, ord(letter)) - 1]
        and unicodedata.category(letter) not in ("Cc", "Cf", "Zl", "Zp")
    ]


@cache
def _ranges() -> tuple[list[int], list[int]]:
    """The first and the last codes of the runs of letters that the fonts have."""
    words = Path(__file__).with_name("font_coverage.txt").read_text().split("\n", 1)[1].split()
    pairs = [word.split("-") for word in words]
    return [0, *(int(pair[0], 16) for pair in pairs)], [0x1F, *(int(pair[-1], 16) for pair in pairs)]

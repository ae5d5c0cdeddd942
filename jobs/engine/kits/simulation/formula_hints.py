"""What to write instead of what spreadsheets, calculators and other languages take, for formulas that cannot be read."""

from __future__ import annotations

import re

_POWER = {"\u00b2": 2, "\u00b3": 3}
_SIGNS = {
    **{"\u00d7": "*", "\u00b7": "*", "\u22c5": "*", "\u00f7": "/", "\u2212": "-", "\u2013": "-", "\u2014": "-"},
    **{"\u2264": "<=", "\u2265": ">=", "\u2260": "!=", "<>": "!=", "&&": "and", "||": "or"},
}
_SIGN = re.compile("|".join(map(re.escape, _SIGNS)))
_ZEROS = re.compile(r"(?<![\w.])\d{1,3}(?:,\d{3})*,000(?![\w.])")  # max(x, 1,000) would be max(x, 1, 0)

# What is looked for, in this order, and the sentence. Its groups fill the braces.
_NO_WORD = r"(?!(?:if|else|and|or|not)\b|e[-+]?\d)"
_HINTS = [
    (re.compile(r"\s*=\s*(?!=)"), "Leave out the \u201c=\u201d in front: a formula is only what stands behind it."),
    (re.compile(r"\bif\s*\(", re.I), "Write where(x > 1, 2, 3), or 2 if x > 1 else 3, instead of {0}\u2026)."),
    (re.compile(r"\b(and|or|not)\s*\([^()]*[,;]", re.I), "Write a and b, a or b, not a, instead of {0}\u2026)."),
    (re.compile(r"(\w+|\))\s*\^\s*(\w+|\()"), "Write {1} ** {2} for a power, instead of {0}."),
    (re.compile(r"(\w+|\))([\u00b2\u00b3])"), "Write {1} ** {power} for a power, instead of {0}."),
    (re.compile(r"(\d+(?:[.,]\d+)?)\s*%(?!\s*[\w(.])"), "Write {fraction} instead of {1}%: % is the remainder of a division."),
    (re.compile(r"(\d{1,3}(?:,\d{3})+)(\.\d+)?(?![\w,])"), "Write {plain} instead of {0}: a comma separates arguments."),
    (re.compile(r"(\d+),(\d+)(?!\w)"), "Write {1}.{2} instead of {0}: numbers have a decimal point."),
    (re.compile(r";"), "Separate arguments by commas, not by semicolons: max(a, b)."),
    (re.compile(rf"(?<![\w.])(\d+(?:\.\d+)?)\s*{_NO_WORD}([A-Za-z_]\w*|\()"), "Write {1} * {2} instead of {0}."),
    (re.compile(r"(\))\s*(\(|\w+)"), "Write ) * {2} instead of {0}."),
    (re.compile(r"[$\u20ac\u00a3\u00a5]"), "Leave out currency signs: {0}."),
    (_SIGN, "Write {sign} instead of {0}."),
    (re.compile(r"(?<![<>=!])=(?!=)"), "Write == to compare."),
    (re.compile(rf"\b{_NO_WORD}([A-Za-z_]\w*)\s+{_NO_WORD}([A-Za-z_]\w*)"),
     "There is no sign between {1} and {2}. A name has no blanks; a product is {1} * {2}."),
]  # fmt: skip


def always_wrong(text: str) -> str | None:
    """The sentence for a formula that could be computed, and would not be what is meant."""
    found = _ZEROS.search(text)
    return f"Write {found[0].replace(',', '')} instead of {found[0]}: a comma separates arguments." if found else None


def hint(text: str) -> str | None:
    """What to write instead, as a sentence; None where nothing is known. For a formula that cannot be used."""
    for pattern, sentence in _HINTS:
        found = pattern.match(text) if sentence.startswith("Leave out the") else pattern.search(text)
        if found:
            return sentence.format(found[0].strip(), *found.groups(), **_named(found[0], found.groups()))
    return None


def _named(whole: str, groups: tuple[str, ...]) -> dict[str, object]:
    number = re.sub(r"[^\d.]", "", whole.replace(",", "."))
    return {
        "power": _POWER.get(whole[-1], 2),
        "fraction": f"{float(number) / 100:g}" if number.count(".") < 2 and number.strip(".") else "0.1",
        "plain": whole.replace(",", "").strip(),
        "sign": _SIGNS.get(whole, ""),
    }

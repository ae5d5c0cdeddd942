"""Write a value as a spreadsheet shows it, by its number format: 0.15 with `0 %` as 15 %, 1.34375 days with `[h]:mm` as 32:15.

The formats are those of ECMA-376, part 1, section 18.8.31. What depends on the reader's country is written as in English.
"""

from __future__ import annotations

import calendar
import re
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

PARTS = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|_.|\*.|\[\$(?P<currency>[^\]-]*)[^\]]*\]|\[(?P<elapsed>h+|m+|s+)\]|\[[^\]]*\]'
    r"|(?P<half>AM/PM|A/P)|(?P<exponent>E[+-])|(?P<date>y+|m+|d+|h+|s+(?:\.0+)?|e+|g+)|(?P<number>[0#?.,%/])|(?P<text>@)|(?P<plain>.)",
    re.IGNORECASE | re.DOTALL,
)
Part = tuple[str, str]


def shown(value: object, code: str) -> str | None:
    """None where the value as such is just as good: it has no format of its own, or one that is not known here."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if value is None or isinstance(value, str) or code.strip().lower() in ("", "general", "@"):
        return None
    sections = _sections(code)
    if isinstance(value, datetime | date | time | timedelta):
        return _date(value, sections[0])
    if not isinstance(value, int | float | Decimal):
        return None
    return _signed(Decimal(repr(value)) if isinstance(value, float) else Decimal(value), sections)


@lru_cache(1_000)
def _sections(code: str) -> list[list[Part]]:
    """The parts of each section, as kind and text. Sections are those of positive numbers, negative ones, zero and text."""
    sections: list[list[Part]] = [[]]
    for found in PARTS.finditer(code):
        kind = found.lastgroup or ""
        if found.group() == ";":
            sections.append([])
        elif kind:
            sections[-1].append(("number" if kind == "exponent" else kind, found[kind]))
        elif found.group().startswith("_"):
            sections[-1].append(("plain", " "))
        elif found.group()[:2] in ("[<", "[>", "[="):
            sections[-1].append(("condition", found.group()))
    return sections


def _signed(value: Decimal, sections: list[list[Part]]) -> str | None:
    if not value.is_finite() or any(kind == "condition" for section in sections for kind, _ in section):
        return None
    if value < 0 and len(sections) > 1:
        return _number(-value, sections[1])
    if value == 0 and len(sections) > 2:
        return _number(value, sections[2])
    written = _number(abs(value), sections[0])
    negative = written is not None and value < 0 and any(digit in written for digit in "123456789")
    return f"-{written}" if negative else written


def _number(value: Decimal, parts: list[Part]) -> str | None:
    """A number that is not negative."""
    signs = [text for kind, text in parts if kind == "number"]
    if any(kind in ("date", "elapsed", "half") for kind, _ in parts) or "/" in signs:
        return None
    if not any(sign in "0#?" for sign in signs):
        return "".join(_literal(part) for part in parts).strip()
    if any(sign[0] in "eE" for sign in signs):
        return _scientific(value, signs)
    before, after = _around_point(signs)
    value *= Decimal(100) ** signs.count("%")
    value /= Decimal(1000) ** sum(map(len, re.findall(r"[0#?](,+)(?![,0#?])", "".join(signs))))
    whole, fraction = _digits(value, after)
    whole = whole.zfill(sum(sign == "0" for sign in before)) if whole != "0" or "0" in before else ""
    if "," in "".join(before).strip(","):
        whole = f"{int(whole or 0):,}" if not whole.startswith("0") else whole
    return _filled_in(parts, whole, fraction).strip()


def _around_point(signs: list[str]) -> tuple[list[str], list[str]]:
    """The placeholders before the decimal point, with their commas, and those behind it."""
    place = signs.index(".") if "." in signs else len(signs)
    return [sign for sign in signs[:place] if sign in "0#?,"], [sign for sign in signs[place + 1 :] if sign in "0#?"]


def _digits(value: Decimal, after: list[str]) -> tuple[str, str]:
    """The digits before and behind the point, rounded as spreadsheets do; zeros that no 0 asks for are left out."""
    rounded = value.quantize(Decimal(1).scaleb(-len(after)), ROUND_HALF_UP) if abs(value) < Decimal("1e22") else value
    whole, _, fraction = f"{rounded:f}".partition(".")
    least = max((place for place, sign in enumerate(after, 1) if sign == "0"), default=0)
    while len(fraction) > least and fraction.endswith("0"):
        fraction = fraction[:-1]
    return whole, fraction


def _filled_in(parts: list[Part], whole: str, fraction: str) -> str:
    """The literals of the format, with the digits at its placeholders."""
    places = [at for at, (kind, text) in enumerate(parts) if kind == "number" and text in "0#?"]
    point = next((at for at, part in enumerate(parts) if part == ("number", ".")), len(parts))
    before = [at for at in places if at < point]
    mixed = (
        "," not in whole and any(parts[at][0] != "number" for at in range(before[0], before[-1])) if before else False
    )
    spread = dict.fromkeys(places, "")
    digits = whole
    for at in reversed(before) if mixed else ():
        digits, spread[at] = (digits[:-1], digits[-1:]) if at != before[0] else ("", digits)
    if before and not mixed:
        spread[before[0]] = whole
    written = []
    for at, part in enumerate(parts):
        if at in spread:
            written.append(spread[at])
        elif at == point:
            written.append((whole if not before else "") + (f".{fraction}" if fraction else ""))
        else:
            written.append("%" if part == ("number", "%") else _literal(part))
    return "".join(written)


def _scientific(value: Decimal, signs: list[str]) -> str:
    place = next(at for at, sign in enumerate(signs) if sign[0] in "eE")
    decimals = len(_around_point(signs[:place])[1])
    mantissa, exponent = f"{value:.{decimals}E}".split("E")
    sign = "-" if exponent.startswith("-") else "+" if signs[place].endswith("+") else ""
    return f"{mantissa}E{sign}{exponent.lstrip('+-').zfill(sum(one == '0' for one in signs[place + 1 :]))}"


def _literal(part: Part) -> str:
    kind, text = part
    return text if kind in ("quoted", "escaped", "currency", "plain") else ""


def _date(value: datetime | date | time | timedelta, parts: list[Part]) -> str | None:
    """A date, a time of day, or a length of time."""
    if not any(kind in ("date", "elapsed") for kind, _ in parts) or any(
        kind == "number" and text != "/" and text != "." and text != "," for kind, text in parts
    ):
        return None
    seconds = _seconds(value)
    half = any(kind == "half" for kind, _ in parts)
    written, last = [], ""
    units = [text.lower() for kind, text in parts if kind in ("date", "elapsed")]
    at = 0
    for kind, text in parts:
        if kind == "elapsed":
            length = {"h": 3600, "m": 60, "s": 1}[text[0].lower()]
            written.append(("-" if seconds < 0 else "") + str(int(abs(seconds) // length)).zfill(len(text)))
        elif kind == "date":
            following = units[at + 1][0] if at + 1 < len(units) else ""
            minutes = text[0].lower() == "m" and len(text) < 3 and (last == "h" or following == "s")
            one = _unit(value, "minute" if minutes else text.lower(), len(text), abs(seconds), half)
            if one is None:
                return None
            written.append(one)
        elif kind == "half":
            written.append("AM" if abs(seconds) % 86400 < 43200 else "PM")
        else:
            written.append(text if kind == "number" else _literal((kind, text)))
        if kind in ("elapsed", "date"):
            last, at = text[0].lower(), at + 1
    return "".join(written).strip()


def _seconds(value: datetime | date | time | timedelta) -> float:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, datetime | time):
        return value.hour * 3600 + value.minute * 60 + value.second + value.microsecond / 1e6
    return 0.0


def _unit(value: datetime | date | time | timedelta, unit: str, length: int, seconds: float, half: bool) -> str | None:
    """A year, a month, a day, an hour, a minute or a second."""
    whole = int(seconds)
    if unit == "minute":
        return str(whole // 60 % 60).zfill(length)
    if unit[0] == "h":
        hour = whole // 3600 % 24
        return str(hour % 12 or 12 if half else hour).zfill(length)
    if unit[0] == "s":
        digits = unit.partition(".")[2]
        return f"{seconds % 60:0{3 + len(digits)}.{len(digits)}f}" if digits else str(whole % 60).zfill(length)
    if not isinstance(value, date):
        return None
    if unit[0] == "y":
        return f"{value.year:04d}" if length > 2 else f"{value.year % 100:02d}"
    if unit[0] not in "md":
        return None
    number = value.month if unit[0] == "m" else value.day
    if length < 3:
        return str(number).zfill(length)
    names = (calendar.month_abbr, calendar.month_name) if unit[0] == "m" else (calendar.day_abbr, calendar.day_name)
    place = number if unit[0] == "m" else value.weekday()
    return names[0][place][: 1 if length == 5 else None] if length in (3, 5) else names[1][place]

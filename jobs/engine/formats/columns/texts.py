"""What one text can be read as: a whole number, a number as people write it, a date, a time, a truth value, or only text."""

from __future__ import annotations

import re
from calendar import monthrange
from functools import lru_cache
from typing import NamedTuple

from jobs.engine.formats.columns.month_names import MONTHS
from jobs.engine.formats.columns.zones import ZONES

LONGEST = 60  # characters of a text that can be a number or a time
EXACT_DIGITS = 15  # significant ones that a binary fraction keeps
POINT, COMMA = 1, 2  # the decimal mark under which a text is a number
DAY_FIRST, MONTH_FIRST, YEAR_FIRST = 1, 2, 4  # the orders under which a text is a date
ANY_ORDER = DAY_FIRST | MONTH_FIRST | YEAR_FIRST
PIVOT = 69  # two-digit years from here on are of the 20th century, as in POSIX

BLANKS = " \t\u00a0\u202f\u2009"
_SPACE = "[ \u00a0\u202f\u2009]"
_APOSTROPHE = "['\u2019]"
_WHOLE = "(?:0|[1-9][0-9]*)"


def _grouped(mark: str) -> str:
    return f"[1-9][0-9]{{0,2}}(?:{mark}[0-9]{{3}})+"


_INDIAN = "[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3}"  # 12,34,567
_OTHER = f"{_grouped(_SPACE)}|{_grouped(_APOSTROPHE)}"
POINT_NUMBER = f"(?:{_grouped(',')}|{_INDIAN}|{_OTHER}|{_WHOLE})(?:[.][0-9]+)?"
COMMA_NUMBER = f"(?:{_grouped('[.]')}|{_OTHER}|{_WHOLE})(?:,[0-9]+)?"
CURRENCY = (
    "(?:(?:US|CA|AU|NZ|HK|MX|[ARCS])?[$]|[€£¥\uffe5₹₽₩₺₴₪฿₫₱₦₡₲₵₸₮]|"
    "(?:AED|ARS|AUD|BGN|BRL|CAD|CHF|CLP|CNY|COP|CZK|DKK|EGP|EUR|GBP|HKD|HUF|IDR|ILS|INR|ISK|JPY|KRW|MAD|MXN|MYR|NGN|NOK"
    "|NZD|PHP|PKR|PLN|RON|RSD|RUB|SAR|SEK|SGD|THB|TRY|TWD|UAH|USD|VND|ZAR)"
    "|[Kk]r[.]?|Fr[.]?|zł|Kč|Ft|Rs[.]?|\u043b\u0432[.]?|\u0440\u0443\u0431[.]?|lei|TL)"
)
NO_CENTS = "[.,][-\u2013\u2014]"  # 5,- is a five
_BEFORE, _AFTER = f"(?:{CURRENCY}{_SPACE}?)?", f"(?:{_SPACE}?(?:{CURRENCY}|%))?"


def people_pattern(number: str) -> str:
    """The pattern of a number with a currency, a percent sign, a minus on either side, or brackets for a negative one."""
    return (
        f"(?:[-\u2212+]?{_BEFORE}[-\u2212]?(?:{number})(?:{NO_CENTS})?{_AFTER}|(?:{number})-"
        f"|[(]{_BEFORE}(?:{number}){_AFTER}[)]|{_BEFORE}[(](?:{number})[)])"
    )


_PLAIN = re.compile(rf"-?({_WHOLE})(?:[.]([0-9]+))?")
_PEOPLE = {POINT: re.compile(people_pattern(POINT_NUMBER)), COMMA: re.compile(people_pattern(COMMA_NUMBER))}
UNIT = f"{CURRENCY}|%"
_UNIT = re.compile(UNIT)
CORE = f"[0-9](?:[0-9.,'\u2019]|{_SPACE})*[0-9]|[0-9]"
_CORE = re.compile(CORE)
LOOSE_PATTERN = "[-+]?(?:[0-9]+[.]?[0-9]*|[.][0-9]+)(?:[eE][-+]?[0-9]+)?"
_LOOSE = re.compile(LOOSE_PATTERN)
_SAME_UNITS = {
    "US$": "$",
    "USD": "$",
    "€": "EUR",
    "£": "GBP",
    "₹": "INR",
    "Rs": "INR",
    "¥": "JPY",
    "\uffe5": "JPY",
    "zł": "PLN",
    "Kč": "CZK",
}

_NAME = "[A-Za-z\u00c0-\u017e\u0370-\u04ff]{3,12}"  # of a month
_CLOCK = (
    r"(?:(?:[Tt ]|, ?)(?P<hour>[01]?[0-9]|2[0-3]):(?P<minute>[0-5][0-9])"
    r"(?::(?P<second>[0-5][0-9])(?:[.,](?P<fraction>[0-9]{1,9}))?)?"
    r"(?: ?(?P<half>[AaPp])[.]?[Mm][.]?)?(?: ?(?P<zone>[Zz]|" + "|".join(ZONES) + "|[-+][0-9]{2}(?::?[0-9]{2})?))?)?"
)
_WEEKDAY = "(?:[A-Za-z\u00c0-\u00ff]{2,10}[.]?, ?)?"
NUMERIC_DATE = r"(?P<a>[0-9]{1,4})[-/.](?P<b>[0-9]{1,2})[-/.](?P<c>[0-9]{1,4})" + _CLOCK
_ORDINAL = "(?:st|nd|rd|th|er|[.\u00ba])?"
# The same with other marks: 2026年3月5日, and 5. 3. 2026.
SIGNED_DATE = r"(?P<a>[0-9]{4}) ?[年년] ?(?P<b>[0-9]{1,2}) ?[月월] ?(?P<c>[0-9]{1,2}) ?[日일]" + _CLOCK
SPACED_DATE = r"(?P<a>[0-9]{1,4})[.] (?P<b>[0-9]{1,2})[.] (?P<c>[0-9]{1,4})[.]?" + _CLOCK
NUMERIC_DATES = {"numeric": NUMERIC_DATE, "signed": SIGNED_DATE, "spaced": SPACED_DATE}
_YEAR = "(?P<c>[0-9]{4}|[0-9]{2})"
NAMED_DATES = (
    f"{_WEEKDAY}(?P<a>[0-9]{{1,2}}){_ORDINAL}(?: de |[-/. ]+)(?P<b>{_NAME})[.]?(?: de |[-/., ]+){_YEAR}{_CLOCK}",
    f"{_WEEKDAY}(?P<b>{_NAME})[.]?[- ]+(?P<a>[0-9]{{1,2}}){_ORDINAL}(?:, ?|[- ]+){_YEAR}{_CLOCK}",
    f"(?P<c>[0-9]{{4}})[-/. ](?P<b>{_NAME})[-/. ](?P<a>[0-9]{{1,2}}){_CLOCK}",
)
_NUMERICS = {shape: re.compile(pattern) for shape, pattern in NUMERIC_DATES.items()}
_NAMED = [re.compile(pattern) for pattern in NAMED_DATES]
_ISO_CLOCK = "[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.][0-9]{1,6})?)?(?:Z|[-+][0-9]{2}:?[0-9]{2})?"
_ISO = re.compile(f"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?:{_ISO_CLOCK})?")
TIME = re.compile(r"([0-9]{1,2}):([0-5][0-9])(?::([0-5][0-9])(?:[.]([0-9]{1,6}))?)?(?: ?([AaPp])[.]?[Mm][.]?)?")
DURATION = re.compile(r"-?[0-9]{1,6}:[0-5][0-9]:[0-5][0-9](?:[.][0-9]{1,6})?")
_PARTIAL = re.compile(
    f"([12][0-9]{{3}})(?:[-/.](0?[1-9]|1[0-2]))?|(0?[1-9]|1[0-2])[/.]([12][0-9]{{3}})|({_NAME})[.]? ([12][0-9]{{3}})"
)
_DIGIT = re.compile("[0-9]")


class NumberText(NamedTuple):
    """A number. marks: under which decimal marks it is one. whole, fraction: digits before and after, under each mark.

    plain: written as a program writes it: "whole", "short" (12.5), "point zero" (1.0), "padded" (1.10), "long" (as a binary
    fraction of more than 15 digits is written), "exact" (0.00001: as none is written); "" where people wrote it.
    differs: it is another number under the other mark. unit: %, or a currency.
    """

    marks: int
    whole: tuple[int, int]
    fraction: tuple[int, int]
    plain: str
    differs: bool
    unit: str = ""
    bracketed: bool = False
    spaced: bool = False
    loose: bool = False  # only where a number is asked for: +5, 007, 1e3, .5
    day: bool = False  # eight digits that are also a date


class DateText(NamedTuple):
    """A date. orders: under which it is one. differs: it is another date under the other order."""

    orders: int
    differs: bool
    iso: str  # "date", "T" or " " (between date and time), else ""
    shape: str  # a key of NUMERIC_DATES, or the number of the pattern with the month's name
    clock: bool
    zone: bool
    short_year: bool
    fine: bool  # more than microseconds
    dashes: bool


class ClockText(NamedTuple):
    """A time of day or a length of time. style: "hh:mm", "hh:mm:ss", "half days", "h:mm" or "h:mm:ss"."""

    style: str
    day: bool  # it can be a time of day


class TruthText(NamedTuple):
    plain: bool  # true or false, in small letters


class OtherText(NamedTuple):
    partial: bool = False  # a year or a month, which is a date where one is asked for


Evidence = NumberText | DateText | ClockText | TruthText | OtherText
NOTHING = OtherText()


@lru_cache(maxsize=1 << 15)
def evidence(text: str) -> Evidence:
    """What this text can be read as. Blanks around it do not count."""
    text = text.strip()
    if len(text) > LONGEST:
        return NOTHING
    if not _DIGIT.search(text):
        return TruthText(text in ("true", "false")) if text.lower() in ("true", "false") else NOTHING
    return _plain(text) or _date(text) or _clock(text) or _people(text) or _loose(text) or OtherText(_is_partial(text))


def _plain(text: str) -> NumberText | None:
    if not (found := _PLAIN.fullmatch(text)):
        return None
    whole, fraction = found[1], found[2] or ""
    if not fraction:
        if text == "-0":
            return NumberText(POINT, (1, 1), (0, 0), "", False, loose=True)
        day = len(whole) == 8 and text[0] != "-" and _is_day(int(whole[:4]), int(whole[4:6]), int(whole[6:]))
        return NumberText(POINT | COMMA, (len(whole), len(whole)), (0, 0), "whole", False, day=day)
    grouped = len(fraction) == 3 and len(whole) <= 3 and whole != "0"
    marks = POINT | COMMA if grouped else POINT
    return NumberText(marks, (len(whole), len(whole) + 3), (len(fraction), 0), _style(text, whole, fraction), grouped)


def _style(text: str, whole: str, fraction: str) -> str:
    if not (whole + fraction).strip("0") and text[0] == "-":
        return ""  # a minus that no decimal number keeps
    if fraction == "0":
        return "point zero" if len(whole) < EXACT_DIGITS else "padded"
    if fraction.endswith("0"):
        return "padded"
    if len((whole + fraction).lstrip("0")) > EXACT_DIGITS:
        return "long" if repr(float(text)) == text else "exact"
    return "short" if whole != "0" or fraction[:4] != "0000" else "exact"


def _people(text: str) -> NumberText | None:
    marks = sum(mark for mark, pattern in _PEOPLE.items() if pattern.fullmatch(text))
    if not marks:
        return None
    unit_found = _UNIT.search(text)
    unit = unit_found.group().rstrip(".") if unit_found else ""
    bare = text[: unit_found.start()] + text[unit_found.end() :] if unit_found else text
    core = _CORE.search(bare)
    assert core
    digits = core.group()
    sizes = {mark: _size(digits, sign) for mark, sign in ((POINT, "."), (COMMA, ","))}
    differs = marks == POINT | COMMA and sizes[POINT] != sizes[COMMA]
    loose = text[0] == "+" and not unit and "." not in text and "," not in text
    return NumberText(
        marks,
        (sizes[POINT][0], sizes[COMMA][0]),
        (sizes[POINT][1], sizes[COMMA][1]),
        "",
        differs,
        _SAME_UNITS.get(unit, unit),
        "(" in text,
        not unit and bool(re.fullmatch(f"[0-9]+(?:{_SPACE}[0-9]+)+", digits)),
        loose,
    )


def _size(digits: str, mark: str) -> tuple[int, int]:
    """How many digits stand before and after this decimal mark."""
    whole, _, fraction = digits.partition(mark)
    return sum(map(str.isdigit, whole)), sum(map(str.isdigit, fraction))


def _loose(text: str) -> NumberText | None:
    if not _LOOSE.fullmatch(text):
        return None
    repeated = "e" in text and repr(float(text)) == text
    return NumberText(POINT, (LONGEST, LONGEST), (0, 0), "long" if repeated else "", False, loose=not repeated)


def _is_day(year: int, month: int, day: int) -> bool:
    return 1 <= year <= 9999 and 1 <= month <= 12 and 1 <= day <= monthrange(year, month)[1]


def full_year(text: str) -> int:
    """The year, of two digits or of four."""
    year = int(text)
    return year if len(text) > 2 else year + (1900 if year >= PIVOT else 2000)


def month_of(text: str) -> int:
    """The number of a month's name; 0 where it is none."""
    return MONTHS.get(text.lower(), 0)


def _date(text: str) -> DateText | None:
    for shape, pattern in _NUMERICS.items():
        if found := pattern.fullmatch(text):
            return _numeric_date(found, text, shape)
    for number, pattern in enumerate(_NAMED):
        if (found := pattern.fullmatch(text)) and (month := month_of(found["b"])):
            short = len(found["c"]) == 2
            fits = _is_day(full_year(found["c"]), month, int(found["a"]))
            return _dated(found, text, ANY_ORDER, False, str(number), short) if fits else None
    return None


def _numeric_date(found: re.Match[str], text: str, shape: str) -> DateText | None:
    a, b, c = found["a"], found["b"], found["c"]
    if shape == "numeric" and text[len(a)] != text[len(a) + len(b) + 1]:
        return None
    orders, differs = _orders(a, b, c, text[len(a)])
    return _dated(found, text, orders, differs, shape, len(a) < 3 and len(c) < 3) if orders else None


def _orders(a: str, b: str, c: str, mark: str) -> tuple[int, bool]:
    """The orders under which three numbers are a date, and whether it is another one under the other order."""
    if len(a) >= 3:
        fits = len(a) == 4 and len(c) <= 2 and _is_day(int(a), int(b), int(c))
        return (ANY_ORDER, False) if fits else (0, False)
    if len(c) not in (2, 4) or (len(c) == 2 and mark == "." and (len(a), len(b)) != (2, 2)):
        return 0, False
    day_first = DAY_FIRST * _is_day(full_year(c), int(b), int(a))
    month_first = MONTH_FIRST * _is_day(full_year(c), int(a), int(b))
    year_first = YEAR_FIRST * (len(a) == len(c) == 2 and _is_day(full_year(a), int(b), int(c)))
    return day_first | month_first | year_first, bool(day_first and month_first and int(a) != int(b))


def _dated(
    found: re.Match[str], text: str, orders: int, differs: bool, shape: str, short_year: bool
) -> DateText | None:
    hour, half, fraction = found["hour"], found["half"], found["fraction"] or ""
    if hour is not None and not (1 <= int(hour) <= 12 if half else int(hour) <= 23):
        return None
    iso = "" if not _ISO.fullmatch(text) else "date" if hour is None else text[10]
    fine = bool(fraction[6:].strip("0"))
    zone = found["zone"] is not None
    return DateText(orders, differs, iso, shape, hour is not None, zone, short_year, fine, "-" in text[:6])


def _clock(text: str) -> ClockText | None:
    if found := TIME.fullmatch(text):
        hour, second, half = found[1], found[3], found[5]
        if half:
            return ClockText("half days", True) if 1 <= int(hour) <= 12 else None
        padded = len(hour) == 2
        style = ("hh:mm:ss" if padded else "h:mm:ss") if second else ("hh:mm" if padded else "h:mm")
        return ClockText(style, int(hour) <= 23)
    return ClockText("h:mm:ss", False) if DURATION.fullmatch(text) else None


def _is_partial(text: str) -> bool:
    found = _PARTIAL.fullmatch(text)
    return found is not None and (found[5] is None or month_of(found[5]) > 0)


def partial_day(text: str) -> tuple[int, int, int] | None:
    """The first day that a text such as 2026, 2026-03, 03/2026, March 2026 or 20260325 means; None for any other."""
    if len(text) == 8 and text.isascii() and text.isdigit():
        return int(text[:4]), int(text[4:6]), int(text[6:])
    if not (found := _PARTIAL.fullmatch(text)):
        return None
    month = found[2] or found[3] or (month_of(found[5]) if found[5] else 1)
    return int(found[1] or found[4] or found[6]), int(month), 1

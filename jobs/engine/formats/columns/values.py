"""The value of a text in Python, for kinds that compute without DuckDB: the same as `sql.converted` gives."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

from jobs.engine.formats.columns.column import ColumnFormat
from jobs.engine.formats.columns.numbers import POINT_ZERO_WIDTH, SHORT_WIDTH
from jobs.engine.formats.columns.texts import (
    BLANKS,
    COMMA,
    COMMA_NUMBER,
    CORE,
    DAY_FIRST,
    LOOSE_PATTERN,
    MONTH_FIRST,
    NAMED_DATES,
    NO_CENTS,
    NUMERIC_DATES,
    POINT,
    POINT_NUMBER,
    UNIT,
    full_year,
    month_of,
    partial_day,
    people_pattern,
)
from jobs.engine.formats.columns.zones import ZONES

_NUMBERS = {POINT: re.compile(people_pattern(POINT_NUMBER)), COMMA: re.compile(people_pattern(COMMA_NUMBER))}
_CORE, _LOOSE, _UNIT, _NO_CENTS = map(re.compile, (CORE, LOOSE_PATTERN, UNIT, NO_CENTS))
_DATES = {shape: re.compile(one) for shape, one in NUMERIC_DATES.items()}
_DATES |= {str(at): re.compile(one) for at, one in enumerate(NAMED_DATES)}


def number_of(format: ColumnFormat, text: str) -> Decimal | None:
    """The number that this text of a column is; None where it is none, or the column has none."""
    text = text.strip(BLANKS)
    if format.reads != "number":
        return None
    if _NUMBERS[format.mark].fullmatch(text):
        bare = _NO_CENTS.sub("", _UNIT.sub("", text, count=1))
        core = _CORE.search(bare)
        mark = "." if format.mark == POINT else ","
        digits = "".join(sign for sign in core.group() if sign.isdigit() or sign == mark) if core else ""
        value = Decimal(digits.replace(",", ".")) * (-1 if re.search("[-\u2212(]", bare) else 1)
        return value / 100 if format.hundredths else value
    return Decimal(text) if format.loose and format.mark == POINT and _LOOSE.fullmatch(text) else None


def decimal_written(value: Decimal, type_name: str) -> str:
    """The text of a value of a decimal type, as `sql.decimal_text` has it."""
    text = f"{value:f}"
    if "." in text and type_name.startswith(f"DECIMAL({SHORT_WIDTH},"):
        return text.rstrip("0").rstrip(".")
    return re.sub(r"([.]\d+?)0+$", r"\1", text) if type_name.startswith(f"DECIMAL({POINT_ZERO_WIDTH},") else text


def moment_of(format: ColumnFormat, text: str) -> datetime | None:
    """The time that this text of a column is, by UTC where it has no zone; None where it is none."""
    text = text.strip(BLANKS)
    if format.reads != "date":
        return None
    try:
        for shape in format.shapes:
            if found := _DATES[shape].fullmatch(text):
                return _moment(
                    found, _numeric_day(found, format.order) if shape in NUMERIC_DATES else _named_day(found)
                )
        return datetime(*day, tzinfo=UTC) if format.partial and (day := partial_day(text)) else None
    except ValueError:
        return None


def _numeric_day(found: re.Match[str], order: int) -> tuple[int, int, int]:
    a, b, c = found["a"], found["b"], found["c"]
    if len(a) > 2 or order not in (DAY_FIRST, MONTH_FIRST):
        return full_year(a), int(b), int(c)
    month, day = (b, a) if order == DAY_FIRST else (a, b)
    return full_year(c), int(month), int(day)


def _named_day(found: re.Match[str]) -> tuple[int, int, int]:
    return full_year(found["c"]), month_of(found["b"]), int(found["a"])


def _moment(found: re.Match[str], day: tuple[int, int, int]) -> datetime:
    if found["hour"] is None:
        return datetime(*day, tzinfo=UTC)
    hour = int(found["hour"])
    if half := found["half"]:
        hour = hour % 12 + (12 if half in "Pp" else 0)
    micros = int((found["fraction"] or "0")[:6].ljust(6, "0"))
    return datetime(*day, hour, int(found["minute"]), int(found["second"] or 0), micros, _zone(found["zone"]))


def _zone(text: str | None) -> timezone:
    if text is None:
        return UTC
    text = ZONES.get(text.upper(), text)
    digits = text[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)

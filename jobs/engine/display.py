"""How a value is written for a person: in pages, reports, prompts and mails. `jsonsafe` writes it for programs."""

from __future__ import annotations

import json
import math
from datetime import datetime, time
from decimal import Decimal

from jobs.engine import jsonsafe

DIGITS = 15  # significant ones, as a spreadsheet shows: a float has no more that can be relied on
PLAIN = 1e-7, 1e21  # numbers between these are written without an exponent


def as_text(value: object, digits: int = DIGITS) -> str:
    """3.3 for 3.3000000000000003, 32:15:00 for a duration, JSON for objects, lists and booleans, nothing for None and NaN."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool | dict | list | tuple | set):
        return json.dumps(_rounded(jsonsafe.clean(value)), ensure_ascii=False)
    if isinstance(value, float | Decimal):
        return _number(value, digits)
    if isinstance(value, datetime):
        return str(value.date()) if value.timetz() == time() else value.isoformat(" ")
    plain = jsonsafe.clean(value)
    return str(plain) if isinstance(plain, str) or type(plain) is int else as_text(plain, digits)


def shortened(text: str, most: int) -> str:
    """The text, or its first words and … where it is longer."""
    if len(text) <= most:
        return text
    cut = text[: most - 1]
    words = cut.rpartition(" ")[0] if text[most - 1] != " " else cut
    return f"{(words if len(words) > most // 2 else cut).rstrip(' ,;:')}…"


def _number(value: float | Decimal, digits: int) -> str:
    if not math.isfinite(value):
        return ""
    if isinstance(value, Decimal):
        written = value
    elif abs(value) >= 10**digits:
        written = Decimal(repr(float(value))).to_integral_value()
    else:
        written = Decimal(f"{value:.{digits}g}")
    if not written:
        return "0"
    return f"{written:f}" if PLAIN[0] <= abs(written) < PLAIN[1] else f"{written:g}"


def _rounded(value: object) -> object:
    """A JSON value, its numbers without the digits that come of binary fractions."""
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value

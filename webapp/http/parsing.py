"""Strict parsing of JSON bodies and query parameters."""

from __future__ import annotations

import json
import math
import re
from datetime import datetime, timedelta
from typing import Any

from flask import request
from werkzeug.exceptions import UnsupportedMediaType

from jobs.engine.errors import FieldError, InvalidParams
from webapp.http.errors import Malformed

MAX_DEPTH = 64
MAX_NUMBER_CHARACTERS = 400
INT64 = range(-(2**63), 2**63)
RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
SURROGATE = re.compile("[\ud800-\udfff]")


def json_object() -> dict[str, Any]:
    """The body as a JSON object.

    Raises UnsupportedMediaType (415), RequestEntityTooLarge (413), Malformed (400) if it is not JSON by RFC 8259, and
    InvalidParams (422), with the field, for values that the database cannot store.
    """
    if request.mimetype != "application/json":
        raise UnsupportedMediaType("The body must be JSON. Send it with Content-Type: application/json.")
    value = _parse(request.get_data())
    if not isinstance(value, dict):
        raise invalid("", "The body must be a JSON object, with the params by name.")
    return value


def whole_number(name: str, default: int, least: int, most: int) -> int:
    """A whole number of the query string, in ASCII digits and within limits."""
    text = request.args.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
        raise invalid(name, f"{name} must be a whole number from {least} to {most}.")
    return int(text)


def one_of(name: str, choices: tuple[str, ...], default: str) -> str:
    text = request.args.get(name, default)
    if text not in choices:
        raise invalid(name, f"{name} must be {' or '.join(choices)}.")
    return text


def text(name: str, most: int) -> str | None:
    """A text of the query string; None if it is missing or empty."""
    value = request.args.get(name) or None
    if value is not None and len(value) > most:
        raise invalid(name, f"{name} may have at most {most} characters.")
    if value is not None and "\x00" in value:
        raise invalid(name, f"{name} has a NUL character, which cannot be searched for.")
    return value


def moment_ahead(name: str, now: datetime, most: timedelta) -> datetime | None:
    """An RFC 3339 time of the query string, after now and at most that far ahead."""
    written = request.args.get(name)
    if written is None:
        return None
    if not RFC3339.fullmatch(written):
        raise invalid(name, f"{name} must be a time such as 2030-01-31T08:00:00Z (a + is written %2B in an address).")
    try:
        at = datetime.fromisoformat(written.upper())
        ahead = at - now
    except (ValueError, OverflowError):
        raise invalid(name, f"{name} is not a date and time that exists.") from None
    if not timedelta(0) < ahead <= most:
        raise invalid(name, f"{name} must be in the future, at most {most.days} days ahead.")
    return at


def invalid(field: str, message: str) -> InvalidParams:
    return InvalidParams([FieldError(field, message)])


def _parse(body: bytes) -> Any:
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_without_duplicates,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_integer,
        )
    except RecursionError:
        raise Malformed(f"The JSON is nested more than {MAX_DEPTH} levels deep.") from None
    except UnicodeDecodeError:
        raise Malformed("The body is not UTF-8.") from None
    except json.JSONDecodeError as error:
        raise Malformed(f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from None
    _check(value, "", MAX_DEPTH)
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise Malformed(f"The JSON has {printable(name)!r} twice in one object.")
        found[name] = value
    return found


def _no_constant(word: str) -> Any:
    raise Malformed(f"{word} is not a JSON number.")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise Malformed(f"The number {digits[:30]} is out of range.")
    return value


def _integer(digits: str) -> int:
    if len(digits) > MAX_NUMBER_CHARACTERS:
        raise Malformed(f"A number of {len(digits)} digits is out of range.")
    return int(digits)


def _check(value: object, path: str, depth: int) -> None:
    """Refuse values that a jsonb or bigint column cannot store, with their path."""
    if depth < 0:
        raise Malformed(f"The JSON is nested more than {MAX_DEPTH} levels deep.")
    if isinstance(value, dict):
        for name, inner in value.items():
            _check_text(name, path)
            _check(inner, f"{path}.{name}" if path else name, depth - 1)
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            _check(inner, f"{path}.{place}", depth - 1)
    elif isinstance(value, str):
        _check_text(value, path)
    elif isinstance(value, int) and value not in INT64:
        raise invalid(path, "The number is out of range; it must fit 64 bits.")


def _check_text(value: str, path: str) -> None:
    if "\x00" in value:
        raise invalid(path, "The text has a NUL character, which cannot be stored.")
    if SURROGATE.search(value):
        raise invalid(path, "The text has half of a surrogate pair, which is not a character.")


def printable(name: str, most: int = 80) -> str:
    """A name from a request, shortened and without characters that cannot be stored or shown."""
    return name[:most].encode("utf-8", "replace").decode("utf-8").replace("\x00", "")

"""The text of a control and the value it stands for, both ways. Errors are ValueErrors with a sentence for the field."""

from __future__ import annotations

import json
import re
from typing import Any

from webapp.forms import rows
from webapp.forms.schema import MANY, NOTHING, Field

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?([0-9]{1,18}(\.[0-9]{0,30})?|\.[0-9]{1,30})", re.ASCII)
_COMMAS = re.compile(r"[,;\s]+")
YES = ("1", "on", "true", "yes")


def text_of(field: Field, value: object) -> str | list[str]:
    """A value as the text of its control."""
    if field.control == "rows":
        return rows.texts(field, value)
    if field.control == "columns" and isinstance(value, str):
        return [name.strip() for name in value.split(",") if name.strip()]
    if field.control in MANY:
        return [str(part) for part in value] if isinstance(value, (list, tuple)) else []
    if value is None:
        return ""
    if field.control == "json":
        return json.dumps(value, ensure_ascii=False, indent=2) if value not in ({}, []) else ""
    if isinstance(value, bool):
        return "1" if value else ""
    if field.control in ("lines", "list") and isinstance(value, (list, tuple)):
        return ("\n" if field.control == "lines" else ", ").join(figure(part) for part in value)
    return figure(value)


def figure(value: object) -> str:
    """A value in a line: a number without an exponent, a text as it is."""
    if isinstance(value, float):
        return rows.plain(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def value(field: Field, raw: str | list[str]) -> Any:
    """What the text stands for; NOTHING where the default does."""
    if isinstance(raw, list):
        return _many(field, raw)
    if field.control == "checkbox":
        return raw.strip().lower() in YES
    if not raw.strip():
        return _empty(field, raw)
    if field.control == "number":
        return _number(field, raw.strip())
    if field.control == "json":
        return json_of(raw)
    if field.control == "any":
        return rows.any_of(raw)
    if field.control in ("lines", "list"):
        return _listed(field, raw)
    if field.options and field.control != "column":
        return _choice(field, raw)
    return raw.strip() if field.control == "file" else raw


def mapping_of(field: Field, text: str) -> list[str]:
    """Rows that stand in an address as JSON, as the texts of their cells; what is none is left out."""
    try:
        return rows.texts(field, json_of(text) if text else {})
    except ValueError:
        return []


def _listed(field: Field, raw: str) -> list[Any]:
    parts = raw.splitlines() if field.control == "lines" else (_COMMAS.split(raw) if field.numbers else raw.split(","))
    texts = [text.strip() for text in parts if text.strip()]
    return [_number(field, text) if field.numbers else text for text in texts]


def _many(field: Field, raw: list[str]) -> Any:
    if field.control == "rows":
        return rows.value(field, raw, value)
    if not raw and field.required:
        raise ValueError("Choose a file." if field.control == "files" else "Choose at least one.")
    return [_choice(field, text) for text in raw] if field.control == "checks" else raw


def _empty(field: Field, raw: str) -> Any:
    """What nothing means: none, where that is allowed; an empty text; the default; else an error."""
    if field.nullable:
        return None
    if field.required:
        raise ValueError(_WANTED.get(field.control, "Write something here; it cannot stay empty."))
    if field.control == "number" and field.default is not NOTHING:
        raise ValueError(f"Write a number, such as {text_of(field, field.default)}.")
    if field.control in ("lines", "list"):
        return []
    return raw if field.control in ("line", "column", "text", "code", "sql") else NOTHING


_WANTED = {
    "file": "Choose a file.",
    "number": "Write a number.",
    "radios": "Choose one.",
    "select": "Choose one.",
    "json": "Write this as JSON.",
}


def _number(field: Field, text: str) -> int | float:
    if field.integer:
        if not _WHOLE.fullmatch(text):
            raise ValueError(
                f"“{text[:40]}” is not a whole number. Write digits only, such as {_such_as(field, '400')}."
            )
        return int(text)
    if not _DECIMAL.fullmatch(text):
        raise ValueError(f"“{text[:40]}” is not a number. Write digits and a dot, such as {_such_as(field, '0.5')}.")
    return float(text)


def grouped(text: str | list[str]) -> str:
    return f"{int(text):,}" if isinstance(text, str) and _WHOLE.fullmatch(text) else str(text)


def _such_as(field: Field, otherwise: str) -> str:
    given = field.default if isinstance(field.default, (int, float)) else field.minimum
    return str(text_of(field, given)) if given is not None else otherwise


def _choice(field: Field, text: str) -> Any:
    for option in field.options:
        if text_of(field, option) == text or str(option) == text:
            return option
    raise ValueError(f"“{text[:40]}” is not one of the choices.")


def json_of(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("This JSON is nested too deeply.") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"This is not JSON: line {error.lineno}, column {error.colno}: {_why(error)}.") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number that JSON knows.")


def _why(error: json.JSONDecodeError) -> str:
    return error.msg[:1].lower() + error.msg[1:]

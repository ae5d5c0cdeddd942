"""A kind's params as a form: schema -> fields; posted texts -> params, or errors by field.

Between the browser and the params stands `Raw`: for each field the text in its control, exactly as it was typed, so that a
form that comes back with errors has lost nothing. A checkbox is "1" or "", a choice of many and a list of files are lists.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from werkzeug.datastructures import MultiDict

from jobs.engine.errors import FieldError

Raw = dict[str, str | list[str]]
MANY = ("files", "checks")
_NOTHING = object()
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?([0-9]{1,18}(\.[0-9]{0,30})?|\.[0-9]{1,30})", re.ASCII)


@dataclass(frozen=True)
class Field:
    """One param, as its form shows it."""

    name: str
    label: str
    help: str
    control: str  # line, text, code, number, checkbox, radios, select, checks, file, files, json, secret
    required: bool
    nullable: bool
    default: Any
    unit: str
    minimum: float | None
    maximum: float | None
    longest: int | None
    integer: bool
    options: tuple[Any, ...]
    advanced: bool
    accept: str
    columns_of: str | None

    @property
    def id(self) -> str:
        return f"f-{self.name}"


def fields(schema: Mapping[str, Any]) -> list[Field]:
    """The fields of a params model, in its order, from its JSON schema."""
    required = set(schema.get("required", ()))
    return [_field(name, prop, name in required, schema) for name, prop in schema.get("properties", {}).items()]


def posted(found: Iterable[Field], form: MultiDict[str, str]) -> Raw:
    """The texts of a posted form. A field that the form does not have keeps its default."""
    raw = blank(found)
    for field in found:
        if field.name in form:
            texts = [text.replace("\r\n", "\n") for text in form.getlist(field.name)]
            raw[field.name] = [text for text in texts if text] if field.control in MANY else texts[-1]
    return raw


def blank(found: Iterable[Field]) -> Raw:
    """The form as it is before anybody typed."""
    return {field.name: text_of(field, None if field.default is _NOTHING else field.default) for field in found}


def filled(found: Iterable[Field], params: Mapping[str, Any]) -> Raw:
    """The form that stands for these params; defaults where they say nothing. Secrets stay empty."""
    raw = blank(found)
    for field in found:
        if field.name in params and field.control != "secret":
            raw[field.name] = text_of(field, params[field.name])
    return raw


def strangers(found: Iterable[Field], params: Iterable[str]) -> list[str]:
    """The params that this form has no field for."""
    known = {field.name for field in found}
    return [name for name in params if name not in known]


def text_of(field: Field, value: Any) -> str | list[str]:
    """A value as the text of its control."""
    if field.control in MANY:
        return [str(part) for part in value] if isinstance(value, (list, tuple)) else []
    if value is None:
        return ""
    if field.control == "json":
        return json.dumps(value, ensure_ascii=False, indent=2) if value not in ({}, []) else ""
    if isinstance(value, bool):
        return "1" if value else ""
    if isinstance(value, float):
        return f"{Decimal(repr(value)):f}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def params_of(found: Iterable[Field], raw: Raw) -> tuple[dict[str, Any], list[FieldError]]:
    """The params that the texts stand for, and what could not be read. Limits are not judged here: the model does that."""
    params: dict[str, Any] = {}
    errors: list[FieldError] = []
    for field in found:
        try:
            value = _value(field, raw.get(field.name, ""))
        except ValueError as error:
            errors.append(FieldError(field.name, str(error)))
            continue
        if value is not _NOTHING:
            params[field.name] = value
    return params, errors


def limits(field: Field) -> str:
    """The limits of a number in words: 1 to 64."""
    low, high = (text_of(field, limit) if limit is not None else "" for limit in (field.minimum, field.maximum))
    if low and high:
        return f"{_grouped(low)} to {_grouped(high)}."
    return f"At least {_grouped(low)}." if low else f"At most {_grouped(high)}." if high else ""


def from_json(text: str) -> dict[str, Any]:
    """Params out of pasted JSON; ValueError with a sentence."""
    value = _json(text)
    if not isinstance(value, dict):
        raise ValueError("The JSON of a job is an object in braces: { … }.")
    return value


def by_field(found: Iterable[Field], errors: Iterable[FieldError]) -> tuple[dict[str, str], list[str]]:
    """Errors as (field name -> sentences, the sentences that belong to no field)."""
    known = {field.name for field in found}
    at_field: dict[str, str] = {}
    general = []
    for error in errors:
        name = error.field.split(".")[0]
        if name not in known:
            general.append(error.message)
        elif error.message not in at_field.get(name, ""):
            at_field[name] = f"{at_field[name]} {error.message}" if name in at_field else error.message
    return at_field, general


# Schema -> field


def _field(name: str, prop: Mapping[str, Any], required: bool, schema: Mapping[str, Any]) -> Field:
    core, nullable = _core(prop, schema)
    both = {**core, **{key: value for key, value in prop.items() if key not in ("anyOf", "allOf", "$ref")}}
    options = _options(both, schema)
    control = _control(both, options)
    return Field(
        name=name,
        label=both.get("title") or name.replace("_", " ").capitalize(),
        help=prop.get("description") or "",
        control=control,
        required=required,
        nullable=nullable,
        default=prop.get("default", _NOTHING),
        unit=both.get("unit") or "",
        minimum=both.get("minimum", both.get("exclusiveMinimum")),
        maximum=both.get("maximum", both.get("exclusiveMaximum")),
        longest=both.get("maxLength"),
        integer=both.get("type") == "integer",
        options=options,
        advanced=bool(both.get("advanced")),
        accept=both.get("accept") or both.get("items", {}).get("accept") or "",
        columns_of=both.get("columns_of"),
    )


def _core(prop: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """The one schema behind references and `| None`; where several types are possible, none: that is a JSON control."""
    if "$ref" in prop:
        return _core(schema.get("$defs", {}).get(prop["$ref"].rsplit("/", 1)[-1], {}), schema)
    if len(prop.get("allOf", ())) == 1:
        return _core(prop["allOf"][0], schema)
    if "anyOf" not in prop:
        return dict(prop), False
    others = [part for part in prop["anyOf"] if part.get("type") != "null"]
    nullable = len(others) < len(prop["anyOf"])
    return (_core(others[0], schema)[0] if len(others) == 1 else {}), nullable


def _options(prop: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[Any, ...]:
    source = _core(prop["items"], schema)[0] if prop.get("type") == "array" and "items" in prop else prop
    if "const" in source:
        return (source["const"],)
    return tuple(source.get("enum") or source.get("options") or ())


def _control(prop: Mapping[str, Any], options: tuple[Any, ...]) -> str:
    kind = prop.get("type")
    if prop.get("format") == "legwork-file":
        return "file"
    if kind == "array" and prop.get("items", {}).get("format") == "legwork-file":
        return "files"
    if prop.get("widget") in ("text", "code", "sql", "json", "secret"):
        return str(prop["widget"])
    if options:
        return "checks" if kind == "array" else "radios" if len(options) <= 3 and not prop.get("advanced") else "select"
    if prop.get("format") == "password":
        return "secret"
    return {"string": "line", "boolean": "checkbox", "integer": "number", "number": "number"}.get(str(kind), "json")


# Text -> value


def _value(field: Field, raw: str | list[str]) -> Any:
    if isinstance(raw, list):
        return _many(field, raw)
    if field.control == "checkbox":
        return raw.strip().lower() in ("1", "on", "true", "yes")
    if not raw.strip():
        return _empty(field, raw)
    if field.control == "number":
        return _number(field, raw.strip())
    if field.control == "json":
        return _json(raw)
    if field.options:
        return _choice(field, raw)
    return raw.strip() if field.control == "file" else raw


def _many(field: Field, raw: list[str]) -> Any:
    if not raw and field.required:
        raise ValueError("Choose a file." if field.control == "files" else "Choose at least one.")
    return [_choice(field, text) for text in raw] if field.control == "checks" else raw


def _empty(field: Field, raw: str) -> Any:
    """What nothing means: none, where that is allowed; an empty text; the default; else an error."""
    if field.nullable:
        return None
    if field.required:
        raise ValueError(_WANTED.get(field.control, "Write something here; it cannot stay empty."))
    if field.control == "number" and field.default is not _NOTHING:
        raise ValueError(f"Write a number, such as {text_of(field, field.default)}.")
    return raw if field.control in ("line", "text", "code", "sql") else _NOTHING


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


def _grouped(text: str | list[str]) -> str:
    return f"{int(text):,}" if isinstance(text, str) and _WHOLE.fullmatch(text) else str(text)


def _such_as(field: Field, otherwise: str) -> str:
    given = field.default if isinstance(field.default, (int, float)) else field.minimum
    return str(text_of(field, given)) if given is not None else otherwise


def _choice(field: Field, text: str) -> Any:
    for option in field.options:
        if text_of(field, option) == text or str(option) == text:
            return option
    raise ValueError(f"“{text[:40]}” is not one of the choices.")


def _json(text: str) -> Any:
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

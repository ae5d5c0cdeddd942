"""A kind's params as a form: schema -> fields; posted texts -> params, or errors by field.

`Raw` has for each field the text of its control, exactly as it was typed, so that a form that comes back with errors has lost
nothing. A checkbox is "1" or "", a choice of many and a list of files are lists,
a mapping is the list of its names and values in turn, any other list has a line for each value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from werkzeug.datastructures import MultiDict

from jobs.engine.errors import FieldError
from webapp.jobs import controls
from webapp.jobs.controls import MANY, NOTHING, Field, text_of

__all__ = ["Field", "text_of"]

Raw = dict[str, str | list[str]]
WIDGETS = ("text", "code", "sql", "json", "secret", "line")
_PLAIN = ("string", "integer", "number")


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
            raw[field.name] = _several(field, texts) if field.control in MANY else texts[-1]
    return raw


def _several(field: Field, texts: list[str]) -> list[str]:
    if field.control != "pairs":
        return [text for text in texts if text]
    if len(texts) == 1:  # of an address, as JSON
        return controls.pairs_of(texts[0])
    return [text for pair in zip(texts[::2], texts[1::2], strict=False) if any(pair) for text in pair]


def blank(found: Iterable[Field]) -> Raw:
    """The form as it is before anybody typed."""
    return {field.name: text_of(field, None if field.default is NOTHING else field.default) for field in found}


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


def params_of(found: Iterable[Field], raw: Raw) -> tuple[dict[str, Any], list[FieldError]]:
    """The params that the texts stand for, and what could not be read. Limits are not judged here: the model does that."""
    params: dict[str, Any] = {}
    errors: list[FieldError] = []
    for field in found:
        try:
            value = controls.value(field, raw.get(field.name, ""))
        except ValueError as error:
            errors.append(FieldError(field.name, str(error)))
            continue
        if value is not NOTHING:
            params[field.name] = value
    return params, errors


def limits(field: Field) -> str:
    """The limits of a number in words: 1 to 64."""
    low, high = (controls.figure(limit) if limit is not None else "" for limit in (field.minimum, field.maximum))
    if low and high:
        return f"{controls.grouped(low)} to {controls.grouped(high)}."
    return f"At least {controls.grouped(low)}." if low else f"At most {controls.grouped(high)}." if high else ""


def from_json(text: str) -> dict[str, Any]:
    """Params out of pasted JSON; ValueError with a sentence."""
    value = controls.json_of(text)
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
        default=prop.get("default", NOTHING),
        unit=both.get("unit") or "",
        minimum=both.get("minimum", both.get("exclusiveMinimum")),
        maximum=both.get("maximum", both.get("exclusiveMaximum")),
        longest=both.get("maxLength"),
        integer="integer" in (both.get("type"), both.get("items", {}).get("type")),
        numbers=both.get("items", {}).get("type") in ("integer", "number"),
        words=both.get("words") or {},
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
    if prop.get("widget") in WIDGETS:
        return str(prop["widget"])
    values = prop.get("additionalProperties")
    if kind == "object" and isinstance(values, dict) and values.get("type") == "string":
        return "pairs"
    if options:
        return "checks" if kind == "array" else "radios" if len(options) <= 3 and not prop.get("advanced") else "select"
    if prop.get("format") == "password":
        return "secret"
    if kind == "array" and prop.get("items", {}).get("type") in _PLAIN:
        return "lines"
    if kind == "string" and prop.get("columns_of"):
        return "column"
    return {"string": "line", "boolean": "checkbox", "integer": "number", "number": "number"}.get(str(kind), "json")

"""A filled-in form: posted texts -> params, or errors by field, and back.

`Raw` has for each field the text of its control, exactly as it was typed, so that a form that comes back with errors has lost
nothing. A checkbox is "1" or "", a choice of many and a list of files are lists,
rows are the list of the texts of their cells, any other list has a line for each value.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from werkzeug.datastructures import MultiDict

from jobs.engine.errors import FieldError
from webapp.forms import conditions, controls, rows
from webapp.forms.controls import text_of
from webapp.forms.schema import MANY, NOTHING, Field

Raw = dict[str, str | list[str]]


def posted(found: Iterable[Field], form: MultiDict[str, str]) -> Raw:
    """The texts of a posted form. A field that the form does not have keeps its default."""
    raw = blank(found)
    for field in found:
        if field.name in form:
            texts = [text.replace("\r\n", "\n") for text in form.getlist(field.name)]
            raw[field.name] = _several(field, texts) if field.control in MANY else texts[-1]
    return raw


def _several(field: Field, texts: list[str]) -> list[str]:
    if field.control != "rows":
        return [text for text in texts if text]
    if len(texts) == 1 and len(field.cells) > 1:  # of an address, as JSON
        return controls.mapping_of(field, texts[0])
    return [text for row in rows.rows_of(field, texts) if rows.filled(field, row) for text in row]


def blank(found: Iterable[Field]) -> Raw:
    """The form as it is before anybody typed."""
    return {field.name: text_of(field, None if field.default is NOTHING else field.default) for field in found}


def filled(found: Iterable[Field], params: Mapping[str, Any]) -> Raw:
    """The form that stands for these params; defaults where they say nothing. Secrets stay empty."""
    raw = blank(found)
    for field in found:
        given = value_at(params, field.path)
        if given is not NOTHING and field.control != "secret":
            raw[field.name] = text_of(field, given)
    return raw


def value_at(params: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    """The value at that path; NOTHING if there is none."""
    inner: Any = params
    for name in path:
        if not isinstance(inner, Mapping) or name not in inner:
            return NOTHING
        inner = inner[name]
    return inner


def strangers(found: Iterable[Field], params: Mapping[str, Any]) -> list[str]:
    """The params that this form has no field for."""
    known = {field.path for field in found}
    heads = {path[0]: len(path) > 1 for path in known}
    strange = [name for name in params if name not in heads]
    inner = [(head, name) for head, parted in heads.items() if parted for name in _keys(params.get(head))]
    return strange + [".".join(path) for path in inner if path not in known]


def _keys(value: object) -> list[str]:
    return [str(key) for key in value] if isinstance(value, Mapping) else []


def params_of(found: Iterable[Field], raw: Raw) -> tuple[dict[str, Any], list[FieldError]]:
    """The params that the texts stand for, and what could not be read. Limits are not judged here: the model does that.

    A field that does not apply is left out.
    """
    params: dict[str, Any] = {}
    errors: list[FieldError] = []
    for field in conditions.applying(found, raw):
        try:
            value = controls.value(field, raw.get(field.name, ""))
        except ValueError as error:
            errors.append(FieldError(field.name, str(error)))
            continue
        if field.within:
            value = [one for one in value if str(one) in raw.get(field.within, ())]
        if value is NOTHING or (field.part and not field.required and value in ("", None, [], {}, field.default)):
            continue
        if field.part:
            params.setdefault(field.path[0], {})[field.path[1]] = value
        else:
            params[field.name] = value
    return params, errors


def shown(field: Field, value: object) -> str:
    """A value for reading: choices by their words, a row in a line."""
    if field.control == "rows":
        return "\n".join(_row_shown(field, row) for row in rows.rows_of(field, rows.texts(field, value)))
    if isinstance(value, list):
        return ("\n" if field.control == "lines" else ", ").join(shown(field, one) for one in value)
    if isinstance(value, bool) and field.control == "checkbox":
        return "yes" if value else "no"
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, indent=2)
    return field.words.get(str(value), "" if value is None else controls.figure(value))


def _row_shown(field: Field, row: list[str]) -> str:
    chosen = next((text for cell, text in zip(field.cells, row, strict=True) if cell.name == field.chooser), "")
    said = [
        cell.words.get(text, text) if cell.control in ("select", "line", "column") else f"{cell.label.lower()} {text}"
        for cell, text in zip(field.cells, row, strict=True)
        if text and rows.applies(cell, field.chooser, chosen)
    ]
    return ": ".join([said[0], ", ".join(said[1:])]) if field.keyed and len(said) > 1 else " ".join(said)


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


def mapping(text: str) -> dict[str, Any] | None:
    """A mapping that stands in an address as JSON; None if it is none."""
    try:
        return from_json(text)
    except ValueError:
        return None


def by_field(found: Iterable[Field], raw: Raw, errors: Iterable[FieldError]) -> tuple[dict[str, str], list[str]]:
    """Errors as (field name -> sentences, the sentences that belong to no field)."""
    applying = conditions.applying(found, raw)
    at_field: dict[str, str] = {}
    general = []
    for error in errors:
        name, sentence = _place(applying, error)
        if not name:
            general.append(sentence)
        elif sentence not in at_field.get(name, ""):
            at_field[name] = f"{at_field[name]} {sentence}" if name in at_field else sentence
    return at_field, general


def _place(applying: list[Field], error: FieldError) -> tuple[str, str]:
    """The field that an error is about, and its sentence. An error of a mapping stands at its first part."""
    path = tuple(error.field.split("."))
    named = [one for one in applying if one.name == error.field or path[: len(one.path)] == one.path]
    found = next(iter(named or [one for one in applying if one.path[0] == path[0]]), None)
    if found is None:
        return "", error.message
    rest = path[len(found.path) :] if found in named and found.name != error.field else ()
    about = f"{', '.join(_row_name(part) for part in rest)}: " if found.control == "rows" and rest else ""
    return found.name, f"{about}{error.message}"


def _row_name(part: str) -> str:
    return f"row {int(part) + 1}" if part.isdecimal() else part

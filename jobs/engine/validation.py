"""Params that fit: by their model, by their kind's own checks, and with files that are there. What is wrong, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import ValidationError

from jobs.engine import catalogue, inputs
from jobs.engine.catalogue import Find, Kind
from jobs.engine.errors import BadInput, FieldError, InvalidParams
from jobs.engine.jsonsafe import clean_text
from jobs.engine.params import KindParams, files_of

_SENTENCES = {
    "missing": "This is needed.",
    "extra_forbidden": "There is no such field.",
    "string_too_long": "This is too long: at most {max_length:,} characters.",
    "string_too_short": "This is too short: at least {min_length:,} characters.",
    "string_type": "This must be text.",
    "int_type": "Write a whole number.",
    "int_parsing": "Write a whole number, such as 12.",
    "int_from_float": "Write a whole number, without a fraction.",
    "float_type": "Write a number.",
    "float_parsing": "Write a number, such as 0.5.",
    "finite_number": "Write a number that is not infinite.",
    "bool_type": "This must be yes or no.",
    "bool_parsing": "This must be yes or no.",
    "greater_than": "This must be more than {gt:,}.",
    "greater_than_equal": "This must be {ge:,} or more.",
    "less_than": "This must be less than {lt:,}.",
    "less_than_equal": "This must be {le:,} or less.",
    "literal_error": "This must be one of {expected}.",
    "enum": "This must be one of {expected}.",
    "dict_type": "This must be an object, as in {{}}.",
    "list_type": "This must be a list.",
}


@dataclass(frozen=True)
class Validated:
    """Params that fit, as the model and as JSON."""

    kind: Kind
    params: KindParams
    json: dict[str, Any]


def validate(kind_name: str, params: dict[str, Any], *, owner: str) -> Validated:
    """Params that fit their model and pass their kind's own checks. Raises NotFound, KindUnavailable, InvalidParams."""
    kind = catalogue.kind(kind_name)
    try:
        model = kind.Params.model_validate(params)
    except ValidationError as error:
        raise InvalidParams(params_errors(error)) from None
    find = cache(finder(owner))
    errors = _text_errors(params) or kind.check(model, find) or _file_errors(model, find)
    if errors:
        raise InvalidParams(errors)
    return Validated(kind, model, model.model_dump(mode="json"))


def finder(owner: str) -> Find:
    """How a kind finds a file: among the samples and this owner's own. It raises BadInput."""
    return lambda ref: inputs.find(ref, owner)


def params_errors(error: ValidationError) -> list[FieldError]:
    """One FieldError for each thing that is wrong, named by its dotted path."""
    return [
        FieldError(".".join(str(part) for part in one["loc"]), _sentence(one["type"], one.get("ctx", {}), one["msg"]))
        for one in error.errors(include_url=False, include_input=False)
    ]


def _sentence(kind: str, facts: Mapping[str, Any], otherwise: str) -> str:
    sentence = _SENTENCES.get(kind)
    if sentence is None:
        return otherwise.removeprefix("Value error, ").rstrip(".") + "."
    try:
        return sentence.format(**facts)
    except (KeyError, ValueError):
        return otherwise


def _text_errors(params: dict[str, Any], path: str = "") -> list[FieldError]:
    """NUL and lone surrogates, which Postgres refuses, named by their field."""
    errors = []
    for name, value in params.items():
        where = f"{path}{name}"
        if isinstance(value, dict):
            errors += _text_errors(value, f"{where}.")
        elif clean_text(str(value)) != str(value):
            errors.append(
                FieldError(where, "This holds a character that cannot be kept (NUL or half a surrogate pair).")
            )
    return errors


def _file_errors(params: KindParams, find: Find) -> list[FieldError]:
    """Files that are not there, or not this owner's, where the kind itself did not look."""
    errors = []
    for field, ref in files_of(params):
        try:
            find(ref)
        except BadInput as error:
            errors.append(FieldError(field, error.message))
    return errors

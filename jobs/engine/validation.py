"""Sentences about what people typed: pydantic's validation errors, and the name that was meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from pydantic import ValidationError

from jobs.engine.errors import FieldError

_SENTENCES = {
    "missing": "This is required.",
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


MOST_CANDIDATES = 200  # difflib compares each with the name, character by character
LONGEST_CANDIDATE = 80  # characters


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that was probably meant by a misspelt name. Of untrusted lists it looks at the first ones only."""
    if len(name) > LONGEST_CANDIDATE:
        return None
    fit = (one for one in candidates if len(one) <= LONGEST_CANDIDATE)
    folded = {one.casefold(): one for one in islice(fit, MOST_CANDIDATES)}
    close = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    return folded[close[0]] if close else None


def params_errors(error: ValidationError) -> list[FieldError]:
    """One FieldError for each error, with the dotted path of its field."""
    return [
        FieldError(".".join(str(part) for part in one["loc"]), _sentence(one["type"], one.get("ctx", {}), one["msg"]))
        for one in error.errors(include_url=False, include_input=False)
    ]


def _sentence(kind: str, context: Mapping[str, Any], otherwise: str) -> str:
    sentence = _SENTENCES.get(kind)
    if sentence is None:
        return otherwise.removeprefix("Value error, ").rstrip(".") + "."
    try:
        return sentence.format(**context)
    except (KeyError, ValueError):
        return otherwise

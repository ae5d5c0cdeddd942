"""Validation of params: by their model, by their kind's own checks, and whether their files exist."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import ValidationError

from jobs.engine.display import shortened
from jobs.engine.errors import BadInput, FieldError, InvalidParams, LegworkError
from jobs.engine.files import inputs
from jobs.engine.jsonsafe import clean_text
from jobs.engine.kinds import catalogue, sealing
from jobs.engine.kinds.definition import Estimate, Find, Kind
from jobs.engine.kinds.params import KindParams, files_of
from jobs.engine.validation import params_errors

MOST_LABEL = 200  # characters
_AGAIN = "Enter it again: the secret of another job is not copied, and is deleted when that job ends."


@dataclass(frozen=True)
class ValidParams:
    """Valid params, as JSON, and the label of their job."""

    kind: Kind
    json: dict[str, Any]
    label: str = ""
    estimate: Estimate | None = None  # where it was asked for


def validate(kind_name: str, params: dict[str, Any], *, owner: str, estimating: bool = False) -> ValidParams:
    """Validate the params of a job. Raises NotFound, KindUnavailable, InvalidParams."""
    kind = catalogue.kind(kind_name)
    if lost := sealing.lacking(kind, params):
        raise InvalidParams([FieldError(name, _AGAIN) for name in lost])
    model = valid_model(kind, params, owner=owner)
    label = shortened(clean_text(kind.label(model, finder(owner))), MOST_LABEL)
    about = _estimate(kind, model, owner) if estimating else None
    return ValidParams(kind, model.model_dump(mode="json"), label, about)


def _estimate(kind: Kind, model: KindParams, owner: str) -> Estimate | None:
    with suppress(LegworkError):  # the job can start without one
        return kind.estimate(model, finder(owner))
    return None


def valid_model(kind: Kind, params: dict[str, Any], *, owner: str) -> KindParams:
    """The same params as their model. Raises KindUnavailable, InvalidParams."""
    try:
        model = kind.Params.model_validate(params)
    except ValidationError as error:
        raise InvalidParams(params_errors(error)) from None
    find = cache(finder(owner))
    errors = _text_errors(params) or kind.check(model, find) or _file_errors(model, find)
    if errors:
        raise InvalidParams(errors)
    return model


def finder(owner: str) -> Find:
    """A function that finds a file among the samples and this owner's files. It raises BadInput."""
    return lambda ref: inputs.find_input(ref, owner)


def _text_errors(params: dict[str, Any], path: str = "") -> list[FieldError]:
    """An error for each field with NUL or a lone surrogate, which Postgres refuses."""
    errors = []
    for name, value in params.items():
        where = f"{path}{name}"
        if isinstance(value, dict):
            errors += _text_errors(value, f"{where}.")
        elif clean_text(str(value)) != str(value):
            errors.append(
                FieldError(where, "This has a character that cannot be stored (NUL or half a surrogate pair).")
            )
    return errors


def _file_errors(params: KindParams, find: Find) -> list[FieldError]:
    """An error for each file that does not exist or is another owner's; the kind's own check may not have opened it."""
    errors = []
    for field, ref in files_of(params):
        try:
            find(ref)
        except BadInput as error:
            errors.append(FieldError(field, error.message))
    return errors

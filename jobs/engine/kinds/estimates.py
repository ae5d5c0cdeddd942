"""Estimates and previews for a form that is filled in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from jobs.engine.kinds import catalogue
from jobs.engine.kinds.checks import finder, valid_model
from jobs.engine.kinds.definition import Estimate, TrialPrompt


def estimate(kind_name: str, params: dict[str, Any], *, owner: str, sample: int | None = None) -> Estimate | None:
    """What the job will need; None if the kind has no estimate. Raises what validate raises."""
    kind = catalogue.kind(kind_name)
    whole = kind.estimate(valid_model(kind, params, owner=owner), finder(owner))
    if whole is None or not sample or not whole.items or whole.items <= sample:
        return whole
    share = sample / whole.items
    scaled = {name: getattr(whole, name) for name in ("calls", "tokens", "seconds", "request_bytes")}
    scaled = {name: type(value)(value * share) if value else value for name, value in scaled.items()}
    return replace(whole, items=sample, **scaled)


def choices(kind_name: str, params: dict[str, Any], *, owner: str) -> dict[str, list[str]]:
    """What can be chosen in a field, by what is given so far; params need not be whole or valid."""
    return catalogue.kind(kind_name).choices(params, finder(owner))


def preview(kind_name: str, params: dict[str, Any], place: int, *, owner: str) -> dict[str, Any] | None:
    """The kind's preview of the item at this place, from 1; None if it has none. Raises what validate raises, BadInput."""
    kind = catalogue.kind(kind_name)
    return kind.preview(valid_model(kind, params, owner=owner), finder(owner), place)


def questions(kind_name: str, params: dict[str, Any], rows: int, *, owner: str) -> list[TrialPrompt]:
    """The prompts of a trial on the first rows. Raises what validate raises, BadInput."""
    kind = catalogue.kind(kind_name)
    return kind.questions(valid_model(kind, params, owner=owner), finder(owner), rows)

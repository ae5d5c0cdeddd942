"""Estimates and previews for a form that is filled in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from jobs.engine.kinds.catalogue import Estimate
from jobs.engine.kinds.checks import finder, validate


def estimate(kind_name: str, params: dict[str, Any], *, owner: str, sample: int | None = None) -> Estimate | None:
    """What the job will need; None if the kind has no estimate. Raises what validate raises."""
    fit = validate(kind_name, params, owner=owner)
    whole = fit.kind.estimate(fit.params, finder(owner))
    if whole is None or not sample or not whole.items or whole.items <= sample:
        return whole
    share = sample / whole.items
    scaled = {name: getattr(whole, name) for name in ("calls", "tokens", "seconds")}
    scaled = {name: type(value)(value * share) if value else value for name, value in scaled.items()}
    return replace(whole, items=sample, **scaled)


def preview(kind_name: str, params: dict[str, Any], place: int, *, owner: str) -> dict[str, Any] | None:
    """The kind's preview of the item at this place, from 1; None if it has none. Raises what validate raises, BadInput."""
    fit = validate(kind_name, params, owner=owner)
    return fit.kind.preview(fit.params, finder(owner), place)

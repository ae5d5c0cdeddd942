"""Which params of a kind are secrets, and params as they may be shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobs.engine.kinds.params import KindParams
from jobs.engine.masking import MASK


def secret_names(model: type[KindParams]) -> set[str]:
    """The params of a kind that are secrets."""
    extra = {name: field.json_schema_extra for name, field in model.model_fields.items()}
    return {name for name, more in extra.items() if isinstance(more, dict) and more.get("widget") == "secret"}


def secret_values(params: KindParams) -> list[str]:
    """What these params hold of secrets."""
    return [value for name in sorted(secret_names(type(params))) if isinstance(value := getattr(params, name), str)]


def masked_params(model: type[KindParams], params: Mapping[str, Any]) -> dict[str, Any]:
    """Params as they may be shown."""
    hidden = secret_names(model)
    return {name: MASK if name in hidden and value else value for name, value in params.items()}

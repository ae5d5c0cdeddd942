"""The secret params of a kind, and params with the secrets masked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobs.engine.kinds.params import KindParams
from jobs.engine.masking import MASK


def secret_names(model: type[KindParams]) -> set[str]:
    """The names of the secret params."""
    extra = {name: field.json_schema_extra for name, field in model.model_fields.items()}
    return {name for name, more in extra.items() if isinstance(more, dict) and more.get("widget") == "secret"}


def secret_values(params: KindParams) -> list[str]:
    """The values of the secret params."""
    return [value for name in sorted(secret_names(type(params))) if isinstance(value := getattr(params, name), str)]


def masked_params(model: type[KindParams], params: Mapping[str, Any]) -> dict[str, Any]:
    """The params, with the values of secret ones masked."""
    hidden = secret_names(model)
    return {name: MASK if name in hidden and value else value for name, value in params.items()}

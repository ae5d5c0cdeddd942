"""JSON that Postgres accepts: no NaN or infinity, no NUL, no lone surrogate, no other types."""

from __future__ import annotations

import json
import math
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID


def dumps(value: Any) -> str:
    """The value as JSON text; values that are not valid are replaced (NaN by null, a lone surrogate by U+FFFD)."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        text.encode()
    except (ValueError, TypeError):
        return json.dumps(clean(value), ensure_ascii=False, separators=(",", ":"))
    return text if "\\u0000" not in text else json.dumps(clean(value), ensure_ascii=False, separators=(",", ":"))


def clean(value: Any) -> Any:
    """The value, made of types and characters that both JSON and Postgres accept."""
    if isinstance(value, dict):
        return {clean_text(str(key)): clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [clean(item) for item in value]
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    return _as_text(value)


def clean_text(text: str) -> str:
    """The text without NUL, its lone surrogates replaced by U+FFFD."""
    return text.replace("\x00", "").encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def _as_text(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value) if value.is_finite() else None
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").replace("\x00", "")
    return clean_text(str(value))

"""JSON that Postgres accepts: no NaN or infinity, no NUL, no lone surrogate, no other types."""

from __future__ import annotations

import json
import math
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any


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


def duration(value: timedelta) -> str:
    """Hours, minutes and seconds: 32:15:00, and -0:00:01.5 for what is negative."""
    seconds, micros = divmod(abs(value) // timedelta(microseconds=1), 1_000_000)
    fraction = f".{micros:06d}".rstrip("0") if micros else ""
    sign = "-" if value < timedelta() else ""
    return f"{sign}{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{fraction}"


def _as_text(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value) if value.is_finite() else None
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return duration(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").replace("\x00", "")
    if callable(scalar := getattr(value, "item", None)):  # of numpy, whose repr is np.int64(3)
        return clean(scalar())
    return clean_text(str(value))

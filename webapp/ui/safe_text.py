"""Makes untrusted text safe to display: escapes control characters, shortens, converts other values to text."""

from __future__ import annotations

import json
import re
from decimal import Decimal

from markupsafe import Markup, escape

from jobs.engine.display import as_text

_OVERRIDES = re.compile("[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def harmless(value: object) -> object:
    """Text with control characters and bidi overrides as visible codes, so that they have no effect."""
    if not isinstance(value, str) or isinstance(value, Markup) or value.isprintable():
        return value
    return _OVERRIDES.sub(lambda found: f"[U+{ord(found[0]):04X}]", value)


def verbatim(value: str) -> Markup:
    """Text for a form control as it was typed: escaped only."""
    return escape(value.replace("\x00", ""))


def cell(value: object, limit: int = 300) -> str:
    """A value of a table, on one line."""
    if value is None:
        return ""
    text = _plain(value)
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def figure(value: float | None) -> str:
    """A computed figure, to six digits."""
    return as_text(None if value is None else float(value), 6)


def written(value: object) -> str:
    """A JSON value, for display."""
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


def coded(text: str) -> Markup:
    """A sentence of ours, with what stands between backticks as code."""
    parts = text.split("`")
    return Markup().join(Markup("<code>{}</code>").format(one) if at % 2 else one for at, one in enumerate(parts))


def is_figure(value: object) -> bool:
    """Whether a value of a table is a number or looks like one, and is aligned to the right."""
    text = value if isinstance(value, str) else ""
    if text:
        return bool(re.fullmatch(r"[+-]?\d{1,15}(\.\d+)?", text, re.ASCII))
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return as_text(value)

"""Forms of kinds: fields from the types of the params, params from what was filled in."""

from __future__ import annotations

from webapp.forms.conditions import applying, style_sheet
from webapp.forms.controls import text_of
from webapp.forms.rows import empty_row, rows_of
from webapp.forms.schema import NOTHING, Field, fields, of_kind
from webapp.forms.texts import (
    Raw,
    blank,
    by_field,
    filled,
    from_json,
    limits,
    mapping,
    params_of,
    posted,
    shown,
    strangers,
    value_at,
)

__all__ = [
    "NOTHING",
    "Field",
    "Raw",
    "applying",
    "blank",
    "by_field",
    "empty_row",
    "fields",
    "filled",
    "from_json",
    "limits",
    "mapping",
    "of_kind",
    "params_of",
    "posted",
    "rows_of",
    "shown",
    "strangers",
    "style_sheet",
    "text_of",
    "value_at",
]

"""Maps the columns of a table to the fields of a document, and converts the values."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from jobs.engine import jsonsafe
from jobs.engine.errors import BadInput
from jobs.engine.formats import exports
from jobs.engine.library.documents import LONGEST_NAME, LONGEST_TEXT

FIELDS = ("title", "text", "tags", "meta", "name", "language", "media_type")
COUNTED = ("id", "collection", "pages", "words", "bytes", "sha256", "created_at", "updated_at")
LONGEST_KEY = 500
MOST_TAGS = 100
_BETWEEN_TAGS = re.compile(r"[,;\n]")
_WORDS = {"title": 500, "text": LONGEST_TEXT, "name": 255, "language": 35, "media_type": 100}


def same_names(columns: Iterable[str]) -> dict[str, str]:
    """The mapping of columns that have the names of fields, as in Legwork's own exports."""
    by_name = {column.strip().casefold(): column for column in columns}
    return {field: by_name[field] for field in FIELDS if field in by_name}


def not_of_documents(columns: Collection[str]) -> set[str]:
    """The columns that may go into meta: without the computed fields of an exported table of documents."""
    exported = {"id", "collection", "sha256"} <= set(columns)
    return set(columns).difference(COUNTED if exported else ())


def values(
    row: Mapping[str, Any], mapping: Mapping[str, str], rest: Iterable[str], spreadsheet: bool
) -> dict[str, Any]:
    """The fields of the row, cleaned. `rest`: columns that go into meta. Raises BadInput for a value that is not valid.

    spreadsheet: the table is CSV, in which an apostrophe precedes values that a spreadsheet program would run as formulas.
    """
    row = {name: _plain(value) if spreadsheet else value for name, value in row.items()}
    found = {field: _shaped(field, row.get(column)) for field, column in mapping.items()}
    more = {jsonsafe.clean_text(name): jsonsafe.clean(row[name]) for name in rest if row.get(name) is not None}
    return found | ({"meta": found.get("meta", {}) | more} if more else {})


def key_of(row: Mapping[str, Any], column: str) -> str:
    """The key by which the row's document is found. Raises BadInput if it is empty or too long."""
    key = _text(row.get(column)).strip()
    if not key:
        raise BadInput(f"The key “{column}” is empty in this row.")
    if len(key) > LONGEST_KEY:
        raise BadInput(f"The key “{column}” has {len(key):,} characters; at most {LONGEST_KEY} are allowed.")
    return key


def _plain(value: Any) -> Any:
    """Without the apostrophes that exports.cell puts before formulas."""
    return exports.without_apostrophes(value) if isinstance(value, str) else value


def _shaped(field: str, value: Any) -> Any:
    if field == "tags":
        return tags(value)
    if field == "meta":
        return _meta(value)
    text = _text(value)
    if field == "text":
        if len(text) > LONGEST_TEXT:
            raise BadInput(f"The text has {len(text):,} characters; a document can have {LONGEST_TEXT:,}.")
        return text
    return text.strip()[: _WORDS[field]].strip() or (None if field == "language" else "")


def tags(value: Any) -> list[str]:
    """Tags from a list, its JSON, or text separated by commas or semicolons; without duplicates."""
    if isinstance(value, str):
        listed = _json(value, list)
        value = _BETWEEN_TAGS.split(value) if listed is None else listed
    parts = value if isinstance(value, list) else [] if value is None else [value]
    found = list(dict.fromkeys(tag for part in parts if (tag := _text(part).strip()[:LONGEST_NAME])))
    if len(found) > MOST_TAGS:
        raise BadInput(f"There are {len(found):,} tags; a document has at most {MOST_TAGS}.")
    return found


def _meta(value: Any) -> dict[str, Any]:
    found = _json(value, dict) if isinstance(value, str) else value
    if isinstance(found, dict):
        return dict(jsonsafe.clean(found))
    if found is None and not (isinstance(value, str) and value.strip()):
        return {}
    raise BadInput('The column for meta must hold a JSON object, such as {"year": 2024}.')


def _json(text: str, wanted: type) -> Any:
    """The list or dict that the JSON text holds; None if it does not."""
    if text.lstrip()[:1] not in ("[", "{"):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, wanted) else None


def _text(value: Any) -> str:
    if value is None:
        return ""
    return jsonsafe.clean_text(value) if isinstance(value, str) else jsonsafe.dumps(value)

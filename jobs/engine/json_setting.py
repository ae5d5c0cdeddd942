"""Settings that are JSON: the text itself, or the path of a file with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobs.engine.errors import SettingsError

_WORDS = {dict: "an object", list: "a list"}


def json_setting(environ: Mapping[str, str], name: str, kind: type[dict[str, Any]] | type[list[Any]]) -> Any:
    """The value of this variable, empty if it is not set. Raises SettingsError where it is no such JSON."""
    text = environ.get(name, "").strip()
    if not text:
        return kind()
    try:
        found = json.loads(text if text[0] in "[{" else Path(text).read_text())
    except (OSError, ValueError) as error:
        raise SettingsError(f"{name} is neither JSON nor the path of a file with JSON: {error}.") from None
    if not isinstance(found, kind):
        raise SettingsError(f"{name} must be {_WORDS[kind]} of JSON.")
    return found

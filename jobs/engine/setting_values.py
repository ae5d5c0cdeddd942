"""Values of settings that take more than a line to read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobs.engine.errors import SettingsError

_WORDS = {dict: "an object", list: "a list"}


def json_setting(environ: Mapping[str, str], name: str, kind: type[dict[str, Any]] | type[list[Any]]) -> Any:
    """The JSON in this variable, or in the file that it names; empty if it is not set. Raises SettingsError for anything else."""
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


def senders(text: str) -> tuple[str, ...]:
    """MAIL_SENDERS: addresses and domains, in lower case."""
    found = []
    for word in filter(None, map(str.strip, text.split(","))):
        local, _, domain = word.casefold().rpartition("@")
        try:
            found.append(f"{local}@{domain.encode('idna').decode()}")
        except UnicodeError:
            domain = ""
        if not domain or "@" in local or any(one.isspace() for one in word):
            raise SettingsError(f"MAIL_SENDERS has {word!r}; it must list addresses, or domains such as example.org.")
    return tuple(found)

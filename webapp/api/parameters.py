"""Parameters of the JSON API: described and read by one object, so that each limit stands once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from flask import request

from webapp.http import parsing

Schema = dict[str, Any]


class Parameter:
    """A value of the query or a header, by its JSON schema. The operation that it belongs to reads it."""

    def __init__(
        self, name: str, description: str, schema: Schema, *, place: str = "query", required: bool = False
    ) -> None:
        self.name = name
        self.place = place
        self._rest: Schema = {"description": description, "schema": schema} | ({"required": True} if required else {})

    def described(self) -> Schema:
        """The parameter as OpenAPI has it."""
        return {"name": self.name, "in": self.place, **self._rest}


class TextParameter(Parameter):
    """A text of at most so many characters."""

    def __init__(self, name: str, description: str, most: int, *, required: bool = False) -> None:
        least = {"minLength": 1} if required else {}
        super().__init__(name, description, {"type": "string", **least, "maxLength": most}, required=required)
        self._most = most

    def read(self) -> str | None:
        return parsing.text(self.name, self._most)


class Limit(Parameter):
    """How many records a page has."""

    def __init__(self, what: str, most: int, default: int = 50) -> None:
        schema = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
        super().__init__("limit", f"The greatest number of {what} on a page.", schema)
        self._most, self._default = most, default

    def read(self) -> int:
        return parsing.whole_number(self.name, self._default, 1, self._most)


class Choice(Parameter):
    """One of some words, if any."""

    def __init__(self, name: str, description: str, choices: Iterable[str], default: str = "") -> None:
        schema: Schema = {"enum": list(choices)} | ({"default": default} if default else {})
        super().__init__(name, description, schema)
        self._choices, self._default = tuple(choices), default

    def read(self) -> str:
        """The word; without one the default, which may be empty."""
        return parsing.one_of(self.name, self._choices, self._default) if self.name in request.args else self._default


class After(TextParameter):
    """The cursor of a list."""

    def __init__(self, most: int = 200) -> None:
        super().__init__("after", "The `next` of the page before.", most)


class _IdempotencyKey(Parameter):
    def __init__(self) -> None:
        text = "The same key with the same body is the same job, however often it is sent."
        super().__init__("Idempotency-Key", text, {"type": "string", "pattern": "^[!-~]{1,200}$"}, place="header")

    def read(self) -> str | None:
        key = request.headers.get(self.name)
        if key is not None and not re.fullmatch(r"[!-~]{1,200}", key):
            raise parsing.invalid(self.name, f"{self.name} must be 1 to 200 visible ASCII characters without spaces.")
        return key


AFTER = After()
IDEMPOTENCY_KEY = _IdempotencyKey()

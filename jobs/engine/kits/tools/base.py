"""What a tool is: a name, a sentence, its arguments as strict types, and a function that takes no longer than it may."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from jobs.engine.errors import BadInput
from jobs.engine.files.inputs import Input
from jobs.engine.kinds.params import KindParams

Arguments = KindParams  # unknown ones are refused, and text is never taken for a number


@dataclass(frozen=True)
class ToolContext:
    """How far a call reaches: whose files and library, which hosts, how long (seconds), and whether it must end."""

    owner: str
    open: Callable[[str], Input]
    check: Callable[[], None]
    hosts: tuple[str, ...] = ()
    seconds: int = 30


@dataclass(frozen=True)
class ToolResult:
    """What came of a call. `exit` is the exit code of a program; None where none ran."""

    text: str
    exit: int | None = None


@dataclass(frozen=True)
class Tool:
    """`run` raises BadInput, or Transient, with a sentence; `wrong` says without running what it would refuse."""

    name: str
    description: str
    Arguments: type[KindParams]
    run: Callable[[Any, ToolContext], ToolResult]
    wrong: Callable[[Any, ToolContext], str | None] = lambda _arguments, _reach: None
    example: dict[str, Any] = field(default_factory=dict)  # of its arguments

    def read(self, given: Any) -> KindParams:
        """The arguments of a call. Raises BadInput naming each that does not fit."""
        if not isinstance(given, dict):
            raise BadInput(f"The arguments of {self.name} are a JSON object. {self.usage}", reason="bad_arguments")
        try:
            return self.Arguments.model_validate(given)
        except ValidationError as error:
            told = "; ".join(_told(one) for one in error.errors()[:5])
            raise BadInput(f"{told}. {self.usage}", reason="bad_arguments") from None

    @property
    def usage(self) -> str:
        """Its arguments in a sentence, and an example."""
        fields = self.Arguments.model_fields.items()
        listed = ", ".join(f"{name}{'' if one.is_required() else ' (optional)'}" for name, one in fields)
        return f"{self.name} takes {listed}, such as {json.dumps(self.example, ensure_ascii=False)}."

    @property
    def details(self) -> tuple[str, ...]:
        """Each argument in a sentence, as its schema has it."""
        return tuple(_told_of(name, one) for name, one in self.Arguments.model_json_schema()["properties"].items())


def _told_of(name: str, schema: Mapping[str, Any]) -> str:
    kind = schema.get("type") or "/".join(one.get("type", "") for one in schema.get("anyOf", ()))
    limits = [f"{word} {schema[limit]:,}" for limit, word in _LIMITS.items() if limit in schema]
    choices = [f"one of {', '.join(schema['enum'])}"] if "enum" in schema else []
    said = ", ".join([_TYPES.get(kind, "text"), *choices, *limits])
    return " ".join(filter(None, [f"{name} ({said}):", f"{schema['title']}.", schema.get("description", "")]))


_TYPES = {"integer": "whole number", "number": "number", "array": "list", "object": "names with values"}
_LIMITS = {"minimum": "at least", "maximum": "at most"}


def _told(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])[:80]
    if error["type"] == "extra_forbidden":
        return f"There is no argument “{where}”"
    if error["type"] == "missing":
        return f"The argument “{where}” is missing"
    return f"“{where}”: {error['msg']}"

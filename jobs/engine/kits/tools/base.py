"""The definition of a tool: name, description, arguments as strict types, and a function with a time limit."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from jobs.engine.errors import BadInput
from jobs.engine.files.inputs import Input
from jobs.engine.kinds.params import KindParams

NOT_JSON = "not_json"  # stands for arguments of a model that cannot be read, with the reason
Arguments = KindParams  # refuses unknown arguments, and does not convert text to numbers


@dataclass(frozen=True)
class ToolContext:
    """The limits of a call: owner of the files and library, allowed hosts, seconds, and `check`, which raises at a stop."""

    owner: str
    open: Callable[[str], Input]
    check: Callable[[], None]
    hosts: tuple[str, ...] = ()
    seconds: int = 30


@dataclass(frozen=True)
class ToolResult:
    """The result of a call. `exit`: exit code of a program; None if none ran."""

    text: str
    exit: int | None = None


@dataclass(frozen=True)
class Tool:
    """`run` raises BadInput or Transient. `argument_error` returns what is wrong with a call without running it, or None."""

    name: str
    description: str
    Arguments: type[KindParams]
    run: Callable[[Any, ToolContext], ToolResult]
    argument_error: Callable[[Any, ToolContext], str | None] = lambda _arguments, _reach: None
    example: dict[str, Any] = field(default_factory=dict)  # of its arguments

    def read(self, given: Any) -> KindParams:
        """Parse the arguments of a call. Raises BadInput naming each that is not valid."""
        if isinstance(given, dict) and given.keys() == {NOT_JSON}:
            raise BadInput(f"The arguments are not valid JSON: {given[NOT_JSON]} {self.usage}", reason="bad_arguments")
        if not isinstance(given, dict):
            raise BadInput(f"The arguments of {self.name} are a JSON object. {self.usage}", reason="bad_arguments")
        try:
            return self.Arguments.model_validate(given)
        except ValidationError as error:
            sentence = "; ".join(_error_sentence(one) for one in error.errors()[:5])
            raise BadInput(f"{sentence}. {self.usage}", reason="bad_arguments") from None

    @property
    def usage(self) -> str:
        """A sentence on its arguments, with an example."""
        fields = self.Arguments.model_fields.items()
        listed = ", ".join(f"{name}{'' if one.is_required() else ' (optional)'}" for name, one in fields)
        return f"{self.name} takes {listed}, such as {json.dumps(self.example, ensure_ascii=False)}."

    @property
    def details(self) -> tuple[str, ...]:
        """A sentence for each argument, from its schema."""
        return tuple(_detail(name, one) for name, one in self.Arguments.model_json_schema()["properties"].items())


def _detail(name: str, schema: Mapping[str, Any]) -> str:
    kind = schema.get("type") or "/".join(one.get("type", "") for one in schema.get("anyOf", ()))
    limits = [f"{word} {schema[limit]:,}" for limit, word in _LIMITS.items() if limit in schema]
    choices = [f"one of {', '.join(schema['enum'])}"] if "enum" in schema else []
    shape = ", ".join([_TYPES.get(kind, "text"), *choices, *limits])
    return " ".join(filter(None, [f"{name} ({shape}):", f"{schema['title']}.", schema.get("description", "")]))


_TYPES = {"integer": "whole number", "number": "number", "array": "list", "object": "names with values"}
_LIMITS = {"minimum": "at least", "maximum": "at most"}


def _error_sentence(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])[:80]
    if error["type"] == "extra_forbidden":
        return f"There is no argument “{where}”"
    if error["type"] == "missing":
        return f"The argument “{where}” is missing"
    return f"“{where}”: {error['msg']}"

"""Parameters of a query: $name in it stands for a value, which is put in as a literal."""

from __future__ import annotations

import re
from collections.abc import Mapping

from jobs.engine.errors import BadInput
from jobs.engine.validation import nearest

Value = str | int | float | bool | None

# What holds no parameter: texts, names in quotes, comments and dollar-quoted texts. In this order.
_PARTS = re.compile(
    r"""[eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | /\*.*?\*/
    | \$(?P<tag>[A-Za-z_]\w*|)\$.*?\$(?P=tag)\$
    | (?<![\w$])\$(?P<name>[A-Za-z_]\w*)""",
    re.S | re.X,
)


def named(sql: str) -> list[str]:
    """The names of the parameters in a query."""
    return list(dict.fromkeys(found["name"] for found in _PARTS.finditer(sql) if found["name"]))


def filled(sql: str, values: Mapping[str, Value]) -> str:
    """The query with its values. Raises BadInput for a parameter that has none."""
    if missing := next((name for name in named(sql) if name not in values), None):
        near = nearest(missing, values)
        hint = f" Did you mean ${near}?" if near else ""
        raise BadInput(f"The query names ${missing}, and there is no such parameter.{hint}")
    return _PARTS.sub(lambda found: _literal(values[found["name"]]) if found["name"] else found.group(), sql)


def _literal(value: Value) -> str:
    """As SQL. A text has no type of its own, so that '2026-03-01' is a date where one is wanted."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"({value!r})" if value < 0 else repr(value)
    return "'" + value.replace("'", "''").replace("\0", "") + "'"

"""Prompts with columns in them: `{column}` stands for its value, `{{` and `}}` for braces, and nothing else is special.

A name is looked up as it stands, so `{user.name}` is a column called "user.name" and never an attribute, and
`{price:>10}` one called "price:>10" and never a format. `{name|there}` is the column "name", or "there" where it is empty,
unless a column is called "name|there".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobs.engine.display import as_text
from jobs.engine.errors import BadInput
from jobs.engine.formats.tables import as_shown
from jobs.engine.validation import nearest

NAME_LENGTH = 200
FALLBACK = "|"
NAMED = 20  # unknown names that get a sentence
SUGGESTED = 3  # unknown names for which the nearest column is looked for

_PIECES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")


@dataclass(frozen=True)
class Template:
    """What `parse` found: pieces of text, and columns as one-element tuples."""

    pieces: tuple[str | tuple[str], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it names, each once, in the order of their first use."""
        return tuple(dict.fromkeys(piece[0] for piece in self.pieces if isinstance(piece, tuple)))

    def columns_among(self, available: Container[str]) -> tuple[str, ...]:
        """The same, of a table with these columns: without what stands after | for empty cells."""
        return tuple(dict.fromkeys(split_fallback(name, available)[0] for name in self.columns))

    def render(self, row: Mapping[str, Any], change: Callable[[str], str] = str) -> str:
        """The text for one row. An empty cell, and a column that this row lacks, leave what stands after |, or nothing.

        change: of each value, such as one that escapes it.
        """
        row = as_shown(row)
        return "".join(piece if isinstance(piece, str) else change(value_of(piece[0], row)) for piece in self.pieces)

    def unknown(self, available: Sequence[str], table: str) -> list[str]:
        """One sentence for each column that the table does not have, for the first of them."""
        known = set(available)
        unknown = [name for name in self.columns_among(known) if name not in known][:NAMED]
        near = [nearest(name, available) if place < SUGGESTED else None for place, name in enumerate(unknown)]
        return [_no_column(name, one, available, table) for name, one in zip(unknown, near, strict=True)]


def split_fallback(name: str, available: Container[str]) -> tuple[str, str]:
    """The column that a name in braces stands for, and what takes the place of an empty cell."""
    if name in available or FALLBACK not in name:
        return name, ""
    column, _, fallback = name.partition(FALLBACK)
    return column.strip(), fallback.strip()


def value_of(name: str, row: Mapping[str, Any]) -> str:
    """What a name in braces stands for in this row."""
    column, fallback = split_fallback(name, row)
    value = as_text(row.get(column))
    return value if value.strip() or not fallback else fallback


def parse_template(text: str) -> Template:
    """Raises BadInput naming the place where a brace has no partner or a name is missing."""
    pieces: list[str | tuple[str]] = []
    for match in _PIECES.finditer(text):
        found = match.group()
        if match.group(1) is not None:
            pieces.append((_name(match.group(1), text, match.start()),))
        elif found in ("{", "}"):
            raise BadInput(_alone(found, text, match.start()))
        else:
            pieces.append({"{{": "{", "}}": "}"}.get(found, found))
    return Template(tuple(pieces))


def template_errors(text: str, available: Sequence[str], table: str) -> list[str]:
    """What is wrong with a template that is to say something else for each row of this table, in sentences."""
    try:
        template = parse_template(text)
    except BadInput as error:
        return [error.message]
    if template.columns:
        return template.unknown(available, table)
    some = ", ".join(f"{{{column[:60]}}}" for column in available[:5])
    return [f"This names no column, so it would be the same for each row. Put in one of: {some}."]


def fill_in(text: str, row: Mapping[str, Any]) -> str | None:
    """The text for one row; None if the template is broken or names a column that the row lacks."""
    try:
        template = parse_template(text)
    except BadInput:
        return None
    return template.render(row) if all(name in row for name in template.columns_among(row)) else None


def _name(inner: str, text: str, at: int) -> str:
    name = inner.strip()
    if not name:
        raise BadInput(
            f"There is no column name between the braces {_place(text, at)}. For a brace itself write {{{{ or }}}}."
        )
    if len(name) > NAME_LENGTH:
        raise BadInput(
            f"The name in braces {_place(text, at)} is too long for a column. For a brace itself write {{{{ or }}}}."
        )
    return name


def _alone(brace: str, text: str, at: int) -> str:
    wanted = "has no closing one" if brace == "{" else "has no opening one"
    return f"The brace {brace} {_place(text, at)} {wanted}. For a brace itself write {brace * 2}."


def _place(text: str, at: int) -> str:
    line = text.count("\n", 0, at) + 1
    return f"in line {line} at character {at - text.rfind(chr(10), 0, at)}"


def _no_column(name: str, near: str | None, available: Sequence[str], table: str) -> str:
    sentence = f"There is no column “{name}” in {table}."
    if near:
        return f"{sentence} Did you mean {{{near}}}?"
    some = ", ".join(column[:60] for column in available[:10]) + (", …" if len(available) > 10 else "")
    return f"{sentence} Its columns are: {some}. For braces in the text write {{{{ and }}}}."

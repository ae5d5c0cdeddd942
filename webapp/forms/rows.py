"""Rows: a list or a mapping as the texts of its cells, one row after another, and back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from webapp.forms.schema import NOTHING, Field

_CALL = re.compile(r"\s*([\w.]+)\s*\((.*)\)\s*", re.S)
_CALLS = re.compile(r"(?<=\))\s*[,;\n]\s*")
Read = Callable[[Field, str], Any]


def rows_of(field: Field, raw: Sequence[str]) -> list[list[str]]:
    """The rows of a field's texts. With `once`, a row for each key."""
    width = len(field.cells)
    found = [list(raw[place : place + width]) for place in range(0, len(raw) - width + 1, width)]
    if not field.once:
        return found
    known = {row[0]: row for row in found}
    if len(known) < len(found):  # a key twice
        return found
    keys = dict.fromkeys([*map(str, field.options), *known])
    return [known.get(key, [key, *[""] * (width - 1)]) for key in keys]


def empty_row(field: Field) -> list[str]:
    """A row before anybody typed."""
    return ["" if cell.control != "select" or cell.name == "key" else _first(cell) for cell in field.cells]


def filled(field: Field, row: Sequence[str]) -> bool:
    """Whether somebody typed something into this row: a choice alone does not count, unless there is nothing else."""
    typed = [text for cell, text in zip(field.cells, row, strict=False) if _typed(field, cell)]
    return any(text.strip() for text in typed)


def texts(field: Field, value: object) -> list[str]:
    """A list or a mapping as the texts of its cells."""
    return [text for key, one in _entries(field, value) for text in _row(field, key, one)]


def value(field: Field, raw: Sequence[str], read: Read) -> dict[str, Any] | list[Any]:
    """What the rows stand for. Raises ValueError with a sentence for the field."""
    found: dict[str, Any] = {}
    listed: list[Any] = []
    for row in rows_of(field, raw):
        if not filled(field, row):
            continue
        key = row[0].strip() if field.keyed else ""
        if field.keyed and not key:
            raise ValueError(f"Write beside “{next(filter(None, row[1:]), '')[:40]}” what it is for, or empty both.")
        if key in found and field.keyed:
            raise ValueError(f"“{key[:40]}” stands here twice. Keep one of them.")
        one = _one(field, row, f"{key[:40]}: " if key else "", read)
        found[key] = one
        listed.append(one)
    return found if field.keyed else listed


def applies(cell: Field, chooser: str, chosen: str) -> bool:
    """Whether a cell counts where that is chosen in its row."""
    condition = cell.only_if.get(chooser, True)
    return condition is True or (isinstance(condition, tuple) and chosen in condition)


def _typed(field: Field, cell: Field) -> bool:
    if field.once or len(field.cells) == 1:
        return cell.name != "key"
    return cell.control != "select" or cell.name == "key" or not any(one.control != "select" for one in field.cells)


def _first(cell: Field) -> str:
    return str(cell.options[0]) if cell.options and not cell.nullable and cell.default in (NOTHING, None) else ""


def _entries(field: Field, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, str) and field.written:
        yield from (("", _called(field, piece)) for piece in _CALLS.split(value.strip().strip(",;")) if piece.strip())
    elif isinstance(value, Mapping):
        yield from ((str(key), one) for key, one in value.items())
    elif isinstance(value, Sequence) and not isinstance(value, str):
        yield from (("", one) for one in value)


def _called(field: Field, piece: str) -> dict[str, str]:
    """sum(amount) as its two cells."""
    fits = _CALL.fullmatch(piece)
    names = [cell.name for cell in field.cells]
    return dict(zip(names, fits.groups() if fits else ("", piece.strip()), strict=False))


def any_of(text: str) -> Any:
    """A number, a yes or no, or a quoted text, as JSON; any other text as it is."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return text if isinstance(found, dict | list) or found is None or found != found else found


def plain(value: float) -> str:
    """A number as a person writes it: 0, not 0.0, and without an exponent."""
    text = f"{Decimal(repr(value)):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _row(field: Field, key: str, value: object) -> list[str]:
    own = field.cells[1:] if field.keyed else field.cells
    given = dict(value) if isinstance(value, Mapping) else {"": value}
    values = {own[0].name: value} if field.plain else given
    found = [_text(cell, values.get(cell.name)) for cell in own]
    return [key, *found] if field.keyed else found


def _text(cell: Field, value: object) -> str:
    if value is None or value is NOTHING:
        return ""
    if isinstance(value, str) and cell.control == "any" and value != any_of(value):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool) and cell.control == "any":
        return json.dumps(value)
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, list | tuple):
        return ", ".join(_text(cell, part) for part in value)
    return plain(value) if isinstance(value, float) else str(value)


def _one(field: Field, row: Sequence[str], about: str, read: Read) -> Any:
    cells = list(zip(field.cells, row, strict=False))[1 if field.keyed else 0 :]
    chosen = next((text for cell, text in cells if cell.name == field.chooser), "") if field.chooser else ""
    values = {}
    for cell, text in cells:
        if field.chooser and cell.name != field.chooser and not applies(cell, field.chooser, chosen):
            continue
        values[cell.name] = text if cell.name == field.chooser else _read(cell, text, about, read)
    if field.plain:
        return next(iter(values.values()))
    if field.chooser and chosen == "":
        return values.get("")
    return {name: one for name, one in values.items() if one is not NOTHING and one is not None}


def _read(cell: Field, text: str, about: str, read: Read) -> Any:
    if cell.control in ("line", "column") and not cell.required:
        return text if text or cell.name == "value" else NOTHING
    if not text.strip() and not cell.required:
        return NOTHING
    try:
        return read(cell, text)
    except ValueError as error:
        raise ValueError(f"{about}{cell.label}: {error}") from None

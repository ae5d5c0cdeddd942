"""What a job returned, for its page: figures in one row, and below them what is to be read or looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeGuard

from markupsafe import Markup

from jobs.engine import queue
from jobs.engine.kinds import ItemColumn, Kind, Type
from webapp.results import charts, columns, values
from webapp.ui import markdown

BLOCKS = ("text", "markdown", "html", "picture", "table", "chart")
READ = ("text", "markdown", "code")
LONGEST = 200_000  # characters of a text on a page; the download has all of it
LONG = 160  # characters from which a text is a block, not a figure
MOST_LISTED = 12
TABLE_NOTES = "table_notes"  # of any kind: how its tables were read


class Figure(NamedTuple):
    """A label with its value."""

    label: str
    text: str | Markup
    numeric: bool


class Block(NamedTuple):
    """Something to read or to look at. `show` names the template's part for it."""

    show: str
    title: str
    value: object


class TableHead(NamedTuple):
    """A column of a small table."""

    label: str
    numeric: bool


class SmallTable(NamedTuple):
    """A small table: heads, and cells as texts."""

    heads: list[TableHead]
    rows: list[list[str | Markup]]
    note: str = ""
    more: int = 0


def of_result(job: queue.JobView, kind: Kind | None) -> tuple[list[Figure], list[Block]]:
    """The figures and blocks of a job's result. What a kind's own template shows is left to it."""
    known = {one.name: one for one in (kind.figures if kind and kind.available else ())}
    drawn = bool(kind and getattr(kind.module, "RESULT_TEMPLATE", None))
    figures, blocks = [], []
    for column, value in _described(job.result or {}, known):
        if column.name not in known and drawn and isinstance(value, (dict, list)) and not _is_shown(value):
            continue
        if (block := block_of(column, value)) is not None:
            blocks.append(block)
        elif text := values.with_unit(value, column):
            figures.append(Figure(column.label, text, column.numeric))
    return figures, blocks


def _described(result: Mapping[str, Any], known: Mapping[str, ItemColumn]) -> Iterator[tuple[ItemColumn, Any]]:
    names = [name for name in known if name in result]
    names += [name for name in result if name not in known and name != TABLE_NOTES]
    for name in names:
        column, value = known.get(name) or columns.guess(name, [result[name]], "made"), result[name]
        if values.is_nothing(value) or column.shown in ("never", "asked") or column.type == "hidden":
            continue
        if column.shown == "if_any" and not value:
            continue
        yield column, value


def block_of(column: ItemColumn, value: object) -> Block | None:
    """The value as a block; None if it is short enough for a figure."""
    if _is_shown(value):
        with suppress(TypeError, ValueError, AttributeError, LookupError):  # a person's own field may be called `show`
            return _shown(column, value)
        return Block("tree", column.label, value)
    if column.type == "counts" and isinstance(value, dict):
        return _counts(column, value)
    nested = values.structured(value)
    if nested is not None and not (isinstance(nested, list) and _is_short(nested)):
        return _nested(column.label, nested)
    if isinstance(value, str) and (column.type in READ or len(value) > LONG or "\n" in value):
        if column.type == "code":
            return Block("code", column.label, _cut(value))
        return Block("markdown", column.label, markdown.render(_cut(value)))
    return None


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _is_shown(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict) and value.get("show") in BLOCKS


def _shown(column: ItemColumn, value: Mapping[str, Any]) -> Block:
    title = str(value.get("title") or column.label)
    match value["show"]:
        case "markdown":
            return Block("markdown", title, markdown.render(_cut(str(value.get("text", "")))))
        case "table":
            return Block("table", title, table_of(value))
        case "chart":
            return Block("chart", title, {"drawing": _drawn(value), "note": value.get("note", ""), "of": value})
        case "html":
            return Block("html", title, column.name)
        case "picture":
            return Block("picture", title, {"file": str(value["file"]), "alt": str(value.get("alt", ""))})
        case _:
            return Block("text", title, {"text": _cut(str(value.get("text", "")))})


def _drawn(value: Mapping[str, Any], tall: int = charts.TALL) -> charts.Drawing:
    points, shape = value.get("points") or [], str(value.get("shape"))
    if shape == "dots":
        return charts.dots(points, value.get("across") or [])
    return charts.draw(shape, points, str(value.get("unit", "")), value.get("decimals"), tall=tall)


def beside(shown: Sequence[Block]) -> list[Block]:
    """The charts among them, if there are several: lower, for they stand beside each other."""
    found = [one for one in shown if one.show == "chart"]
    return [_lower(one) for one in found] if len(found) > 1 else []


def _lower(block: Block) -> Block:
    value = block.value
    if not (isinstance(value, dict) and "of" in value):
        return block
    return Block("chart", block.title, value | {"drawing": _drawn(value["of"], charts.LOW)})


def table_of(value: Mapping[str, Any]) -> SmallTable:
    """The cells of a Table that a kind returned."""
    rows = [row for row in value.get("rows", ()) if isinstance(row, list)]
    heads = [
        columns.described(one, [row[place] for row in rows if len(row) > place])
        for place, one in enumerate(value.get("columns", ()))
    ]
    return _grid(heads, rows, str(value.get("note", "")), int(value.get("more", 0) or 0))


def _grid(heads: Sequence[ItemColumn], rows: Sequence[Sequence[Any]], note: str = "", more: int = 0) -> SmallTable:
    labels = [TableHead(f"{one.label}, {one.unit}" if one.unit else one.label, one.numeric) for one in heads]
    return SmallTable(
        labels, [[values.written(one, head) for one, head in zip(row, heads, strict=False)] for row in rows], note, more
    )


def _counts(column: ItemColumn, value: Mapping[str, Any]) -> Block:
    labels = {
        name: column.words.get(name) or values.written(name, ItemColumn("", "", _type_of(name))) for name in value
    }
    pairs = sorted(((str(labels[name]), count) for name, count in value.items()), key=lambda pair: -pair[1])
    shown = charts.draw("bars", pairs[:MOST_LISTED], column.unit)
    return Block("chart", column.label, {"drawing": shown, "note": ""})


def _type_of(name: str) -> Type:
    return "media_type" if "/" in name else "language" if len(name) == 2 else "tag"


def _is_short(nested: Sequence[Any]) -> bool:
    return (
        len(nested) <= MOST_LISTED
        and all(not isinstance(one, (dict, list)) for one in nested)
        and len(values.flat(nested)) <= LONG
    )


def _nested(title: str, nested: object) -> Block:
    rows = nested if isinstance(nested, list) else []
    if rows and all(isinstance(one, dict) and one for one in rows) and _is_flat(rows):
        names = list(dict.fromkeys(name for one in rows for name in one))
        return _table(title, names, [[one.get(name) for name in names] for one in rows])
    if len(rows) > 1 and all(isinstance(one, list) for one in rows) and len({len(one) for one in rows}) == 1:
        return _table(title, list(map(str, rows[0])), rows[1:])
    return Block("tree", title, nested)


def _table(title: str, names: Sequence[str], rows: list[list[Any]]) -> Block:
    heads = [columns.guess(name, [row[place] for row in rows], "made") for place, name in enumerate(names)]
    return Block("table", title, _grid(heads, rows[:200], "", max(len(rows) - 200, 0)))


def _is_flat(rows: Sequence[Mapping[str, Any]]) -> bool:
    return all(not isinstance(value, (dict, list)) or not value for row in rows for value in row.values())

"""Converts tables a row at a time, with the engine's readers (`tables`) and writers (`exports`)."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from jobs.engine import jsonsafe
from jobs.engine.errors import BadInput
from jobs.engine.formats import exports, tables
from jobs.engine.formats.columns import (
    EXACT_DIGITS,
    POINT,
    Choices,
    Column,
    ColumnFormat,
    NumberText,
    decide,
    moment_of,
    number_of,
)
from jobs.engine.formats.exports import parquet, workbook
from jobs.engine.formats.tables import ReadOptions, as_shown
from jobs.engine.formats.tables import parquet as parquet_source
from jobs.engine.formats.tables.texts import FIRST_KEYS

Row = dict[str, Any]

JSON_STYLES = {"whole", "short", "point zero", "long"}  # numbers that JSON writes as they came
TRUTHS = {"true": True, "false": False}
OF_FIRST_KEYS = FIRST_KEYS.partition("{")[0]  # which is not so here: the keys of all rows are read
LARGE_LISTS = 100_000  # keys of JSON rows


def convert(
    source: Path, name: str, to: str, options: dict[str, Any], folder: Path, reading: ReadOptions, choices: Choices
) -> tuple[Path, list[str], int]:
    """The new table, a sentence for each kind of loss, and the number of rows."""
    table = TableSource(source, name, reading)
    warnings = list(table.info.notes)
    columns = table.columns()
    if table.format == "parquet":
        read, known = _of_parquet(table, source, to)
    else:
        read, known, told = _typed(table, columns, options.get("types", "text"), to, choices)
        warnings += told
    target = folder / f"converted.{to}"
    rows = _Counted(read)
    warnings += WRITERS[to](rows, columns, target, options | {"known": known})
    return target, list(dict.fromkeys([*warnings, *table.notes])), rows.count


class TableSource:
    """One table. `notes`: what became known only when all rows were read."""

    def __init__(self, path: Path, name: str, reading: ReadOptions):
        self._path, self._name = path, name
        found = tables.describe_here(path, name, reading)
        self.info = replace(found, notes=[note for note in found.notes if not note.startswith(OF_FIRST_KEYS)])
        self.notes: list[str] = []

    def rows(self) -> Iterator[Row]:
        return tables.read_here(self._path, self._name, self.info.options, self.notes)

    @property
    def format(self) -> str:
        return self.info.format

    def columns(self) -> list[str]:
        """The columns of the header; for JSON, the keys of all rows."""
        if self.info.format not in ("json", "jsonl") or self.info.exact:
            return self.info.columns
        found: dict[str, None] = {}
        for row in self.rows():
            found.update(dict.fromkeys(row))
            if len(found) > LARGE_LISTS:
                raise BadInput(f"The rows have more than {LARGE_LISTS:,} different keys; this is not a table.")
        return list(found)


class _Counted:
    """An iterator over rows that counts them."""

    def __init__(self, rows: Iterable[Row]):
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            self.count += 1
            yield row


# Conversion of text to numbers and dates.


@dataclass(frozen=True)
class _Reading:
    """How the texts of a column are converted. type: DuckDB's, where the values do not tell it."""

    read: Callable[[str], Any]
    type: str | None = None
    note: str = ""


def _of_parquet(table: TableSource, path: Path, to: str) -> tuple[Iterator[Row], dict[str, str]]:
    """The rows, decimals in CSV with all of theirs; and the types of the columns."""
    types = {name: one for name, one in parquet_source.types(path).items() if one != "INTERVAL"}
    rows = table.rows()
    return (dict(as_shown(row)) for row in rows) if to in ("csv", "tsv") else rows, types


def _typed(
    table: TableSource, columns: list[str], types: str, to: str, choices: Choices
) -> tuple[Iterator[Row], dict[str, str], list[str]]:
    """The rows, with the columns that the option `types` selects converted; their types, and sentences on what was guessed,
    and on the others that look like numbers."""
    if table.format not in ("csv", "tsv") or types == "text" or to in ("csv", "tsv"):
        return table.rows(), {}, []
    seen = {column: Column(column) for column in columns}
    for row in table.rows():
        for name, value in row.items():
            seen[name].add(value)
    formats = decide(list(seen.values()), choices, table.info.delimiter)
    readings = {one.name: _reading(one, seen[one.name], types, to) for one in formats}
    chosen = {column: found for column, found in readings.items() if found}
    rows = ({column: _converted(chosen.get(column), value) for column, value in row.items()} for row in table.rows())
    known = {column: found.type for column, found in chosen.items() if found.type}
    return rows, known, [*_guesses(formats, chosen), *_left_as_text(formats, chosen, seen, choices)]


def _converted(reading: _Reading | None, text: str | None) -> Any:
    return text if reading is None else reading.read(text) if text else None


def _guesses(formats: list[ColumnFormat], chosen: dict[str, _Reading]) -> Iterator[str]:
    for one in formats:
        if one.name in chosen:
            yield from filter(None, (one.guess, chosen[one.name].note))


def _left_as_text(
    formats: list[ColumnFormat], chosen: dict[str, _Reading], seen: dict[str, Column], choices: Choices
) -> Iterator[str]:
    """Sentences on the columns of numbers that stayed text, but for those that were to."""
    left = [
        one for one in formats if one.name not in chosen and one.name not in choices.texts and seen[one.name].filled
    ]
    left = [one for one in left if seen[one.name].count(NumberText) == seen[one.name].filled]
    yield from filter(None, (one.note for one in left))
    if texts := [one.name for one in left if one.reads in ("plain", "number") and not one.note]:
        yield _as_text(texts)


def _reading(format: ColumnFormat, column: Column, types: str, to: str) -> _Reading | None:
    """How the texts of a column are converted; None for a column that stays text."""
    if format.type == "BOOLEAN":
        return _Reading(lambda text: TRUTHS.get(text))
    if types == "numbers" and format.reads == "number":
        return _people_numbers(format, column, to)
    if types == "numbers" and format.type in ("DATE", "TIMESTAMP"):
        return _Reading(lambda text: _iso(format, text), format.type)
    return _plain_numbers(format, column, types, to)


def _plain_numbers(format: ColumnFormat, column: Column, types: str, to: str) -> _Reading | None:
    styles = {one.plain for one, _ in column.of(NumberText)}
    if format.reads != "plain" or not styles:
        return None
    if styles == {"whole"}:
        return _Reading(_number) if format.type == "BIGINT" else None
    if types == "numbers":
        return (
            None if to == "xlsx" and _is_long(column, 0) else _Reading(_number, _known_type(format, to))
        )  # a cell has no more digits
    if styles <= JSON_STYLES and (to in ("json", "jsonl") or "whole" not in styles):  # which allow both in one column
        return _Reading(_number, _known_type(format, to))
    return None


def _people_numbers(format: ColumnFormat, column: Column, to: str) -> _Reading | None:
    if format.type == "HUGEINT" or (to == "xlsx" and _is_long(column, 0 if format.mark == POINT else 1)):
        return None
    note = ""
    if format.hundredths:
        note = f"The percentages of “{format.name}” became shares: 15 % is 0.15."
    elif format.unit:
        note = f"The values of “{format.name}” became numbers, without “{format.unit}”."
    return _Reading(lambda text: _plain(number_of(format, text)), _known_type(format, to), note)


def _is_long(column: Column, place: int) -> bool:
    """Whether a number has more digits than a binary fraction keeps. place: 0 for a decimal point, 1 for a comma."""
    return any(one.whole[place] + one.fraction[place] > EXACT_DIGITS for one, _ in column.of(NumberText))


def _known_type(format: ColumnFormat, to: str) -> str | None:
    """The type of decimals; none for uneven ones in Parquet, where their wide type would only be in the way."""
    uneven = format.type.startswith(workbook.UNEVEN)
    return format.type if format.type.startswith("DECIMAL") and not (uneven and to == "parquet") else None


def _plain(number: Decimal | None) -> int | float | None:
    if number is None:
        return None
    return int(number) if number == number.to_integral_value() else float(number)


def _iso(format: ColumnFormat, text: str) -> str:
    at = moment_of(format, text)
    if at is None:
        return text
    return str(at.date()) if format.type == "DATE" else at.replace(tzinfo=None).isoformat()


def _number(text: str) -> int | float | None:
    return (int(text) if text.lstrip("-").isdigit() else float(text)) if text else None


def _as_text(columns: list[str]) -> str:
    why = "because numbers would be written differently (12.50 as 12.5)"
    return f"{_names(columns)} stayed text, {why}. The option types=numbers converts them."


def _names(columns: list[str]) -> str:
    return ", ".join(f"“{column}”" for column in columns[:5]) + (", …" if columns[5:] else "")


# Writers. Each returns its warnings.


def _write_csv(rows: Iterable[Row], columns: list[str], target: Path, options: dict[str, Any]) -> list[str]:
    nested: dict[str, None] = {}
    defused = 0
    defuse = options["formulas"] == "defuse"
    with target.open("w", encoding="utf-8-sig" if options["bom"] else "utf-8", newline="") as opened:
        writer = csv.writer(opened, delimiter=options.get("delimiter", "\t"))
        writer.writerow([exports.cell(column) if defuse else column for column in columns])
        for row in rows:
            cells = []
            for column in columns:
                value = row.get(column)
                if isinstance(value, dict | list):
                    nested[column] = None
                cell = exports.cell(value)
                if isinstance(value, str) and cell != (plain := jsonsafe.clean_text(value)):
                    defused += defuse
                    cell = cell if defuse else plain
                cells.append(cell)
            writer.writerow(cells)
    warnings = [f"The nested values of {', '.join(list(nested)[:5])} were written as JSON."] if nested else []
    if defused:
        warnings.append(
            f"{defused:,} values that a spreadsheet program would run as formulas now begin with an apostrophe. The option "
            "formulas=keep leaves them unchanged."
        )
    return warnings


def _write_lines(rows: Iterable[Row], columns: list[str], target: Path, options: dict[str, Any]) -> list[str]:
    with target.open("wb") as opened:
        opened.writelines(jsonsafe.dumps(row).encode() + b"\n" for row in rows)
    return []


def _write_json(rows: Iterable[Row], columns: list[str], target: Path, options: dict[str, Any]) -> list[str]:
    with target.open("w", encoding="utf-8") as opened:
        opened.write("[")
        for place, row in enumerate(rows):
            opened.write(",\n" if place else "\n")
            opened.write(json.dumps(jsonsafe.clean(row), ensure_ascii=False, indent=options["indent"]))
        opened.write("\n]\n")
    return []


def _write_workbook(rows: Iterable[Row], columns: list[str], target: Path, options: dict[str, Any]) -> list[str]:
    known = [options["known"].get(column) for column in columns]
    return workbook.write(columns, _values(rows, columns), target, known)


def _write_parquet(rows: Iterable[Row], columns: list[str], target: Path, options: dict[str, Any]) -> list[str]:
    found: list[set[str]] = [set() for _ in columns]
    known = [options["known"].get(column) for column in columns]
    parquet.write(columns, _watched(_values(rows, columns), found), target, known)
    target.with_suffix(".jsonl").unlink(missing_ok=True)
    mixed = [column for column, kinds in zip(columns, found, strict=True) if len(kinds) > 1 and _text(kinds)]
    return [f"{_names(mixed)} had values of several types and became text."] if mixed else []


def _watched(rows: Iterable[list[Any]], found: list[set[str]]) -> Iterator[list[Any]]:
    """The rows; the types of each column's values are added to `found`."""
    for values in rows:
        for kinds, value in zip(found, values, strict=True):
            if (kind := parquet.value_type(value)) is not None:
                kinds.add(kind)
        yield values


def _text(kinds: set[str]) -> bool:
    return parquet.column_type(kinds) == "VARCHAR"


def _values(rows: Iterable[Row], columns: list[str]) -> Iterator[list[Any]]:
    for row in rows:
        yield [jsonsafe.clean(row.get(column)) for column in columns]


WRITERS: dict[str, Callable[[Iterable[Row], list[str], Path, dict[str, Any]], list[str]]] = {
    "csv": _write_csv,
    "tsv": _write_csv,
    "json": _write_json,
    "jsonl": _write_lines,
    "xlsx": _write_workbook,
    "parquet": _write_parquet,
}

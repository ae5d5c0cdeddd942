"""Parquet, written by DuckDB in a confined child. The rows go into a JSON file first, to learn each column's type from all."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from jobs.engine.errors import LegworkError
from jobs.engine.sandbox import locked_duckdb
from jobs.engine.sandbox.locked_duckdb import quoted, text

INT64 = 1 << 63
MEMORY = 512 << 20
FLOATS = "FLOAT[]"  # a type whose values may come as the text of their JSON, which is many times faster
GROUP_BYTES, LEAST_GROUP, MOST_GROUP = 8_000_000, 2_048, 20_000  # the last two: rows

# Types that JSON has no value for, or a wider one, and that DuckDB reads back out of its text. DuckDB has no huge integer in
# Parquet: it would become a float.
KEPT = re.compile(
    r"FLOAT(\[\])?|DATE|TIME|TIMESTAMP( WITH TIME ZONE)?|DECIMAL\(\d+,\d+\)|UUID|(U?(TINY|SMALL|BIG)INT)|U?INTEGER|DOUBLE|BOOLEAN"
)


def write(
    columns: list[str], rows: Iterable[list[Any]], target: Path, known: Sequence[str | None] | None = None
) -> None:
    """known: DuckDB's type of each column, where the rows come from DuckDB; others are learnt from the values."""
    spool = target.with_suffix(".jsonl")
    types: list[set[str]] = [set() for _ in columns]
    exact = [place for place, name in enumerate(known or ()) if name and name.startswith("DECIMAL")]
    longest, group = _spooled(_in_digits(rows, exact), spool, types)
    chosen = [
        name if name and KEPT.fullmatch(name) else column_type(found)
        for name, found in zip(known or [None] * len(columns), types, strict=True)
    ]
    _convert(columns, chosen, spool, (longest, group), target)


def _in_digits(rows: Iterable[list[Any]], exact: list[int]) -> Iterator[list[Any]]:
    """The rows with decimals as text: a number of JSON would be read as a float first."""
    for values in rows:
        for place in exact:
            if values[place] is not None:
                values[place] = str(values[place])
        yield values


def column_type(found: set[str]) -> str:
    """One type that holds all values of a column; text where there is no better, or no value at all."""
    if len(found) == 1 and (only := next(iter(found))) != "JSON":
        return only
    if found == {"BIGINT", "DOUBLE"}:
        return "DOUBLE"
    return "DOUBLE[]" if found == {"DOUBLE[]", "BIGINT[]"} else "VARCHAR"


def value_type(value: Any) -> str | None:
    """The narrowest type for one value; None for one that any type has."""
    if isinstance(value, bool):
        return "BOOLEAN"
    if isinstance(value, int):
        return "BIGINT" if -INT64 <= value < INT64 else "VARCHAR"
    if isinstance(value, list):
        return _list_type(value)
    return {float: "DOUBLE", str: "VARCHAR", dict: "JSON"}.get(type(value))


def _list_type(values: list[Any]) -> str | None:
    """A list of plain values of one type; of anything else, its JSON."""
    inner = {value_type(value) for value in values} - {None}
    if not inner:
        return None if not values else "JSON"
    merged = column_type({str(name) for name in inner})
    mixed = merged == "VARCHAR" and not all(isinstance(value, str | None) for value in values)
    return "JSON" if mixed or merged.endswith("[]") else f"{merged}[]"


def _spooled(rows: Iterable[list[Any]], spool: Path, types: list[set[str]]) -> tuple[int, int]:
    """Write the rows under short names that no two columns share.

    Returns the length of the longest line, in bytes, and how many rows make a group of about GROUP_BYTES.
    """
    longest = count = 0
    with spool.open("wb") as opened:
        for values in rows:
            for found, value in zip(types, values, strict=True):
                if value is not None and (name := value_type(value)):
                    found.add(name)
            line = json.dumps({f"c{index}": value for index, value in enumerate(values)}, ensure_ascii=False).encode()
            longest, count = max(longest, len(line)), count + 1
            opened.write(line + b"\n")
    average = spool.stat().st_size // max(count, 1) + 1
    return longest, min(max(GROUP_BYTES // average, LEAST_GROUP), MOST_GROUP)


def _convert(columns: list[str], types: list[str], spool: Path, sizes: tuple[int, int], target: Path) -> None:
    """sizes: the longest line, in bytes, and the rows of a group: the writer holds a group in memory."""
    import duckdb

    longest, group = sizes
    # Lists of numbers are read as the text that they are, and then cast: they may have come as text.
    typed = ", ".join(f"c{index}: '{'VARCHAR' if name == FLOATS else name}'" for index, name in enumerate(types))
    named = ", ".join(
        f"{f'cast(c{index} as {FLOATS})' if name == FLOATS else f'c{index}'} as {quoted(column)}"
        for index, (column, name) in enumerate(zip(columns, types, strict=True))
    )
    options = f"format='newline_delimited', columns={{{typed}}}, maximum_object_size={max(longest + 1024, 1 << 20)}"
    select = f"select {named} from read_json($spool, {options})"  # noqa: S608 - names are quoted
    copy = f"copy ({select}) to {text(str(target))} (format parquet, row_group_size {group})"
    try:
        with locked_duckdb.opened(MEMORY, folder=target.parent) as database:
            database.execute(copy, spool=str(spool))
    except duckdb.Error as error:
        raise LegworkError(
            f"The table could not be written as Parquet: {str(error).splitlines()[0][:200]}", reason="export_failed"
        ) from error

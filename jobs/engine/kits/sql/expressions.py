"""How values of a result are written in each format, as expressions of DuckDB's SQL."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jobs.engine.formats.columns import ColumnFormat
from jobs.engine.formats.columns.sql import decimal_text, duration_text, time_text

INTEGERS = re.compile(r"U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER")
NESTED = re.compile(r"(STRUCT|MAP|UNION)\(.*|.*\]|VARIANT", re.S)
# What may have to be defused in a text: see exports.cell, which does it. Most texts have none of this, and are left alone.
SUSPECT = "^[=+@\t\r\n\uff1d\uff0b\uff0d\uff20-]|[;\t\r\n] *[=+@\uff1d\uff0b\uff0d\uff20-]|\\x00"
DIGITS = 15  # of a binary fraction: what is behind comes of its being binary


@dataclass(frozen=True)
class Styles:
    """How the tables' own texts were written, where all of them were written in one way: so are the columns of the result.

    letter: between date and time. minutes: times of day have no seconds. long: binary fractions have more than 15 digits.
    """

    letter: str = "T"
    minutes: bool = False
    long: bool = False

    @classmethod
    def of(cls, formats: Sequence[ColumnFormat]) -> Styles:
        letters = {one.letter for one in formats if one.type == "TIMESTAMP"}
        clocks = {one.minutes for one in formats if one.type == "TIME"}
        return cls(" " if letters == {" "} else "T", clocks == {True}, any(one.type == "DOUBLE" for one in formats))


def csv_cell(column: str, type_name: str, styles: Styles) -> str:
    """A text, null for null. What a spreadsheet program would run as a formula is defused."""
    if INTEGERS.fullmatch(type_name) or type_name in ("BOOLEAN", "DATE", "UUID"):
        return column
    if type_name.startswith("DECIMAL("):
        return decimal_text(column, type_name)
    if (value := _plain_text(column, type_name, styles)) is not None:
        return value
    text = f"cast(to_json({column}) as varchar)" if NESTED.fullmatch(type_name) else f"cast({column} as varchar)"
    return f"case when regexp_matches({text}, '{SUSPECT}') then defused({text}) else {text} end"


def json_value(column: str, type_name: str, styles: Styles) -> str:
    value = _plain_text(column, type_name, styles)
    return column if value is None else value


def parquet_value(column: str, type_name: str, styles: Styles) -> str:
    """Types that Parquet lacks become the nearest one that it has."""
    if type_name == "HUGEINT":
        return f"cast({column} as decimal(38,0))"
    if type_name == "INTERVAL":
        return f"epoch({column})"
    return f"cast({column} as varchar)" if type_name in ("UHUGEINT", "BIT", "TIME WITH TIME ZONE", "JSON") else column


def shown(text: str, type_name: str) -> Any:
    """A cell of a CSV as a JSON value: a number where it is one that JSON keeps."""
    if text == "":
        return None
    if type_name == "BOOLEAN":
        return text == "true"
    if INTEGERS.fullmatch(type_name):
        return int(text)
    return float(text) if type_name in ("DOUBLE", "FLOAT") else text


def _plain_text(column: str, type_name: str, styles: Styles) -> str | None:
    """The expression for types that DuckDB would write otherwise than all of Legwork does; None for others."""
    if type_name == "DOUBLE":
        exact = column if styles.long else f"cast(format('{{:.{DIGITS}g}}', {column}) as double)"
        return f"case when isfinite({column}) then {exact} end"
    if type_name == "FLOAT":
        return f"case when isfinite({column}) then {column} end"
    if type_name.startswith("TIMESTAMP"):
        zone = " || ':00'" if type_name == "TIMESTAMP WITH TIME ZONE" else ""
        return f"replace(cast({column} as varchar), ' ', '{styles.letter}'){zone}"
    if type_name == "TIME":
        return time_text(column, styles.minutes)
    if type_name == "INTERVAL":
        return duration_text(column)
    return f"base64({column})" if type_name == "BLOB" else None

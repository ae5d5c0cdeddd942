"""Parquet, read by DuckDB in a confined child. Decimals, dates, bytes and nested values become JSON values."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.engine import jsonsafe
from jobs.engine.display import as_text
from jobs.engine.errors import BadInput
from jobs.engine.formats.columns import decimal_written
from jobs.engine.formats.tables.grid import COLUMN_LIMIT, Cell, row_values, table_row, too_many_columns
from jobs.engine.formats.tables.showing import FIRST_ROWS, shortened
from jobs.engine.formats.tables.table_info import TableInfo
from jobs.engine.sandbox import locked_duckdb

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from jobs.engine.sandbox.locked_duckdb import LockedDuckDB

BATCH = 1_000
MEMORY = 512 << 20
DECIMAL = re.compile(r"DECIMAL\(\d+,\d+\)")
PLAIN = ("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")


def values(path: Path) -> Iterator[list[Any]]:
    """The columns' names, then the values of each row."""
    with _opened(path) as database:
        yield columns(_all(database, " limit 0"))
        yield from map(row_values, _rows(database, ""))


def types(path: Path) -> dict[str, str]:
    """DuckDB's type of each column."""
    with _opened(path) as database:
        result = _all(database, " limit 0")
        return dict(zip(columns(result), (str(column[1]) for column in result.description), strict=True))


def count(path: Path) -> int:
    with _opened(path) as database:
        return _count(database)


def describe(path: Path) -> TableInfo:
    """The columns, the number of rows, and the first of them."""
    with _opened(path) as database:
        names = columns(_all(database, " limit 0"))
        first = [table_row(names, values) for values in _rows(database, f" limit {FIRST_ROWS}")]
        rows, shown = shortened(first, len(names))
        return TableInfo("parquet", None, None, names, _count(database), True, rows, shown)


def columns(result: DuckDBPyConnection) -> list[str]:
    """The names of a result's columns. Raises BadInput for too many."""
    names = [jsonsafe.clean_text(column[0]) for column in result.description]
    if len(names) > COLUMN_LIMIT:
        raise too_many_columns(len(names))
    return names


def _count(database: LockedDuckDB) -> int:
    found = database.execute("select count(*) from read_parquet($source)", source=database.sources[0]).fetchone()
    return int(found[0]) if found else 0


def _all(database: LockedDuckDB, limit: str) -> DuckDBPyConnection:
    return database.execute(f"select * from read_parquet($source){limit}", source=database.sources[0])  # noqa: S608 - a number of ours


@contextmanager
def _opened(path: Path) -> Iterator[LockedDuckDB]:
    """The file in a DuckDB with little memory, whose errors become sentences."""
    import duckdb

    try:
        with locked_duckdb.opened(MEMORY, reads=[path]) as database:
            yield database
    except duckdb.OutOfMemoryException:
        raise BadInput(
            "The Parquet file needs more memory than is allowed here. Write it again with smaller row groups."
        ) from None
    except duckdb.Error as error:
        reason = str(error).splitlines()[0].replace("read_parquet", "")[:200]
        raise BadInput(f"The Parquet file cannot be read; it may be cut off or damaged. ({reason})") from None


def _rows(database: LockedDuckDB, limit: str) -> Iterator[list[Any]]:
    """The cells of each row."""
    result = _all(database, limit)
    found = ((index, _cell_converter(str(column[1]))) for index, column in enumerate(result.description))
    converters = [(index, convert) for index, convert in found if convert is not None]
    while batch := result.fetchmany(BATCH):
        for record in batch:
            values = list(record)
            for index, convert in converters:
                if values[index] is not None:
                    values[index] = convert(values[index])
            yield values


def _cell_converter(type_name: str) -> Callable[[Any], Any] | None:
    return partial(_decimal_cell, type_name) if DECIMAL.fullmatch(type_name) else converter(type_name)


def _decimal_cell(type_name: str, value: Decimal) -> Any:
    """A number, shown with the decimals of its column: 12.50 of DECIMAL(9,2)."""
    plain, text = _number(value), decimal_written(value, type_name)
    return plain if text == as_text(plain) else Cell(plain, shown=text)


def converter(type_name: str) -> Callable[[Any], Any] | None:
    """What makes a value of this type one of JSON; None where it is one."""
    return None if type_name in PLAIN else CONVERTERS.get(type_name, _plain)


def _text(value: str) -> str:
    return jsonsafe.clean_text(value) if "\0" in value else value


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None


def _moment(value: date | str) -> str:
    """DuckDB gives dates that Python has not as text."""
    return value if isinstance(value, str) else value.isoformat()


CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "VARCHAR": _text,
    "DOUBLE": _finite,
    "FLOAT": _finite,
    "DATE": _moment,
    "TIMESTAMP": _moment,
}


def _plain(value: Any) -> Any:
    """One value as JSON has it."""
    if isinstance(value, Decimal):
        return _number(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return jsonsafe.duration(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {jsonsafe.clean_text(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return jsonsafe.clean(value)


def _number(value: Decimal) -> int | float | str | None:
    """An int or float where that is the same number, else its digits as text."""
    if not value.is_finite():
        return None
    if value == value.to_integral_value():
        return int(value)
    return float(value) if Decimal(repr(float(value))) == value else str(value)

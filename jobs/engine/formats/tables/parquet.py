"""Parquet, by DuckDB. Decimals, dates, bytes and nested values are turned into what JSON has."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.engine import jsonsafe
from jobs.engine.errors import BadInput
from jobs.engine.formats.tables.delimited import COLUMN_LIMIT, too_many_columns

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BATCH = 1_000
PLAIN = ("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")


def rows(path: Path) -> Iterator[dict[str, Any]]:
    with _connected() as database:
        yield from _rows(database, path, "")


def count(path: Path) -> int:
    with _connected() as database:
        return _count(database, path)


def look(path: Path, n: int) -> tuple[list[str], int, list[dict[str, Any]]]:
    """The columns, the number of rows, and the first n of them."""
    with _connected() as database:
        columns = _columns(database.execute("select * from read_parquet(?) limit 0", [literal(path)]))
        return columns, _count(database, path), list(_rows(database, path, f" limit {n}"))


def _count(database: DuckDBPyConnection, path: Path) -> int:
    [(found,)] = database.execute("select count(*) from read_parquet(?)", [literal(path)]).fetchall()
    return int(found)


@contextmanager
def _connected() -> Iterator[DuckDBPyConnection]:
    """A DuckDB of its own, with little memory and nothing to load from elsewhere; its errors become sentences."""
    import duckdb

    config: dict[str, Any] = {
        "threads": 1,
        "memory_limit": "512MB",
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    try:
        with duckdb.connect(config=config) as database:
            database.execute("set enable_progress_bar = false")  # it would be drawn on the standard output
            database.execute("set timezone = 'UTC'")
            yield database
    except duckdb.OutOfMemoryException:
        raise BadInput(
            "The Parquet file needs more memory than is allowed here. Write it again with smaller row groups."
        ) from None
    except duckdb.Error as error:
        reason = str(error).splitlines()[0].replace("read_parquet", "")[:200]
        raise BadInput(f"The Parquet file cannot be read; it may be cut off or damaged. ({reason})") from None


def _rows(database: DuckDBPyConnection, path: Path, limit: str) -> Iterator[dict[str, Any]]:
    result = database.execute(f"select * from read_parquet(?){limit}", [literal(path)])  # noqa: S608 - the limit is a number of ours
    columns = _columns(result)
    found = ((index, converter(str(column[1]))) for index, column in enumerate(result.description))
    converters = [(index, convert) for index, convert in found if convert is not None]
    while batch := result.fetchmany(BATCH):
        for record in batch:
            values = list(record)
            for index, convert in converters:
                if values[index] is not None:
                    values[index] = convert(values[index])
            yield dict(zip(columns, values, strict=True))


def _columns(result: DuckDBPyConnection) -> list[str]:
    columns = [jsonsafe.clean_text(column[0]) for column in result.description]
    if len(columns) > COLUMN_LIMIT:
        raise too_many_columns(len(columns))
    return columns


def literal(path: Path) -> str:
    """The path as DuckDB's pattern of file names: what would be a wildcard stands for itself."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(path))


def converter(type_name: str) -> Callable[[Any], Any] | None:
    if type_name in PLAIN:
        return None
    return _text if type_name == "VARCHAR" else _plain


def _text(value: str) -> str:
    return jsonsafe.clean_text(value) if "\0" in value else value


def _plain(value: Any) -> Any:
    """One value as JSON has it."""
    if isinstance(value, Decimal):
        return _number(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
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

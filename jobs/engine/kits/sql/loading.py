"""Loads files into DuckDB tables, in the child process. Legwork's own readers are used, so that a query sees the same rows
as the rest of Legwork; only Parquet, which has types, is read by DuckDB.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from jobs.engine.formats import tables
from jobs.engine.formats.exports import parquet
from jobs.engine.formats.tables.delimited import RECORD_LIMIT
from jobs.engine.kits.sql.names import column_names
from jobs.engine.sandbox.locked_duckdb import LockedDuckDB, quoted


def _form(pattern: str, type_name: str = "varchar") -> Callable[[str], str]:
    """An SQL test for a column: all its texts match the pattern and can be cast to the type."""
    return lambda column: (
        f"case when {column} is not null "
        f"then regexp_full_match({column}, '{pattern}') and try_cast({column} as {type_name}) is not null end"
    )


# The types that a text column gets if all its values match. A number with a leading zero is a code and stays text.
GUESSES = {
    "BIGINT": _form("-?(0|[1-9][0-9]{0,17})"),
    "DOUBLE": _form("[-+]?(0|[1-9][0-9]*)?([.][0-9]*)?([eE][-+]?[0-9]+)?", "double"),
    "BOOLEAN": _form("(?i)(true|false)"),
    "DATE": _form("[0-9]{4}-[0-9]{2}-[0-9]{2}", "date"),
    "TIMESTAMP": _form("[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9:.]+", "timestamp"),
}
OF_TYPED_FORMATS = ("DATE", "TIMESTAMP")  # formats that have types for numbers but not for dates


def load(database: LockedDuckDB, source: dict[str, Any], file: str, folder: Path) -> dict[str, Any]:
    """Create one table. source: table, path, name, format, columns, encoding, delimiter. file: its path, for the database.

    Returns its name, rows and columns.
    """
    if source["format"] == "parquet":
        made = f"create table {quoted(source['table'])} as select * from read_parquet($file)"  # noqa: S608 - quoted
        database.execute(made, file=file)
    else:
        _load_rows(database, source, folder)
    return _described(database, source["table"])


def _load_rows(database: LockedDuckDB, source: dict[str, Any], folder: Path) -> None:
    path, name = Path(source["path"]), source["name"]
    read = tables.read_here(path, name, encoding=source["encoding"], delimiter=source["delimiter"])
    rows = ([row.get(column) for column in source["columns"]] for row in read)
    columns = column_names(source["columns"])
    if source["format"] in ("csv", "tsv"):
        _load_texts(database, len(columns), rows, folder / "spool.csv")
        guesses = tuple(GUESSES)
    else:
        spool = folder / "spool.parquet"
        parquet.write([f"c{place}" for place in range(len(columns))], rows, spool)
        database.execute("create table raw as select * from read_parquet($spool)", spool=str(spool))
        guesses = OF_TYPED_FORMATS
    typed = ", ".join(f"{_cast(database, f'c{place}', guesses)} as {quoted(one)}" for place, one in enumerate(columns))
    database.execute(f"create table {quoted(source['table'])} as select {typed} from raw")  # noqa: S608 - names are quoted
    database.execute("drop table raw")
    for left in folder.glob("spool.*"):
        left.unlink()


def _load_texts(database: LockedDuckDB, columns: int, rows: Iterator[list[Any]], spool: Path) -> None:
    """Load texts by an intermediate CSV in a fixed dialect; empty texts become null."""
    with spool.open("w", encoding="utf-8", errors="replace", newline="") as opened:
        csv.writer(opened, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    named = ", ".join(f"c{place}: 'VARCHAR'" for place in range(columns))
    form = "auto_detect=false, header=false, parallel=false, delim=',', quote='\"', escape='\"', new_line='\\n'"
    longest = f"max_line_size={RECORD_LIMIT * 4}, buffer_size={RECORD_LIMIT * 8}"
    made = f"create table raw as select * from read_csv($spool, columns={{{named}}}, {form}, {longest})"  # noqa: S608 - ours
    database.execute(made, spool=str(spool))


def _cast(database: LockedDuckDB, column: str, guesses: tuple[str, ...]) -> str:
    """The SQL expression that casts a column of `raw` to the type that all its values match."""
    [(type_name,)] = database.execute(f"select any_value(typeof({column})) from raw").fetchall()  # noqa: S608 - c and a number
    if type_name != "VARCHAR":
        return column
    tests = ", ".join(f"bool_and({GUESSES[guess](column)})" for guess in guesses)
    [found] = database.execute(f"select {tests} from raw").fetchall()  # noqa: S608 - c and a number
    fits = [guess for guess, fit in zip(guesses, found, strict=True) if fit]
    return f"cast({column} as {fits[0]})" if fits else column


def _described(database: LockedDuckDB, table: str) -> dict[str, Any]:
    [(rows,)] = database.execute(f"select count(*) from {quoted(table)}").fetchall()  # noqa: S608 - quoted
    found = database.execute(f"select * from {quoted(table)} limit 0").description  # noqa: S608 - quoted
    return {"table": table, "rows": rows, "columns": {column[0]: str(column[1]) for column in found or ()}}

"""Loads files into DuckDB tables, in the child process. Legwork's own readers are used, so that a query sees the same rows
as the rest of Legwork; only Parquet, which has types, is read by DuckDB, and as it lies.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs.engine.formats import tables
from jobs.engine.formats.columns import Choices, Column, ColumnFormat, converted, decide
from jobs.engine.formats.exports import parquet
from jobs.engine.formats.tables.delimited import RECORD_LIMIT
from jobs.engine.kits.sql.names import column_names
from jobs.engine.sandbox.locked_duckdb import LockedDuckDB, quoted, text

OF_TYPED_FORMATS = (
    "date",
    "number",
    "clock",
)  # in formats with types of their own, a text of digits is meant as a text
PARQUET = "parquet"
MOST_LATE = 1_000  # keys
OF_CELLS = ("DATE", "TIMESTAMP", "TIMESTAMPTZ", "TIME", "INTERVAL")


@dataclass
class Loaded:
    """A table that was loaded. formats: how its texts were read, by column."""

    table: str
    rows: int = 0
    columns: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    formats: list[ColumnFormat] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        read = {one.name: one.says for one in self.formats if one.says}
        return {"table": self.table, "rows": self.rows, "columns": self.columns, "read": read, "notes": self.notes}


def load(database: LockedDuckDB, source: dict[str, Any], file: str, folder: Path, choices: Choices) -> Loaded:
    """Create one table. source: table, path, name, format, columns, options. file: its path, for the database."""
    loaded = Loaded(source["table"])
    if source["format"] == PARQUET:
        show_parquet(database, source, file)
    else:
        late: Counter[str] = Counter()
        loaded.formats = _load_rows(database, source, folder, choices, late)
        loaded.notes = [*_left_out(late), *(sentence for one in loaded.formats for sentence in one.sentences)]
    _describe(database, loaded)
    return loaded


def show_parquet(database: LockedDuckDB, source: dict[str, Any], file: str) -> None:
    """Let a Parquet file be read as a table, where it lies, by this connection."""
    database.execute(f"create temp view {quoted(source['table'])} as from read_parquet({text(file)})")


def _load_rows(
    database: LockedDuckDB, source: dict[str, Any], folder: Path, choices: Choices, late: Counter[str]
) -> list[ColumnFormat]:
    """late: gets how many rows have a key that is no column, because it first comes late in a large JSON file."""
    path, name = Path(source["path"]), source["name"]
    options = tables.ReadOptions(**source["options"])
    read = _watched(tables.read_here(path, name, options), frozenset(source["columns"]), late)
    seen = [Column(column) for column in source["columns"]]
    rows = _seen(([row.get(column) for column in source["columns"]] for row in read), seen)
    if texts := source["format"] in ("csv", "tsv"):
        _load_texts(database, len(seen), rows, folder / "spool.csv")
    else:
        spool = folder / "spool.parquet"
        parquet.write([f"c{place}" for place in range(len(seen))], rows, spool)
        database.execute("create table raw as select * from read_parquet($spool)", spool=str(spool))
    formats = decide(seen, choices, options.delimiter)
    if not texts:
        formats = _of_typed_format(database, formats, seen)
    typed = ", ".join(
        f"{converted(one, f'c{place}')} as {quoted(column)}"
        for place, (column, one) in enumerate(zip(column_names(source["columns"]), formats, strict=True))
    )
    database.execute(f"create table {quoted(source['table'])} as select {typed} from raw")  # noqa: S608 - names are quoted
    database.execute("drop table raw")
    for left in folder.glob("spool.*"):
        left.unlink()
    return formats


def _watched(rows: Iterable[dict[str, Any]], columns: frozenset[str], late: Counter[str]) -> Iterator[dict[str, Any]]:
    for row in rows:
        if not row.keys() <= columns and len(late) < MOST_LATE:
            late.update(row.keys() - columns)
        yield row


def _left_out(late: Counter[str]) -> list[str]:
    """A sentence on the values of keys that are no columns."""
    if not late:
        return []
    named = ", ".join(
        f"“{key[:60]}” ({count:,} {'value' if count == 1 else 'values'})" for key, count in late.most_common(5)
    )
    return [f"Left out, because they first come late in the file: {named}{', …' if len(late) > 5 else ''}."]


def _seen(rows: Iterable[list[Any]], seen: list[Column]) -> Iterator[list[Any]]:
    for row in rows:
        for column, value in zip(seen, row, strict=True):
            column.add(value)
        yield row


def _of_typed_format(database: LockedDuckDB, formats: list[ColumnFormat], seen: list[Column]) -> list[ColumnFormat]:
    """The formats of the columns that came as texts; the others keep the type they have."""
    found = database.execute("select * from raw limit 0").description
    return [
        one
        if str(raw[1]) == "VARCHAR" and column.texts and (one.reads in OF_TYPED_FORMATS or one.type in OF_CELLS)
        else ColumnFormat(one.name)
        for one, column, raw in zip(formats, seen, found, strict=True)
    ]


def _load_texts(database: LockedDuckDB, count: int, rows: Iterator[list[Any]], spool: Path) -> None:
    """Load texts by an intermediate CSV in a fixed dialect; empty texts become null."""
    with spool.open("w", encoding="utf-8", errors="replace", newline="") as opened:
        csv.writer(opened, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    named = ", ".join(f"c{place}: 'VARCHAR'" for place in range(count))
    form = "auto_detect=false, header=false, parallel=false, delim=',', quote='\"', escape='\"', new_line='\\n'"
    longest = f"max_line_size={RECORD_LIMIT * 4}, buffer_size={RECORD_LIMIT * 8}"
    made = f"create table raw as select * from read_csv($spool, columns={{{named}}}, {form}, {longest})"  # noqa: S608 - ours
    database.execute(made, spool=str(spool))


def _describe(database: LockedDuckDB, loaded: Loaded) -> None:
    [(loaded.rows,)] = database.execute(f"select count(*) from {quoted(loaded.table)}").fetchall()  # noqa: S608 - quoted
    found = database.execute(f"select * from {quoted(loaded.table)} limit 0").description  # noqa: S608 - quoted
    loaded.columns = {column[0]: str(column[1]) for column in found or ()}

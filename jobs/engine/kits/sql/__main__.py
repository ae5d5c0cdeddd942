"""The child process that runs a query, or only checks it.

1. It runs with limits and without a network, and dies with its parent.
2. It loads the files into a database in the request's folder, with nothing else within reach.
3. It opens that again read-only, with nothing else within reach. Then it runs the query and yields the rows as they come.

The output is an object for each table, one for the columns, lists of rows, and an object for the end.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.engine import jsonsafe
from jobs.engine.errors import BadInput, LegworkError
from jobs.engine.formats.tables.delimited import COLUMN_LIMIT
from jobs.engine.formats.tables.parquet import converter
from jobs.engine.kits.sql import error_messages
from jobs.engine.kits.sql.loading import load
from jobs.engine.kits.sql.names import column_names
from jobs.engine.sandbox import confined, locked_duckdb
from jobs.engine.sandbox.locked_duckdb import LockedDuckDB, quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

AGAIN_SECONDS = 0.1
BATCH = 500
ROW_BYTES = 16_000_000


class Refused(LegworkError):
    """The query was refused, or reached a limit."""


def work(request: dict[str, Any], folder: Path) -> Iterator[Any]:
    watch = Watch(request["seconds"])
    try:
        yield from [_check(request, watch)] if request["check"] else _answer(request, folder, watch)
    except MemoryError:
        raise Refused(_too_much(request), reason="memory_limit") from None


class Watch:
    """Interrupts the query at its time limit, again and again: a statement that begins just then would not notice once."""

    def __init__(self, seconds: int):
        self.database: LockedDuckDB | None = None
        self.timed_out = False
        threading.Thread(target=self._interrupt, args=(seconds,), daemon=True).start()

    def _interrupt(self, seconds: float) -> None:
        time.sleep(seconds)
        self.timed_out = True
        while True:
            if self.database is not None:
                self.database.interrupt()
            time.sleep(AGAIN_SECONDS)


def _check(request: dict[str, Any], watch: Watch) -> dict[str, Any]:
    """Check a query on tables without rows. Errors that depend on the data are not reported."""
    import duckdb

    with locked_duckdb.opened(request["memory"], threads=request["threads"]) as database:
        watch.database = database
        for source in request["sources"]:
            columns = ", ".join(f"{quoted(name)} varchar" for name in column_names(source["columns"]))
            database.execute(f"create table {quoted(source['table'])} ({columns})")
        try:
            database.execute(f"explain {_select(database, request)}")
        except duckdb.Error as error:
            if wrong := error_messages.of(error, _tables(request)):
                raise Refused(wrong[1], reason=wrong[0]) from None
    return {}


def _answer(request: dict[str, Any], folder: Path, watch: Watch) -> Iterator[Any]:
    import duckdb

    size = {"memory": request["memory"], "threads": request["threads"], "database": folder / "tables.duckdb"}
    reads = [Path(source["path"]) for source in request["sources"]]
    try:
        with locked_duckdb.opened(**size, reads=reads, folder=folder) as database:
            watch.database = database
            for source, file in zip(request["sources"], database.sources, strict=True):
                yield _loaded(database, source, file, folder)
        with locked_duckdb.opened(**size, read_only=True) as database:
            watch.database = database
            shutil.rmtree(folder, ignore_errors=True)  # an open file, so it is gone when this process ends
            yield from _result(database.execute(_select(database, request)), request["rows"])
    except duckdb.InterruptException:
        raise Refused(_too_long(request) if watch.timed_out else "Stopped.", reason="time_limit") from None
    except duckdb.OutOfMemoryException:
        raise Refused(_too_much(request), reason="memory_limit") from None
    except duckdb.Error as error:
        known = error_messages.of(error, _tables(request))
        reason, message = known or ("bad_sql", f"The query cannot be run: {error_messages.first_line(error)}.")
        raise Refused(message, reason=reason) from None


def _loaded(database: LockedDuckDB, source: dict[str, Any], file: str, folder: Path) -> dict[str, Any]:
    try:
        return load(database, source, file, folder)
    except BadInput as error:
        raise BadInput(f"{source['name']}: {error.message}", reason="bad_table") from None


def _select(database: LockedDuckDB, request: dict[str, Any]) -> str:
    """The query, if it is one SELECT. Raises Refused."""
    found = database.statements(request["sql"])
    if wrong := error_messages.no_select([kind for kind, _ in found]):
        raise Refused(wrong, reason="no_select")
    return found[0][1]


def _result(result: DuckDBPyConnection, most: int) -> Iterator[Any]:
    """The columns, the first `most` rows, and whether there are more."""
    found = result.description or []
    if len(found) > COLUMN_LIMIT:
        raise Refused(f"The result has {len(found):,} columns; the limit is {COLUMN_LIMIT:,}.")
    names = column_names(jsonsafe.clean_text(column[0]) for column in found)
    types = [str(column[1]) for column in found]
    yield {"columns": [{"name": name, "type": type_name} for name, type_name in zip(names, types, strict=True)]}
    converters = [(place, convert) for place, name in enumerate(types) if (convert := converter(name)) is not None]
    count = 0
    while count < most and (batch := result.fetchmany(min(BATCH, most - count))):
        count += len(batch)
        yield from _in_lines(_converted(record, converters) for record in batch)
    yield {"end": count, "more": count == most and result.fetchone() is not None}


def _converted(record: tuple[Any, ...], converters: list[tuple[int, Callable[[Any], Any]]]) -> list[Any]:
    values = list(record)
    for place, convert in converters:
        if values[place] is not None:
            values[place] = convert(values[place])
    return values


def _in_lines(rows: Iterable[list[Any]]) -> Iterator[bytes]:
    """The rows in batches, as JSON lists of limited length."""
    batch: list[str] = []
    size = 0
    for row in rows:
        batch.append(jsonsafe.dumps(row))
        size += len(batch[-1])
        if len(batch[-1]) > ROW_BYTES:
            raise Refused("A row of the result is over 16 MB. Select fewer or shorter values.", reason="row_too_large")
        if size > ROW_BYTES:
            yield f"[{','.join(batch)}]".encode()
            batch, size = [], 0
    yield f"[{','.join(batch)}]".encode()


def _tables(request: dict[str, Any]) -> dict[str, list[str]]:
    return {source["table"]: column_names(source["columns"]) for source in request["sources"]}


def _too_much(request: dict[str, Any]) -> str:
    return (
        f"The query needs more than its limit of {request['memory'] >> 20:,} MB of memory. Select fewer columns or rows, "
        "group more coarsely, or raise the limit."
    )


def _too_long(request: dict[str, Any]) -> str:
    return f"The query reached its time limit of {request['seconds']:,} s. Select less, or raise the limit."


if __name__ == "__main__":
    confined.serve(work)

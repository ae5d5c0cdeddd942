"""The child process that runs a query, or only checks it.

1. It runs with limits and without a network, and dies with its parent.
2. It loads the files into a database in the request's folder, and opens that again read-only.
3. It disables external access and locks the configuration. Then it runs the query and yields the rows as they come.

The output is an object for each table, one for the columns, lists of rows, and an object for the end.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.engine import jsonsafe
from jobs.engine.errors import BadInput, LegworkError
from jobs.engine.formats.tables.delimited import COLUMN_LIMIT
from jobs.engine.formats.tables.parquet import converter
from jobs.engine.kits.sql import error_messages
from jobs.engine.kits.sql.loading import load
from jobs.engine.kits.sql.names import column_names, quoted
from jobs.engine.sandbox import confined

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BATCH = 500
ROW_BYTES = 16_000_000
LOCKS = (
    "set enable_progress_bar = false",
    "set timezone = 'UTC'",
    "set temp_directory = ''",
    "set enable_external_access = false",
    "set lock_configuration = true",
)


class Refused(LegworkError):
    """The query was refused, or reached a limit."""


def work(request: dict[str, Any], folder: Path) -> Iterator[Any]:
    watch = Watch(request["seconds"])
    try:
        yield from [_check(request, watch)] if request["check"] else _answer(request, folder, watch)
    except MemoryError:
        raise Refused(_too_much(request), reason="memory_limit") from None


class Watch:
    """Interrupts the query at its time limit."""

    def __init__(self, seconds: int):
        self.database: DuckDBPyConnection | None = None
        self.timed_out = False
        self._seconds = seconds

    def over(self, database: DuckDBPyConnection) -> DuckDBPyConnection:
        self.database = database
        timer = threading.Timer(self._seconds, self._time_out)
        timer.daemon = True
        timer.start()
        return database

    def _time_out(self) -> None:
        self.timed_out = True
        assert self.database is not None
        self.database.interrupt()


def _check(request: dict[str, Any], watch: Watch) -> dict[str, Any]:
    """Check a query on tables without rows. Errors that depend on the data are not reported."""
    import duckdb

    with watch.over(duckdb.connect(config=_config(request))) as database:
        for source in request["sources"]:
            columns = ", ".join(f"{quoted(name)} varchar" for name in column_names(source["columns"]))
            database.execute(f"create table {quoted(source['table'])} ({columns})")
        _lock(database)
        try:
            database.execute(f"explain {_select(request)}")
        except duckdb.Error as error:
            if wrong := error_messages.of(error, _tables(request)):
                raise Refused(wrong[1], reason=wrong[0]) from None
    return {}


def _answer(request: dict[str, Any], folder: Path, watch: Watch) -> Iterator[Any]:
    import duckdb

    kept = folder / "tables.duckdb"
    try:
        with watch.over(duckdb.connect(kept, config=_config(request))) as database:
            database.execute("set enable_progress_bar = false")
            for source in request["sources"]:
                yield _loaded(database, source, folder)
        with duckdb.connect(kept, read_only=True, config=_config(request)) as database:
            watch.database = database
            shutil.rmtree(folder, ignore_errors=True)  # an open file, so it is gone when this process ends
            _lock(database)
            yield from _result(database.execute(_select(request)), request["rows"])
    except duckdb.InterruptException:
        raise Refused(_too_long(request) if watch.timed_out else "Stopped.", reason="time_limit") from None
    except duckdb.OutOfMemoryException:
        raise Refused(_too_much(request), reason="memory_limit") from None
    except duckdb.Error as error:
        known = error_messages.of(error, _tables(request))
        reason, message = known or ("bad_sql", f"The query cannot be run: {error_messages.first_line(error)}.")
        raise Refused(message, reason=reason) from None


def _loaded(database: DuckDBPyConnection, source: dict[str, Any], folder: Path) -> dict[str, Any]:
    try:
        return load(database, source, folder)
    except BadInput as error:
        raise BadInput(f"{source['name']}: {error.message}", reason="bad_table") from None


def _select(request: dict[str, Any]) -> str:
    """The query, if it is one SELECT. Raises Refused."""
    import duckdb

    statements = duckdb.extract_statements(request["sql"])
    if wrong := error_messages.no_select([str(statement.type).rsplit(".", 1)[-1] for statement in statements]):
        raise Refused(wrong, reason="no_select")
    return str(statements[0].query)


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


def _lock(database: DuckDBPyConnection) -> None:
    for statement in LOCKS:
        database.execute(statement)


def _config(request: dict[str, Any]) -> dict[str, Any]:
    return {
        "threads": request["threads"],
        "memory_limit": f"{request['memory'] >> 20}MiB",
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "python_enable_replacements": False,
    }


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

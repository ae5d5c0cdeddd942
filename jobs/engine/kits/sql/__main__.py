"""The child that runs a query: `python -m jobs.engine.kits.sql PARENT`, with the request as the first line of its input.

1. Limits first, and no network; it dies with its parent, and when its input is closed it stops.
2. The files become tables of a database in a folder of the request's; that is closed, and opened again for reading only.
3. Everything outside of it is locked away, and the lock is locked. Then the query runs, and its rows go out as they come.

It prints JSON lines: an object for each table loaded, one for the columns, a list for each row, and an object for the end.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.engine import jsonsafe
from jobs.engine.errors import BadInput, LegworkError
from jobs.engine.formats.tables.delimited import COLUMN_LIMIT
from jobs.engine.formats.tables.parquet import converter
from jobs.engine.kits.sql import error_messages
from jobs.engine.kits.sql.loading import load
from jobs.engine.kits.sql.names import column_names, quoted
from jobs.engine.sandbox.parent_death import die_with_parent
from jobs.engine.sandbox.rlimits import confine

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BATCH = 500
FILE_BYTES = 16 << 30
MEMORY_BESIDE = 2 << 30  # addresses, not memory: Python, DuckDB's code and its threads' stacks
ROW_BYTES = 16_000_000
LOCKS = (
    "set enable_progress_bar = false",
    "set timezone = 'UTC'",
    "set temp_directory = ''",
    "set enable_external_access = false",
    "set lock_configuration = true",
)


class Refused(LegworkError):
    """The query is not run, or did not end."""


def main(parent: int) -> None:
    die_with_parent(parent)
    request = json.loads(sys.stdin.buffer.readline())
    seconds, memory = request["seconds"], request["memory"]
    confine(memory=memory + MEMORY_BESIDE, cpu_seconds=seconds * request["threads"] + 30, file_bytes=FILE_BYTES)
    watch = Watch(seconds)
    if not request["check"]:  # its input is closed at once, and whoever waits for it ends it
        threading.Thread(target=watch.input_closed, daemon=True).start()
    try:
        _check(request, watch) if request["check"] else _answer(request, watch)
    except LegworkError as error:
        _say({"error": error.reason, "message": error.message})
    except MemoryError:
        _say({"error": "memory_limit", "message": _too_much(request)})
    except BrokenPipeError:
        os._exit(1)
    sys.stdout.flush()
    os._exit(0)  # what was interrupted must not be waited for


class Watch:
    """Interrupts what runs: when its time is over, and when nobody waits for it any more."""

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

    def input_closed(self) -> None:
        sys.stdin.buffer.read()
        if self.database is not None:
            self.database.interrupt()
        time.sleep(0.5)
        os._exit(1)

    def _time_out(self) -> None:
        self.timed_out = True
        assert self.database is not None
        self.database.interrupt()


def _check(request: dict[str, Any], watch: Watch) -> None:
    """Judge the words of a query by tables without rows. What only the data can tell is left open."""
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


def _answer(request: dict[str, Any], watch: Watch) -> None:
    import duckdb

    folder = Path(request["folder"])
    kept = folder / "tables.duckdb"
    try:
        with watch.over(duckdb.connect(kept, config=_config(request))) as database:
            database.execute("set enable_progress_bar = false")
            for source in request["sources"]:
                _say(_loaded(database, source, folder))
        with duckdb.connect(kept, read_only=True, config=_config(request)) as database:
            watch.database = database
            shutil.rmtree(
                folder, ignore_errors=True
            )  # open as it is, it goes when this process does, however that happens
            _lock(database)
            _say_rows(database.execute(_select(request)), request["rows"])
    except duckdb.InterruptException:
        raise Refused(_too_long(request) if watch.timed_out else "Stopped.", reason="time_limit") from None
    except duckdb.OutOfMemoryException:
        raise Refused(_too_much(request), reason="memory_limit") from None
    except duckdb.Error as error:
        told = error_messages.of(error, _tables(request))
        reason, message = told or ("bad_sql", f"The query cannot be run: {error_messages.first_line(error)}.")
        raise Refused(message, reason=reason) from None


def _loaded(database: DuckDBPyConnection, source: dict[str, Any], folder: Path) -> dict[str, Any]:
    try:
        return load(database, source, folder)
    except BadInput as error:
        raise BadInput(f"{source['name']}: {error.message}", reason="bad_table") from None


def _select(request: dict[str, Any]) -> str:
    """The query, if it is one SELECT."""
    import duckdb

    statements = duckdb.extract_statements(request["sql"])
    if wrong := error_messages.no_select([str(statement.type).rsplit(".", 1)[-1] for statement in statements]):
        raise Refused(wrong, reason="no_select")
    return str(statements[0].query)


def _say_rows(result: DuckDBPyConnection, most: int) -> None:
    """The columns, the first `most` rows, and whether there are more."""
    found = result.description or []
    if len(found) > COLUMN_LIMIT:
        raise Refused(f"The result has {len(found):,} columns; {COLUMN_LIMIT:,} is the most that is kept.")
    names = column_names(jsonsafe.clean_text(column[0]) for column in found)
    types = [str(column[1]) for column in found]
    _say({"columns": [{"name": name, "type": type_name} for name, type_name in zip(names, types, strict=True)]})
    converters = [(place, convert) for place, name in enumerate(types) if (convert := converter(name)) is not None]
    count = 0
    for record in _records(result):
        if count == most:
            break
        count += 1
        values = list(record)
        for place, convert in converters:
            if values[place] is not None:
                values[place] = convert(values[place])
        _say(values)
    else:
        _say({"end": count, "more": False})
        return
    _say({"end": count, "more": True})


def _records(result: DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while batch := result.fetchmany(BATCH):
        yield from batch


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
        f"The query needs more than the {request['memory'] >> 20:,} MB of memory it may have. Select fewer columns or rows, "
        "group more coarsely, or give it more."
    )


def _too_long(request: dict[str, Any]) -> str:
    return f"The query reached its time limit of {request['seconds']:,} s. Select less, or give it more time."


def _say(what: dict[str, Any] | list[Any]) -> None:
    line = jsonsafe.dumps(what)
    if len(line) > ROW_BYTES:
        raise Refused("A row of the result is over 16 MB. Select fewer or shorter values.", reason="row_too_large")
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))

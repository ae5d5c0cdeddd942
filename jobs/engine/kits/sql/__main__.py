"""The child process that runs a query, or only checks it.

1. It runs with limits and without a network, and dies with its parent.
2. It loads the files into a database in the request's folder, with nothing else within reach.
3. It opens that again read-only, with nothing within reach but the query's own Parquet files and one open descriptor, where
   DuckDB writes the rows.

The output is an object for each table, one for the columns, and some that say how far it is; the last has `end`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jobs.engine import jsonsafe
from jobs.engine.errors import BadInput, LegworkError
from jobs.engine.formats.columns import Choices
from jobs.engine.formats.tables import COLUMN_LIMIT
from jobs.engine.kits.sql import error_messages, result_files, statements
from jobs.engine.kits.sql.expressions import Styles
from jobs.engine.kits.sql.loading import PARQUET, Loaded, load, show_parquet
from jobs.engine.kits.sql.names import column_names
from jobs.engine.kits.sql.query import RESULT
from jobs.engine.kits.sql.statements import Refused
from jobs.engine.sandbox import confined, locked_duckdb
from jobs.engine.sandbox.locked_duckdb import LockedDuckDB, quoted

AGAIN_SECONDS = 0.1


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
            statements.check(database, request["sql"])
        except duckdb.Error as error:
            if wrong := error_messages.of(error, _tables(request)):
                raise Refused(wrong[1], reason=wrong[0]) from None
    return {}


def _answer(request: dict[str, Any], folder: Path, watch: Watch) -> Iterator[Any]:
    import duckdb

    size = {"memory": request["memory"], "threads": request["threads"], "database": folder / "tables.duckdb"}
    reads = [Path(source["path"]) for source in request["sources"]]
    written = result_files.Written()
    try:
        tables = []
        with locked_duckdb.opened(**size, reads=reads, folder=folder) as database:
            watch.database = database
            for source, file in zip(request["sources"], database.sources, strict=True):
                tables.append(_loaded(database, source, file, folder, Choices.from_json(request["choices"])))
                yield tables[-1].as_json()
        sink = result_files.Sink(request["format"], folder / RESULT)
        writes = [] if sink.descriptor is None else [sink.descriptor]
        lying = [source for source in request["sources"] if source["format"] == PARQUET]
        reads = [Path(source["path"]) for source in lying]
        with locked_duckdb.opened(**size, read_only=True, reads=reads, writes=writes) as database:
            watch.database = database
            for source, file in zip(lying, database.sources, strict=True):
                show_parquet(database, source, file)
            (folder / "tables.duckdb").unlink()  # an open file, so it is gone when this process ends
            yield from _written(database, request, tables, sink, written)
    except LegworkError as error:
        yield _state(written)
        raise error
    except duckdb.InterruptException:
        yield _state(written)
        raise Refused(_too_long(request) if watch.timed_out else "Stopped.", reason="time_limit") from None
    except duckdb.OutOfMemoryException:
        yield _state(written)
        raise Refused(_too_much(request), reason="memory_limit") from None
    except duckdb.Error as error:
        known = error_messages.of(error, _tables(request))
        reason, message = known or ("bad_sql", f"The query cannot be run: {error_messages.first_line(error)}.")
        raise Refused(message, reason=reason) from None


def _loaded(database: LockedDuckDB, source: dict[str, Any], file: str, folder: Path, choices: Choices) -> Loaded:
    try:
        return load(database, source, file, folder, choices)
    except BadInput as error:
        raise BadInput(f"{source['name']}: {error.message}", reason="bad_table") from None


def _written(
    database: LockedDuckDB,
    request: dict[str, Any],
    tables: list[Loaded],
    sink: result_files.Sink,
    written: result_files.Written,
) -> Iterator[Any]:
    """The columns, how far the file is, a few times a second, and the end."""
    select = statements.select_of(database, request["sql"])
    found = database.execute(f"from ({select}\n) limit 0").description or []
    if len(found) > COLUMN_LIMIT:
        raise Refused(f"The result has {len(found):,} columns; the limit is {COLUMN_LIMIT:,}.")
    names = column_names(jsonsafe.clean_text(column[0]) for column in found)
    types = [str(column[1]) for column in found]
    yield {"columns": [{"name": name, "type": type_name} for name, type_name in zip(names, types, strict=True)]}
    styles = Styles.of([one for table in tables for one in table.formats])
    query = result_files.ResultQuery(database, select, names, types, styles)
    for _ in result_files.write(query, sink, request["rows"], written):
        yield _state(written)
    yield _state(written) | {"end": True}


def _state(written: result_files.Written) -> dict[str, Any]:
    return asdict(written)


def _tables(request: dict[str, Any]) -> dict[str, list[str]]:
    return {source["table"]: column_names(source["columns"]) for source in request["sources"]}


def _too_much(request: dict[str, Any]) -> str:
    return (
        f"The query needs more than its limit of {request['memory'] >> 20:,} MB of memory. Select fewer columns or rows, "
        "group more coarsely, or raise the limit."
    )


def _too_long(request: dict[str, Any]) -> str:
    lost = " Parquet is whole only at its end, so nothing is kept; the other formats keep their rows."
    said = f"The query reached its time limit of {request['seconds']:,} s. Select less, or raise the limit."
    return said + (lost if request["format"] == "parquet" else "")


if __name__ == "__main__":
    confined.serve(work)

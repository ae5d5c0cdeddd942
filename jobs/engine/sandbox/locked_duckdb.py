"""DuckDB over untrusted tables: the one place that opens it, and only within a confined child.

    with locked_duckdb.opened(512 << 20, reads=[path]) as database:
        rows = database.execute("select * from read_parquet($source) as t(c0, c1)", source=database.sources[0])

Before the first statement it can reach nothing but the files that are named when it is opened, and its configuration is
locked. Files come in as values, not in the SQL. Names of columns are data: SQL of ours calls columns c0, c1, ..., and the few
places that must have a person's names put them in with `quoted`, once, when the statement is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.engine.sandbox import rlimits

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class LockedDuckDB:
    """`sources`: the files of `reads`, as a statement's values name them. `sinks`: the descriptors of `writes`, likewise."""

    def __init__(self, connection: DuckDBPyConnection, sources: list[str], sinks: list[str]):
        self._connection = connection
        self.sources = sources
        self.sinks = sinks

    def execute(self, sql: str, **values: Any) -> DuckDBPyConnection:
        """Run one statement; $name in it stands for the value of that name. Raises ValueError for more than one."""
        statement, *others = self._connection.extract_statements(sql)
        if others:
            raise ValueError("One statement is run at a time.")
        return self._connection.execute(statement, values)

    def copy(self, select: str, sink: str, options: str) -> int:
        """Write the rows of a SELECT into one of the sinks; return how many."""
        [count] = self.execute(f"copy ({select}) to {text(sink)} ({options})").fetchone() or (0,)
        return int(count)

    def define(self, name: str, function: Callable[[str], str]) -> None:
        """Let SQL call a function of ours, from a text to a text."""
        self._connection.create_function(name, function, ["VARCHAR"], "VARCHAR")

    def statements(self, sql: str) -> list[tuple[str, str]]:
        """The kind, such as SELECT, and the text of each statement in a text, without its semicolon. Nothing is run."""
        found = self._connection.extract_statements(sql)
        return [(str(one.type).rsplit(".", 1)[-1], _without_semicolon(str(one.query))) for one in found]

    def interrupt(self) -> None:
        """Have what runs raise InterruptException; nothing where nothing runs, or it is closed."""
        import duckdb

        with suppress(duckdb.Error):
            self._connection.interrupt()


@contextmanager
def opened(
    memory: int,
    *,
    threads: int = 1,
    reads: Sequence[Path] = (),
    writes: Sequence[int] = (),
    folder: Path | None = None,
    database: Path | None = None,
    read_only: bool = False,
) -> Iterator[LockedDuckDB]:
    """A DuckDB with so much memory, in bytes.

    reads: files that it may read. writes: open descriptors, of a file or a pipe, that it may write to.
    folder: where it may read and write, and puts what does not fit into memory.
    database: the file to hold its tables; without it they are in memory.
    """
    if not rlimits.is_confined():
        raise RuntimeError("DuckDB is only opened in a confined child process.")
    import duckdb

    with ExitStack() as stack:
        held = [stack.enter_context(path.open("rb")) for path in reads]
        sources = [f"/dev/fd/{one.fileno()}" for one in held]  # no name of a file, which could be a pattern of names
        sinks = [f"/dev/fd/{descriptor}" for descriptor in writes]
        config = _config(memory, threads, folder)
        connection = stack.enter_context(duckdb.connect(str(database or ":memory:"), read_only, config))
        for setting in _locks([*sources, *sinks], folder):
            connection.execute(setting)
        yield LockedDuckDB(connection, sources, sinks)


def _without_semicolon(sql: str) -> str:
    """The statement up to the semicolons and comments at its end."""
    import duckdb

    written = sql.encode()
    end = len(written)
    for place, kind in reversed(duckdb.tokenize(sql)):
        if kind != duckdb.token_type.comment and written[place : place + 1] != b";":
            break
        end = place
    return written[:end].decode()


def quoted(name: str) -> str:
    """A name as an identifier of SQL."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """A text as a literal of SQL: for the paths of ours that cannot be values."""
    return "'" + value.replace("'", "''") + "'"


def numbered(count: int) -> str:
    """The names that columns have in SQL of ours: c0, c1, ..."""
    return ", ".join(f"c{place}" for place in range(count))


def _config(memory: int, threads: int, folder: Path | None) -> dict[str, Any]:
    return {
        "threads": threads,
        "memory_limit": f"{memory >> 20}MiB",
        "temp_directory": str(folder or ""),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
        "python_enable_replacements": False,
    }


def _locks(paths: Sequence[str], folder: Path | None) -> Iterator[str]:
    yield "set enable_progress_bar = false"  # it would be drawn on the standard output
    yield "set timezone = 'UTC'"
    yield f"set allowed_paths = [{', '.join(map(text, paths))}]"
    yield f"set allowed_directories = [{text(str(folder)) if folder else ''}]"
    yield "set enable_external_access = false"
    yield "set lock_configuration = true"

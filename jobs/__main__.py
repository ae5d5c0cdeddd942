"""`python -m jobs migrate | worker | clock`: what the Procfile starts. `doctor`, `backup`, `restore`: typed by hand."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from jobs.engine import logs, operations, settings
from jobs.engine.db import migrations, postgres
from jobs.engine.embedded import discovery, with_database
from jobs.engine.errors import DatabaseUnavailable, LegworkError, SettingsError
from jobs.engine.kinds.catalogue import QUEUES
from jobs.engine.operations import backups
from jobs.engine.worker import clock, supervisor
from jobs.engine.worker.autoscaler import CALM_SECONDS, Scale

DEFAULT_PROCESSES = 2
MOST_BY_DEFAULT = 8  # where only --min is given


def main() -> int:
    arguments = _parser().parse_args()
    try:
        logs.set_up("text" if arguments.command == "doctor" else settings.current().log_format)
        return _COMMANDS[arguments.command](arguments)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    except DatabaseUnavailable as error:
        print(f"{error} DATABASE_URL names it.", file=sys.stderr)
        return 1
    except LegworkError as error:
        print(error.message, file=sys.stderr)
        return 1


def _migrate(_: argparse.Namespace) -> int:
    migrations.upgrade()
    return 0


def _worker(arguments: argparse.Namespace) -> NoReturn:
    settings.current().require("database_url", "redis_url")
    postgres.url()
    least, most = _bounds(arguments)
    target = arguments.target_wait or settings.current().target_wait_seconds
    supervisor.Supervisor(
        arguments.queues, Scale(least, most, arguments.calm), target, clock=not arguments.no_clock
    ).run()
    _leave()


def _leave() -> NoReturn:
    """End this process here. On the interpreter's own way out DuckDB's bindings print a screen about what they never freed."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)


def _bounds(arguments: argparse.Namespace) -> tuple[int, int]:
    """The least and the most workers. Raises SettingsError where the options contradict each other."""
    if arguments.max is None and arguments.min is None:
        processes = DEFAULT_PROCESSES if arguments.processes is None else arguments.processes
        return processes, processes
    if arguments.processes is not None:
        raise SettingsError("--processes is a fixed number; with --min and --max it cannot be given.")
    least = 1 if arguments.min is None else arguments.min
    most = max(least, MOST_BY_DEFAULT) if arguments.max is None else arguments.max
    if least > most:
        raise SettingsError(f"--min {least} is more than --max {most}.")
    return least, most


def _clock(_: argparse.Namespace) -> int:
    settings.current().require("database_url", "redis_url")
    clock.Clock().run()
    return 0


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 86_400):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")
    return int(text)


def _doctor(_: argparse.Namespace) -> int:
    with suppress(SettingsError):  # which the examination tells
        _find_built_in()
    found = operations.examine()
    print(operations.told(found))
    return 1 if any(part.state == "wrong" for part in found) else 0


def _backup(arguments: argparse.Namespace) -> int:
    with with_database.with_database():
        told = backups.write(arguments.file)
    print(f"{arguments.file}: the database and {told.files:,} files, {told.bytes:,} bytes.")
    if told.missing:
        print(f"{told.missing:,} files were deleted meanwhile, or their bytes are gone.")
    print("Redis is not in it, and need not be. SECRET_KEY is not in it: keep it where you keep secrets.")
    return 0


def _restore(arguments: argparse.Namespace) -> int:
    with with_database.with_database():
        told = backups.read(arguments.file, replace=arguments.replace)
    print(
        f"The database and {told.files:,} files are back. Start Legwork; jobs that waited or ran go on by themselves."
    )
    if told.missing:
        print(f"{told.missing:,} files were not in the backup.")
    return 0


def _find_built_in() -> None:
    """Where no database is set: the parts that `python -m webapp` started for this data folder."""
    chosen = settings.current()
    if not chosen.database_url:
        settings.adopt(discovery.remembered(chosen.data_dir))


def _queues(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in QUEUES]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"queues are {', '.join(QUEUES)}; {', '.join(unknown) or 'none'} was given")
    return names


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m jobs", description="The programs behind the pages.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("migrate", help="bring the database to the tables of this version")
    worker = commands.add_parser("worker", help="do jobs; a clock comes along")
    worker.add_argument("--queues", type=_queues, default=list(QUEUES), help="which queues, the first ones first")
    worker.add_argument("--processes", type=_count, help=f"how many jobs at a time (default: {DEFAULT_PROCESSES})")
    worker.add_argument("--min", type=_count, help="at least as many; more, up to --max, as they are needed")
    worker.add_argument("--max", type=_count, help=f"never more than this (default: {MOST_BY_DEFAULT})")
    worker.add_argument("--target-wait", type=_count, help="seconds that a job may wait (default: TARGET_WAIT_SECONDS)")
    worker.add_argument(
        "--calm",
        type=_count,
        default=CALM_SECONDS,
        help="seconds for which fewer must do before any leave (%(default)s)",
    )
    worker.add_argument("--no-clock", action="store_true", help="another program runs the clock")
    commands.add_parser("doctor", help="look at every setting and part; ends with 1 if something is wrong")
    keeping = commands.add_parser("backup", help="write the database and all files into one tar")
    keeping.add_argument("file", type=Path, help="which must not be there yet")
    restoring = commands.add_parser("restore", help="bring a backup back into an empty database")
    restoring.add_argument("file", type=Path)
    restoring.add_argument("--replace", action="store_true", help="what is in the database now may go")
    commands.add_parser("clock", help="put right what got lost; one clock ticks, others wait for it")
    return parser


_COMMANDS = {
    "migrate": _migrate,
    "worker": _worker,
    "clock": _clock,
    "doctor": _doctor,
    "backup": _backup,
    "restore": _restore,
}

if __name__ == "__main__":
    sys.exit(main())

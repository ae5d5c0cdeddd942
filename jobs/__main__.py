"""The command line: `python -m jobs migrate | worker | clock`, which the Procfile starts, and commands typed by hand.

Each command imports what it needs itself: importing everything takes a second, and starting the app runs three of them.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from jobs.engine import env_file, logs, machine_memory, sandbox, settings
from jobs.engine.errors import DatabaseUnavailable, LegworkError, SettingsError

DEFAULT_PROCESSES = 2
MOST_BY_DEFAULT = 8  # --max, if only --min is given


def main(typed: list[str] | None = None, program: str = "") -> int:
    """Run the command that was typed. `program`: a name of one of these commands, such as `legwork worker`."""
    try:
        env_file.load_env_file()
        arguments = _parser(program.rpartition(" ")[0]).parse_args(typed)
        if arguments.command == "doctor":  # it changes nothing, and says what is wrong with a setting
            logs.set_up("text")
        else:
            logs.set_up(settings.current().log_format)
            sandbox.be_private(settings.current())
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
    from jobs.engine.db import migrations

    migrations.upgrade()
    if settings.current().procfile_process.startswith("release"):
        _stay()
    return 0


def _stay() -> None:
    """Until SIGTERM or SIGINT: honcho and foreman end all processes of a Procfile when one ends, here the release process."""
    print("The tables are up to date. This process only stays because others of the Procfile would end with it.")
    sys.stdout.flush()
    numbers = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    signal.sigwait(numbers)


def _worker(arguments: argparse.Namespace) -> NoReturn:
    settings.current().require("database_url", "redis_url")
    least, most = _bounds(arguments)
    from jobs.engine.db import postgres
    from jobs.engine.kinds import queues
    from jobs.engine.worker.autoscaler import CALM_SECONDS, Scale
    from jobs.engine.worker.supervisor import Supervisor

    postgres.url()
    target = arguments.target_wait or settings.current().target_wait_seconds
    scale = Scale(least, most, arguments.calm or CALM_SECONDS)
    Supervisor(arguments.queues or list(queues()), scale, target, clock=not arguments.no_clock).run()
    _leave()


def _leave() -> NoReturn:
    """Exit without the interpreter's shutdown, in which DuckDB's bindings print a screenful about objects not freed."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)


def _bounds(arguments: argparse.Namespace) -> tuple[int, int]:
    """The minimum and maximum number of workers. Raises SettingsError if the options contradict each other."""
    if arguments.max is None and arguments.min is None:
        processes = arguments.processes or machine_memory.default_processes(DEFAULT_PROCESSES)
        return processes, processes
    if arguments.processes is not None:
        raise SettingsError("--processes is a fixed number; it cannot be combined with --min or --max.")
    least = 1 if arguments.min is None else arguments.min
    most = max(least, MOST_BY_DEFAULT) if arguments.max is None else arguments.max
    if least > most:
        raise SettingsError(f"--min {least} is more than --max {most}.")
    return least, most


def _clock(_: argparse.Namespace) -> int:
    settings.current().require("database_url", "redis_url")
    from jobs.engine.worker.clock import Clock

    Clock().run()
    return 0


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 86_400):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 86400")
    return int(text)


def _doctor(_: argparse.Namespace) -> int:
    from jobs.engine import operations

    with suppress(SettingsError):  # examine() reports it
        _find_built_in()
    found = operations.examine()
    print(operations.format_report(found))
    for folder in _other_folders():
        print(f"A Legwork runs on this machine with DATA_DIR={folder}. To check that one, set DATA_DIR to it.")
    return 1 if any(part.state == "wrong" for part in found) else 0


def _backup(arguments: argparse.Namespace) -> int:
    from jobs.engine.embedded.with_database import with_database
    from jobs.engine.operations import backups

    with with_database():
        summary = backups.write(arguments.file)
    print(f"{arguments.file}: the database and {summary.files:,} files, {summary.bytes:,} bytes.")
    if summary.missing:
        print(
            f"{summary.missing:,} files are not included: they were deleted during the backup, or their content is lost."
        )
    print("Redis is not included and not needed. SECRET_KEY is not included: store it with your other secrets.")
    return 0


def _restore(arguments: argparse.Namespace) -> int:
    from jobs.engine.embedded.with_database import with_database
    from jobs.engine.operations import backups

    with with_database():
        summary = backups.read(arguments.file, replace=arguments.replace)
    print(
        f"The database and {summary.files:,} files are restored. Start Legwork; unfinished jobs continue by themselves."
    )
    if summary.missing:
        print(f"{summary.missing:,} files were not in the backup.")
    return 0


def _rotate_secrets(arguments: argparse.Namespace) -> int:
    from jobs.engine.embedded.with_database import with_database
    from jobs.engine.operations.secret_rotation import rotate_secrets

    try:
        old_key = arguments.old_key_file.read_text().strip() if arguments.old_key_file else ""
    except (OSError, ValueError) as error:
        raise SettingsError(f"The file with the old key cannot be read: {error}") from None
    with with_database():
        done = rotate_secrets(old_key)
    print(f"The secrets of {done.encrypted:,} jobs and schedules are encrypted with SECRET_KEY as it is now.")
    if done.emptied:
        print(f"{done.emptied:,} jobs had ended; their secrets are deleted.")
    if done.unreadable:
        print(
            f"{done.unreadable:,} could not be read: they are under another key. Give it with --old-key-file.",
            file=sys.stderr,
        )
    return 1 if done.unreadable else 0


def _other_folders() -> list[Path]:
    """The data folders of running ones, if no database is set here."""
    from jobs.engine.embedded import discovery

    with suppress(SettingsError):
        return [] if settings.current().database_url else discovery.running_elsewhere()
    return []


def _find_built_in() -> None:
    """If no database is set, use the services that `python -m webapp` started for this data folder."""
    from jobs.engine.embedded import discovery

    chosen = settings.current()
    if not chosen.database_url:
        settings.adopt(discovery.remembered(chosen.data_dir))


def _queues(text: str) -> list[str]:
    from jobs.engine.kinds import queues

    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in queues()]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"the queues are {', '.join(queues())}, not {', '.join(unknown) or 'empty'}")
    return names


def _parser(program: str = "") -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program or "python -m jobs", description="Legwork's background programs.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("migrate", help="update the database schema to this version")
    worker = commands.add_parser("worker", help="run jobs, and the clock")
    worker.add_argument("--queues", type=_queues, help="queues to work on, in order of priority")
    worker.add_argument(
        "--processes",
        type=_count,
        help=f"number of jobs at a time (default: {DEFAULT_PROCESSES}, in a small container 1)",
    )
    worker.add_argument("--min", type=_count, help="minimum number of workers; more are started up to --max as needed")
    worker.add_argument("--max", type=_count, help=f"maximum number of workers (default: {MOST_BY_DEFAULT})")
    worker.add_argument("--target-wait", type=_count, help="seconds that a job may wait (default: TARGET_WAIT_SECONDS)")
    worker.add_argument(
        "--calm",
        type=_count,
        help="seconds for which fewer workers must be enough before any are stopped (default: 15)",
    )
    worker.add_argument("--no-clock", action="store_true", help="do not run the clock; another process does")
    commands.add_parser("doctor", help="check every setting and service; exits with 1 if something is wrong")
    backup = commands.add_parser("backup", help="write the database and all files into one tar file")
    backup.add_argument("file", type=Path, help="the tar file; it must not exist yet")
    restore = commands.add_parser("restore", help="restore a backup into an empty database")
    restore.add_argument("file", type=Path)
    restore.add_argument("--replace", action="store_true", help="delete the current contents of the database")
    rotate = commands.add_parser(
        "rotate-secrets", help="encrypt the secrets of jobs and schedules with SECRET_KEY, those of older versions too"
    )
    rotate.add_argument(
        "--old-key-file", type=Path, help="a file that holds the SECRET_KEY of before, where it was changed"
    )
    commands.add_parser("clock", help="recover lost jobs and start schedules; one clock is active, others stand by")
    return parser


_COMMANDS = {
    "migrate": _migrate,
    "worker": _worker,
    "clock": _clock,
    "doctor": _doctor,
    "backup": _backup,
    "restore": _restore,
    "rotate-secrets": _rotate_secrets,
}

if __name__ == "__main__":
    sys.exit(main())

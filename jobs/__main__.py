"""`python -m jobs migrate | worker | clock`: what the Procfile starts."""

from __future__ import annotations

import argparse
import logging
import sys

from jobs.engine import clock, database, migrations, settings, supervisor
from jobs.engine.catalogue import QUEUES
from jobs.engine.errors import DatabaseAway, SettingsError


def main() -> int:
    arguments = _parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        return _COMMANDS[arguments.command](arguments)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    except DatabaseAway as error:
        print(f"{error} DATABASE_URL names it.", file=sys.stderr)
        return 1


def _migrate(_: argparse.Namespace) -> int:
    migrations.upgrade()
    return 0


def _worker(arguments: argparse.Namespace) -> int:
    settings.current().require("database_url", "redis_url")
    database.url()
    supervisor.Supervisor(arguments.queues, arguments.processes, clock=not arguments.no_clock).run()
    return 0


def _clock(arguments: argparse.Namespace) -> int:
    settings.current().require("database_url", "redis_url")
    clock.Clock().run(arguments.child_of)
    return 0


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
    worker.add_argument("--processes", type=int, default=2, help="how many jobs at a time")
    worker.add_argument("--no-clock", action="store_true", help="another program runs the clock")
    ticking = commands.add_parser("clock", help="put right what got lost; one clock ticks, others wait for it")
    ticking.add_argument("--child-of", type=int, help=argparse.SUPPRESS)
    return parser


_COMMANDS = {"migrate": _migrate, "worker": _worker, "clock": _clock}

if __name__ == "__main__":
    sys.exit(main())

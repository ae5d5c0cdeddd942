"""The commands of `legwork`. Each is imported when it is called: importing everything takes a second."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, NoReturn

import click

from jobs import __version__
from jobs.engine import env_file
from jobs.engine.errors import SettingsError


class _Forwarded(NamedTuple):
    """A command of another program of ours: its module, the arguments that it begins with, and its line in `--help`."""

    module: str
    arguments: tuple[str, ...]
    help: str


FORWARDED = {
    "run": _Forwarded("webapp.__main__", (), "Start Legwork and everything it needs."),
    "demo": _Forwarded("webapp.__main__", ("--demo",), "Run every kind's example, print what came out, and end."),
    "accounts": _Forwarded("webapp.__main__", ("accounts",), "Add accounts, list them, set passwords."),
    "migrate": _Forwarded("jobs.__main__", ("migrate",), "Update the database schema to this version."),
    "worker": _Forwarded("jobs.__main__", ("worker",), "Run jobs, and the clock."),
    "clock": _Forwarded("jobs.__main__", ("clock",), "Recover lost jobs and start schedules."),
    "doctor": _Forwarded("jobs.__main__", ("doctor",), "Check every setting and service."),
    "backup": _Forwarded("jobs.__main__", ("backup",), "Write the database and all files into one tar file."),
    "restore": _Forwarded("jobs.__main__", ("restore",), "Restore a backup."),
    "rotate-secrets": _Forwarded("jobs.__main__", ("rotate-secrets",), "Encrypt stored secrets with the new key."),
}
OURS = {
    "submit": "webapp.command.submit:submit",
    "jobs": "webapp.command.submit:jobs",
    "wait": "webapp.command.submit:wait",
    "stop": "webapp.command.submit:stop",
    "new": "webapp.command.new_kind:new",
    "test": "webapp.command.new_kind:test",
}
ANY_ARGUMENTS = {"ignore_unknown_options": True, "help_option_names": [], "allow_interspersed_args": False}


class _Commands(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*FORWARDED, *OURS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in FORWARDED:
            return _forwarding(cmd_name, FORWARDED[cmd_name])
        if cmd_name not in OURS:
            return None
        module, _, name = OURS[cmd_name].partition(":")
        found: click.Command = getattr(import_module(module), name)
        return found


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="legwork")
def legwork() -> None:
    """Start and look after Legwork, and use one that runs."""


def main() -> NoReturn:
    """Run the command that was typed, and exit with its code."""
    sys.path.append(str(Path.cwd()))  # as `python -m` does: packages of EXTRA_KINDS may lie beside .env
    try:
        env_file.load_env_file()
    except SettingsError as error:
        print(error.message, file=sys.stderr)
        sys.exit(2)
    legwork(prog_name="legwork")
    sys.exit(0)


def _forwarding(name: str, to: _Forwarded) -> click.Command:
    def call(arguments: tuple[str, ...]) -> NoReturn:
        sys.exit(import_module(to.module).main([*to.arguments, *arguments], program=f"legwork {name}"))

    rest = click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)
    return click.Command(name, callback=call, params=[rest], help=to.help, context_settings=ANY_ARGUMENTS)

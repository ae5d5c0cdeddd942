"""The one command: `python -m webapp` starts everything that Legwork needs, and stops it together.

Whatever has no URL in the environment is started from its wheel; then `release`, then the other processes of the
Procfile. What dies is started again. `--demo` runs the sample jobs and ends. `python -m webapp accounts` looks after
accounts, whether or not all this runs.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO

from jobs.engine import embedded, env_file, sandbox, settings
from jobs.engine.embedded import Postgres, Process, ProcfileSupervisor, ServiceFailed, read_procfile, with_programs
from jobs.engine.errors import LegworkError, SettingsError
from jobs.engine.settings import Settings
from webapp import demo

CODE = Path(__file__).resolve().parent.parent
PROCFILE = next(folder / "Procfile" for folder in (CODE / "webapp", CODE) if (folder / "Procfile").is_file())
READY_SECONDS = 120.0
ONE_USER = (
    "As long as there is no account, everybody who can run programs on this machine is the one user of Legwork, an admin. "
    "`python -m webapp accounts add NAME` makes an account; from then on everybody signs in."
)
LOOK_SECONDS = 0.2


def main(arguments: list[str] | None = None, program: str = "python -m webapp") -> int:
    """Run until stopped. Returns 0; 1 where something could not be started; 2 where a setting is wrong."""
    options, of_accounts = _parse(arguments, program)
    try:
        env_file.load_env_file()
        chosen = settings.read(_with_free_port(os.environ) if options.demo else os.environ)
        sandbox.be_private(chosen)
        if options.command == "accounts":
            return _accounts(chosen, of_accounts)
        with _Stop() as stop:
            kinds = [name for name in options.kinds.split(",") if name]
            return _run(chosen, options.procfile, stop, demo=options.demo, kinds=kinds)
    except SettingsError as error:
        _say(error.message)
        return 2
    except LegworkError as error:
        _say(error.message)
        return 1


def _accounts(chosen: Settings, arguments: list[str]) -> int:
    from webapp.accounts import command  # not above: it loads half of the site, a second that every start would wait

    options = command.parser().parse_args(arguments)
    with _database(chosen):
        return command.run(options)


class StopSignal(Exception):
    """SIGINT, SIGTERM or a closed terminal while things were being started."""


class _Stop:
    """Turns the signals that end a program into a flag, for as long as the block runs."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> _Stop:
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        self._before = {number: signal.signal(number, self._note) for number in numbers}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def check(self) -> None:
        if self.asked:
            raise StopSignal

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True


def _run(chosen: Settings, procfile: Path | None, stop: _Stop, *, demo: bool, kinds: list[str]) -> int:
    lines = read_procfile(procfile or PROCFILE)
    chosen.refuse_open_host()
    _refuse_taken_port(chosen)
    with _hold_data_dir(chosen.data_dir):
        supervisor = ProcfileSupervisor(_say)
        try:
            secret = _start(chosen, lines, procfile.resolve().parent if procfile else Path.cwd(), supervisor, stop)
            return _demo(chosen, supervisor, stop, kinds) if demo else _serve(chosen, supervisor, stop, secret)
        except StopSignal:
            return 0 if not demo else 1
        finally:
            supervisor.stop()


def _start(
    chosen: Settings, lines: Mapping[str, str], folder: Path, supervisor: ProcfileSupervisor, stop: _Stop
) -> str:
    """Start everything. Returns the secret of the link to the first account; empty where none is needed."""
    found = filter(None, (os.environ.get("PYTHONPATH"), str(folder)))  # packages of EXTRA_KINDS may lie beside .env
    environ = with_programs(os.environ) | {"PYTHONPATH": os.pathsep.join(found)}
    if chosen.this_machine_only:
        environ.setdefault("RELOAD_KINDS", "1")
    environ |= _start_services(chosen, supervisor, stop)
    if "release" in lines:
        _release(lines["release"], folder, environ, chosen.data_dir)
    secret = "" if _somebody_can_sign_in(chosen, environ) else _new_secret()
    environ["LEGWORK_FIRST_ACCOUNT"] = secret
    stop.check()
    for name, line in lines.items():
        if name != "release":
            health = f"{_address(chosen)}/readyz" if name == "web" else ""
            process = Process(chosen.data_dir, name, line, environ=environ, folder=folder, health=health)
            process.launch()
            supervisor.watch(process)
    _wait_for_web(supervisor, stop)
    return secret


def _start_services(chosen: Settings, supervisor: ProcfileSupervisor, stop: _Stop) -> dict[str, str]:
    """Start what has no URL, all at once; what the Procfile's processes are told of it, by variable."""
    services = embedded.needed(chosen)
    for each in services:
        supervisor.watch(each)
    for each in reversed(services):  # the model takes longest to come up
        each.launch()
    for each in services:
        each.wait_ready()
        stop.check()
    if not chosen.has_model and (lack := embedded.missing_package()):
        _say(f"{lack} Jobs that need a model are unavailable until `make install`, or OPENAI_BASE_URL is set.")
    return embedded.environment(chosen, services)


def _release(line: str, folder: Path, environ: Mapping[str, str], data_dir: Path) -> None:
    """Run the Procfile's `release` to its end, before anything else of ours touches the database."""
    log = data_dir / "log" / "release.log"
    code = embedded.spawn(["/bin/sh", "-c", f"exec {line}"], log, environ=environ, cwd=folder).wait()
    if code:
        raise ServiceFailed(f"`{line}` ended with code {code}. The end of {log}:\n{embedded.tail(log)}")


def _somebody_can_sign_in(chosen: Settings, environ: Mapping[str, str]) -> bool:
    """Whether there is an account, or only this machine can reach the site. In a process of its own: the database is new."""
    if chosen.this_machine_only:
        return True
    command = [sys.executable, "-m", "webapp", "accounts", "check"]
    done = subprocess.run(command, env=dict(environ), cwd=CODE, capture_output=True, text=True, check=False)
    return done.returncode != 2


def _new_secret() -> str:
    from jobs.engine import accounts  # not above: only the first start of a site that others can reach needs it

    return accounts.new_secret()


@contextmanager
def _database(chosen: Settings) -> Iterator[None]:
    """DATABASE_URL leads somewhere while this is open: to the database that is set, that runs here, or is started for it."""
    if chosen.database_url:
        yield
        return
    server = Postgres(chosen.data_dir)
    lock = _hold_unless_held(chosen.data_dir)
    try:
        if lock is not None:
            server.launch()
            server.wait_ready()
        os.environ["DATABASE_URL"] = server.url
        if lock is not None:
            _release(f"{sys.executable} -m jobs migrate", CODE, dict(os.environ), chosen.data_dir)
        yield
    finally:
        if lock is not None:
            server.stop()
            lock.close()


def _hold_unless_held(data_dir: Path) -> IO[str] | None:
    """The lock on DATA_DIR, or None if a Legwork that runs there has it, with its database."""
    try:
        return _hold_data_dir(data_dir)
    except SettingsError:
        if Postgres(data_dir).ready():
            return None
        raise


def _wait_for_web(supervisor: ProcfileSupervisor, stop: _Stop) -> None:
    """Come back when the web process takes submissions; give up when it has died three times or the time is over."""
    deadline = time.monotonic() + READY_SECONDS
    for watched in [each for each in supervisor.watched if each.service.name == "web"]:
        while not watched.service.ready():
            stop.check()
            if watched.restarts >= 3 or time.monotonic() > deadline:
                log = watched.service.log_path
                raise ServiceFailed(f"The web process does not become ready. The end of {log}:\n{embedded.tail(log)}")
            supervisor.look()
            time.sleep(0.05)


def _serve(chosen: Settings, supervisor: ProcfileSupervisor, stop: _Stop, secret: str) -> int:
    if secret:
        _say(
            f"There is no account yet. This link makes the first one, once and within an hour: {_link(chosen, secret)}"
        )
    print(f"Legwork is ready at {_address(chosen)} (Ctrl-C stops it; data in {_short(chosen.data_dir)}/)", flush=True)
    if chosen.this_machine_only:
        _say(ONE_USER)
    while not stop.asked:
        supervisor.look()
        time.sleep(LOOK_SECONDS)
    return 0


def _demo(chosen: Settings, supervisor: ProcfileSupervisor, stop: _Stop, kinds: list[str]) -> int:
    def between() -> None:
        stop.check()
        supervisor.look()

    return 0 if demo.run(_address(chosen), between, kinds) else 1


def _refuse_taken_port(chosen: Settings) -> None:
    family = socket.AF_INET6 if ":" in chosen.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((chosen.host, chosen.port))
            probe.listen()
        except OSError as error:
            raise SettingsError(
                f"PORT {chosen.port} cannot be used: {(error.strerror or str(error)).lower()}. "
                "Stop the program that has it, or set PORT to another number."
            ) from error


def _hold_data_dir(data_dir: Path) -> IO[str]:
    """Make the folder, closed to others, and lock it."""
    try:
        embedded.make_data_dir(data_dir)
        return embedded.hold(data_dir)
    except OSError as error:
        raise SettingsError(f"DATA_DIR is {data_dir}, and nothing can be written there: {error.strerror}.") from error


def _with_free_port(environ: Mapping[str, str]) -> Mapping[str, str]:
    if environ.get("PORT", "").strip():
        return environ
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return {**environ, "PORT": str(probe.getsockname()[1])}


def _address(chosen: Settings) -> str:
    host = f"[{chosen.host}]" if ":" in chosen.host else chosen.host
    return f"http://{host}:{chosen.port}"


def _link(chosen: Settings, secret: str) -> str:
    """The page that makes the first account, at the name that the site is known by."""
    known = f"https://{chosen.public_name}" if chosen.public_name else _address(chosen)
    return f"{known}/first/{secret}"


def _short(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _parse(arguments: list[str] | None, program: str) -> tuple[argparse.Namespace, list[str]]:
    """The options, and what comes after `accounts`: its own parser reads that."""
    parser = argparse.ArgumentParser(prog=program, description="Start Legwork and everything it needs.")
    parser.add_argument("--demo", action="store_true", help="run the sample jobs, print what came out, and end")
    parser.add_argument("--kinds", default="", metavar="KIND,...", help="with --demo: the jobs of these kinds alone")
    parser.add_argument("--procfile", type=Path, help="the processes to run (default: Legwork's own)")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("accounts", add_help=False, help="add an account, list them, give a new password")
    options, others = parser.parse_known_args(arguments)
    if others and options.command != "accounts":
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    return options, others


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

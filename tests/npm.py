"""Packages of the npm registry, fetched once and kept in pytest's cache: data and documents that nobody here made."""

from __future__ import annotations

import fcntl
import subprocess
import tarfile
from pathlib import Path

import pytest


def package(request: pytest.FixtureRequest, name: str) -> Path:
    """The folder with what a package ("mammoth@1.4.0") holds. Only one of several test processes fetches it."""
    folder = Path(request.config.cache.mkdir(name.replace("@", "-")))
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "package").is_dir():
            subprocess.run(["npm", "pack", "--silent", name], cwd=folder, check=True, timeout=120)
            with tarfile.open(next(folder.glob("*.tgz"))) as archive:
                archive.extractall(folder / "new", filter="data")
            (folder / "new" / "package").rename(folder / "package")
    return folder / "package"

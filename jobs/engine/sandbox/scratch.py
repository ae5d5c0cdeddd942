"""Folders for the temporary files of one process, removed also where that process was killed.

Whoever starts the process makes the folder and holds a lock on it, which the process inherits. The kernel drops the lock with the
last of the two, however they end, so a folder without a lock is left over.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

PREFIX = "legwork-work-"
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


class Scratch:
    """A folder and its lock. On a disk that is full or read-only there is none, and only what needs one fails."""

    def __init__(self) -> None:
        self._path: Path | None = None
        with suppress(OSError):
            new = Path(tempfile.mkdtemp(prefix="legwork-new-", dir=_base()))
            self._lock = os.open(new, _OPEN)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            self._path = new.rename(new.with_name(PREFIX + new.name.removeprefix("legwork-new-")))

    def use(self) -> None:
        """Have this process make its temporary files there."""
        if self._path is not None:
            tempfile.tempdir = str(self._path)

    def remove(self) -> None:
        path, self._path = self._path, None
        if path is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(self._lock)


def begin() -> None:
    """For a process that no other process looks after: a folder of its own until it ends."""
    sweep()
    own = Scratch()
    own.use()
    atexit.register(own.remove)


def sweep() -> int:
    """Remove the folders that are left over, of this user. Returns their number."""
    return sum(map(_swept, Path(_base()).glob(f"{PREFIX}*")))


def _swept(path: Path) -> bool:
    with suppress(OSError):
        lock = os.open(path, _OPEN)
        try:
            if os.fstat(lock).st_uid == os.geteuid():
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
                return True
        finally:
            os.close(lock)
    return False


@cache
def _base() -> str:
    """Where all processes of this host have them: found before `use` changes it."""
    return tempfile.gettempdir()
